-- load: read a batch.
-- include: describe
-- KEYS[1]: {namespace}:state
-- Returns: its description, or {} if there is none
-- ARGV[1]: batch

local b = batch(ARGV[1])
if not b then return {} end
return describe(b)
