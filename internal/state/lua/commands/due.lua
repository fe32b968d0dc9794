-- due: hand out status queries, each once; a query whose trigger is lost is handed out again.
-- include: batches
-- KEYS[1]: {namespace}:state
-- Returns: {1 if any query waits, now or later, {{batch, provider, number of the query, recipients,
--   open ones, sendings, when the first of them began (ms)}, ...}}

local arg = arguments {
  'most#', -- Most queries to hand out.
  'lost_after#', -- Ms until a query that was handed out counts as lost.
}
allow_oom()
local list = {}

-- shift corrects what a clock that was ahead has scheduled, once: to look too early costs a query.
local function shift(schedule)
  local entries = redis.call('ZRANGEBYSCORE', schedule, now, '+inf', 'WITHSCORES')
  for i = 1, #entries, 2 do
    redis.call('ZADD', schedule, math.max(now, entries[i + 1] - behind), entries[i])
  end
end

if behind > 0 and head[5] ~= head[2] then
  redis.call('HSET', KEYS[1], 'shifted', head[2])
  shift(key('due'))
  shift(key('parkeddue'))
  return {1, list}
end
local entries = redis.call('ZRANGEBYSCORE', key('due'), '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0,
  arg.most)
for i = 1, #entries, 2 do
  local id = entries[i]
  if tonumber(entries[i + 1]) > now then break end
  local b = batch(id)
  if b then
    b.polls = b.polls + 1
    schedule(b, arg.lost_after) -- break: due-again
    list[#list + 1] = {id, b.provider, b.polls, b.n, b.open, b.attempt, b.sent}
  else
    redis.call('ZREM', key('due'), id)
  end
end
return {#entries > 0 and 1 or 0, list}
