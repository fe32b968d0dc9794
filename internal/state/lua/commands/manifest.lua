-- manifest: open an import, or recognise it.
-- include: audit
-- KEYS[1]: {namespace}:state
-- Returns: new, same, conflict or cancelled

local arg = arguments {
  'decision',
  'who',
  'sealed',
  'import',
  'manifest', -- Hash of the content, and options on a second line.
  'rows',
  'amounts', -- What is asked for, as people read it.
}
local taken = replayed(arg.decision)
if taken then return taken end
local name = key('import', arg.import)
if redis.call('HEXISTS', key('cancelled'), 'import ' .. arg.import) == 1 then return 'cancelled' end
local known = redis.call('HGET', name, 'manifest')
if known then return known == arg.manifest and 'same' or 'conflict' end
redis.call('HSET', name, 'manifest', arg.manifest, 'rows', arg.rows, 'at', now, 'submitted_by',
  arg.who)
redis.call('ZADD', key('imports'), now, arg.import)
local content, options = arg.manifest:match('^([^\n]*)\n?(.*)$')
local drafts = {{'import', arg.import, detail {'rows', arg.rows, 'amounts', arg.amounts,
  'content', content, 'options', options}}}
return audited(arg.decision, arg.who, arg.sealed, drafts, 'new')
