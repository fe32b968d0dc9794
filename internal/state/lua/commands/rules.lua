-- rules: keep which routing rules a worker has. Each says so again and again, so that it is known
-- which are in force, also while workers are replaced one by one.
-- include: providers
-- KEYS[1]: {namespace}:state
-- Returns: 1

local arg = arguments {
  'rules', -- The rules: what, and its digest.
}
local old = redis.call('ZRANGEBYSCORE', key('rules'), '-inf', now - 3600000)
for _, rules in ipairs(old) do
  if rules ~= arg.rules then redis.call('ZREM', key('rules'), rules) end
end
redis.call('ZADD', key('rules'), now, arg.rules)
return 1
