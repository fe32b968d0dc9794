-- manifest: open an import, or recognise it.
-- include: providers
-- KEYS[1]: {namespace}:state
-- ARGV[1]: import
-- ARGV[2]: manifest
-- ARGV[3]: rows
-- Returns: new, same, conflict or cancelled

local name = key('import', ARGV[1])
if redis.call('HEXISTS', key('cancelled'), 'import ' .. ARGV[1]) == 1 then return 'cancelled' end
local known = redis.call('HGET', name, 'manifest')
if known then return known == ARGV[2] and 'same' or 'conflict' end
redis.call('HSET', name, 'manifest', ARGV[2], 'rows', ARGV[3], 'at', now)
return 'new'
