-- webhookdispatch: take over what was read of the results for an endpoint, and hand out deliveries.
-- One that is lost is handed out again. Runs on a full Redis.
-- include: webhooks
-- KEYS[1]: {namespace}:state
-- Returns: {1 if the endpoint is on, cursor, results that wait, deliveries more that may be out,
--   {{result, number of the hand-out, failed tries}, ...}}

local arg, rest = arguments {
  'endpoint',
  'cursor', -- The cursor behind which was read.
  'last', -- The last result that was read, for the endpoint or not; '' if nothing was.
  'slots#', -- Deliveries that may be out.
  'lost_after#', -- Ms until a delivery that was handed out and not begun counts as lost.
}
allow_oom()
local name, hash = arg.endpoint, key('webhook', arg.endpoint)
local due, out = key('webhookdue', name), key('webhookout', name)
local waiting = key('webhookwaiting', name)

-- A minute is enough: a write is dear.
local seen = tonumber(redis.call('ZSCORE', key('webhooks'), name) or 0)
if math.abs(now - seen) >= 60000 then redis.call('ZADD', key('webhooks'), now, name) end

local head = redis.call('HMGET', hash, 'cursor', 'off')
local cursor = head[1] or ''
if head[2] then return {0, cursor, redis.call('ZCARD', waiting), 0, {}} end

local lost = up_to_now(out, arg.slots)
local free = math.max(0, arg.slots - redis.call('ZCARD', out) + #lost)
local ready, list = free > 0 and up_to_now(due, free) or {}, {}

local function hand_out(result)
  local d = delivery(name, result)
  d.number, d.holder = redis.call('HINCRBY', hash, 'number', 1), ''
  keep_delivery(d)
  redis.call('ZREM', due, result)
  redis.call('ZADD', out, now + arg.lost_after, result)
  list[#list + 1] = {result, d.number, d.tries}
end

for _, result in ipairs(lost) do
  hand_out(result) -- break: webhook-lost
end
for _, result in ipairs(ready) do
  if #list < free then hand_out(result) end -- break: webhook-slots
end
-- Another process may have read the same.
if arg.last ~= '' and cursor == arg.cursor then -- break: webhook-cursor
  for i = rest, #ARGV do
    wait_for(name, ARGV[i]) -- break: webhook-kept
    if #list < free then hand_out(ARGV[i]) end
  end
  cursor = arg.last
  redis.call('HSET', hash, 'cursor', cursor)
end
return {1, cursor, redis.call('ZCARD', waiting), free - #list, list}
