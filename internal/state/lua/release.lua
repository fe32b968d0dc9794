-- release: lay a claimed batch down that cannot be sent now. Runs on a full Redis.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: batch
-- ARGV[2]: token under which it was claimed
-- ARGV[3]: reason to pause the channel, or ''
-- ARGV[4]: ms that the provider asked us to wait, or 0
-- Returns: 1 if it was laid down, 0 if the caller did not hold it any more

unlock()
local b = batch(ARGV[1])
if not b or b.state ~= 'claimed' or b.holder ~= ARGV[2] then return 0 end
if ARGV[3] ~= '' then pause(b.provider, ARGV[3], tonumber(ARGV[4])) end
lay_down(b)
return 1
