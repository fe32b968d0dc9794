-- release: lay a claimed batch down that cannot be sent now, or divide one that could not be
-- prepared. Runs on a full Redis.
-- include: sending, refusals
-- KEYS[1]: {namespace}:state
-- ARGV[1]: batch
-- ARGV[2]: token under which it was claimed
-- ARGV[3]: reason to pause the channel, or ''; batch_refused for a batch that could not be prepared
-- ARGV[4]: ms that the provider asked us to wait, or 0
-- ARGV[5]: why it could not be prepared
-- ARGV[6]: id of a first child batch, should the batch be halved
-- ARGV[7]: id of the second
-- ARGV[8]: requests that may be on the wire
-- Returns: {what was done: '' if the caller did not hold it any more, released, halved, rejected or
--   put_aside, wakeup}

allow_oom()
local b = batch(ARGV[1])
if not b or b.state ~= 'claimed' or b.holder ~= ARGV[2] then return {'', 0} end
local did = 'released'
if ARGV[3] ~= 'batch_refused' then
  if ARGV[3] ~= '' then pause(b.provider, ARGV[3], tonumber(ARGV[4])) end
  unclaim(b)
elseif b.attempt > 0 then
  unclaim(b)
else
  did = divide(b, 'q', {ARGV[6], ARGV[7]}, ARGV[5])
  b.state = 'returned'
  redis.call('ZREM', key('slots', b.provider), b.id)
end
return {did, wakeup(b.provider, tonumber(ARGV[8]))}
