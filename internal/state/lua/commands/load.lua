-- load: read a batch.
-- include: describe
-- KEYS[1]: {namespace}:state
-- Returns: its description, or {} if there is none

local arg = arguments {
  'batch',
}
local b = batch(arg.batch)
if not b then return {} end
return describe(b)
