-- begin: commit that a batch is about to be sent: claimed -> sending, once per attempt.
-- include: sending
-- KEYS[1]: {namespace}:state
-- Returns: {'go', ms left} or {'refused', why}

local arg = arguments {
  'batch',
  'token', -- Token under which it was claimed.
  'attempt#', -- Attempt, counted from 1.
  'timeout#', -- Ms that the request may take.
  'guard#', -- Ms after that in which nobody else resolves or resends it.
}
local b = batch(arg.batch)
local token, attempt = arg.token, arg.attempt
local timeout, guard = arg.timeout, arg.guard

if not b then return {'refused', 'gone'} end
if b.state == 'sending' and b.attempt == attempt and b.holder == token then
  return {'go', b.deadline - now} -- A replay of this very call.
end
if b.state ~= 'claimed' or b.attempt ~= attempt - 1
  or b.holder ~= token then -- break: begin-holder
  return {'refused', 'moved'} -- break: begin-moved
end
-- Since it was claimed: nothing begins once a person is told so.
if stopped(b.provider) then -- break: begin-stopped
  unclaim(b)
  return {'refused', 'stopped'}
end

-- A first sending takes queued members, a repetition only a batch that is in doubt as a whole: once
-- one member shows an effect, the provider knows the batch and is asked instead.
local expected = attempt == 1 and 'q' or 'd'
local whole = b.known == 0 or attempt == 1
local window = traits(b.provider).resend
local late = attempt > 1 and (behind > 0
  or window > 0 and (now + timeout > b.sent + window or b.sent <= distrusted))
whole = whole and not late -- break: begin-late
local there = 0 -- Redis may have lost a chunk.
each_run_at(b, expected, function(_, run) there = there + run.to - run.from + 1 end)
whole = whole and there == b.n and (attempt == 1 or repeatable(b))
if not whole then -- break: begin-changed
  if attempt == 1 then
    requeue_batch(b)
  else
    b.state = 'doubt'
    redis.call('ZREM', key('slots', b.provider), b.id)
    schedule(b, 1000)
  end
  return {'refused', late and 'late' or 'known'}
end

local again = attempt > 1 and traits(b.provider).callbacks
each_run(b, function(d, run)
  put(d, run.from, run.to, run.status, b.id, 's', b.id) -- break: begin-rows
  for pos = run.from, run.to do
    if again then note_unanswered(d, pos, b.provider, b.id) end -- break: begin-unanswered
  end
end)
b.state, b.attempt, b.deadline, b.missing = 'sending', attempt, now + timeout, 0
if b.sent == 0 then b.sent = now end
enter_log(b, 'begun', attempt, now_text)
-- Who is silent at the deadline is in doubt, and asked about; the guard is for what may follow.
redis.call('ZADD', key('slots', b.provider), b.deadline, b.id)
-- How long a restarted Redis freezes: whoever meets it first may have other settings than the
-- sender.
if timeout + guard > tonumber(redis.call('HGET', KEYS[1], 'longest') or 0) then
  redis.call('HSET', KEYS[1], 'longest', timeout + guard)
end
schedule(b, 0)
return {'go', timeout}
