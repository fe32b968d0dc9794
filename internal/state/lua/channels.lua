-- channels: read the roads to all providers that ever got a disbursal.
-- KEYS[1]: {namespace}:state
-- Returns: {{provider, pending entries, ready batches, held entries, batches out, ms that it stays
--   paused, reason, ms since the pause began, 1 if it is probed, climb, ms that triggers have
--   waited for a worker to ask for work, when the pause began (ms)}, ...}

local list = {}
local names = redis.call('SMEMBERS', key('providers'))
table.sort(names)
for _, provider in ipairs(names) do
  local v = redis.call('HMGET', key('channel', provider), 'pause_reason', 'paused_since', 'climb',
    'waiting')
  local since = tonumber(v[2] or 0)
  list[#list + 1] = {provider, redis.call('LLEN', key('pending', provider)),
    redis.call('LLEN', key('ready', provider)), redis.call('LLEN', key('held', provider)),
    redis.call('ZCARD', key('slots', provider)), math.max(0, paused_for(provider)),
    since > 0 and v[1] or '', since > 0 and now - since or 0, probing(provider) and 1 or 0,
    tonumber(v[3] or 0), v[4] and now - tonumber(v[4]) or 0, since}
end
return list
