-- webhookon: switch an endpoint on, and try again what was given up. Runs on a full Redis.
-- include: webhooks
-- KEYS[1]: {namespace}:state
-- Returns: {since when it was off (ms; 0 if it was on), results that are tried again}

local arg = arguments {
  'endpoint',
  'decision', -- New id of this decision, by which a replay is recognised.
}
allow_oom()
local name, hash = arg.endpoint, key('webhook', arg.endpoint)
local taken = redis.call('GET', key('decision', arg.decision))
if taken then
  local off, again = taken:match('^(%d+) (%d+)$')
  return {tonumber(off), tonumber(again)}
end
local off = redis.call('HGET', hash, 'off') or '0'
redis.call('HDEL', hash, 'off', 'why')
local given_up = redis.call('ZRANGE', key('webhookgivenup', name), 0, -1)
for _, result in ipairs(given_up) do wait_for(name, result) end
redis.call('DEL', key('webhookgivenup', name))
redis.call('SET', key('decision', arg.decision), off .. ' ' .. #given_up, 'PX', 3600000)
return {tonumber(off), #given_up}
