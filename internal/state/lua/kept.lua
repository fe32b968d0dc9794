-- kept: hand out callbacks that are to be tried again; one that is not reported on is handed out
-- again later.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: most callbacks to hand out
-- ARGV[2]: ms until one that was handed out counts as lost
-- Returns: {{name, age in ms, provider, id, phone, amount, currency, status code, reason, message},
--   ...}

unlock()
local list = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', key('keptdue'), '-inf', now, 'LIMIT', 0,
  ARGV[1])) do
  local text = redis.call('HGET', key('kept'), name)
  if text then
    redis.call('ZADD', key('keptdue'), now + tonumber(ARGV[2]), name)
    local fields = {}
    for field in (text .. '\t'):gmatch('([^\t]*)\t') do fields[#fields + 1] = field end
    fields[1] = now - tonumber(fields[1])
    list[#list + 1] = {name, unpack(fields)}
  else
    redis.call('ZREM', key('keptdue'), name)
  end
end
return list
