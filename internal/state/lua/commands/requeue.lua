-- requeue: lay a claimed batch down that cannot be sent now, or divide one that could not be
-- prepared. Runs on a full Redis.
-- include: sending, refusals
-- KEYS[1]: {namespace}:state
-- Returns: {what was done: '' if the caller did not hold it any more, requeued, halved, rejected or
--   put_aside, wakeup}

local arg = arguments {
  'batch',
  'token', -- Token under which it was claimed.
  -- Reason to pause the channel, or ''; batch_refused for a batch that could not be prepared.
  'pause_reason',
  'retry_after#', -- Ms that the provider asked us to wait, or 0.
  'message', -- Why it could not be prepared.
  'first_child', -- Id of a first child batch, should the batch be halved.
  'second_child', -- Id of the second.
  'slots#', -- Requests that may be on the wire.
}
allow_oom()
local b = batch(arg.batch)
if not b or b.state ~= 'claimed' or b.holder ~= arg.token then return {'', 0} end
local did = 'requeued'
if arg.pause_reason ~= 'batch_refused' then
  if arg.pause_reason ~= '' then pause(b.provider, arg.pause_reason, arg.retry_after) end
  unclaim(b)
elseif b.attempt > 0 then
  unclaim(b)
else
  did = divide(b, 'q', {arg.first_child, arg.second_child}, arg.message)
  b.state = 'returned'
  redis.call('ZREM', key('slots', b.provider), b.id)
end
return {did, wakeup(b.provider, arg.slots)}
