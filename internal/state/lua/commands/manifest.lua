-- manifest: open an import, or recognise it.
-- include: providers
-- KEYS[1]: {namespace}:state
-- Returns: new, same, conflict or cancelled

local arg = arguments {
  'import',
  'manifest',
  'rows',
  'by', -- Who imports it.
}
local name = key('import', arg.import)
if redis.call('HEXISTS', key('cancelled'), 'import ' .. arg.import) == 1 then return 'cancelled' end
local known = redis.call('HGET', name, 'manifest')
if known then return known == arg.manifest and 'same' or 'conflict' end
redis.call('HSET', name, 'manifest', arg.manifest, 'rows', arg.rows, 'at', now, 'submitted_by',
  arg.by)
redis.call('ZADD', key('imports'), now, arg.import)
return 'new'
