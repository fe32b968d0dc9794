-- reroute: move recipients that wait in the queue of a paused provider to the queues of others. Who
-- has been claimed or cancelled meanwhile stays, and so do all while a person has paused it.
-- include: queue, channels
-- KEYS[1]: {namespace}:state
-- Returns: {moved, {provider, wakeup, ...}}

local arg, rest = arguments {
  'provider',
  'slots#', -- Requests that may be on the wire.
}
local provider, moved, touched = arg.provider, 0, {}
local reason = redis.call('HGET', key('channel', provider), 'pause_reason') or ''
if paused_for(provider) <= 0 then return {0, {}} end -- break: reroute-open
if stopped(provider) then return {0, {}} end -- break: reroute-stopped

-- onward hands a run on, but for those who have been there.
local function onward(d, from, to, next)
  local count, start = 0, from
  for pos = from, to + 1 do
    if pos > to or was_at(d, pos, next) then -- break: reroute-back
      if pos > start then
        failover(d, start, pos - 1, next, reason, 'the channel is paused')
        count = count + pos - start
      end
      start = pos + 1
    end
  end
  return count
end

-- Neighbours go together.
local recipients, i = records(rest, {'chunk', 'position#', 'next'}), 1
while recipients[i] do
  local first, last = recipients[i], recipients[i]
  local after = recipients[i + 1]
  while after and after.chunk == first.chunk and after.position == last.position + 1
    and after.next == first.next do
    i, last, after = i + 1, after, recipients[i + 2]
  end
  local next = first.next
  local d = chunk(first.chunk)
  for _, run in ipairs(runs(d, first.position, last.position)) do
    if run.status == 'q'
      and run.provider == provider -- break: reroute-there
      and not is_batch(run.location) then -- break: reroute-claimed
      moved = moved + onward(d, run.from, run.to, next)
      touched[next] = true
    end
  end
  i = i + 1
end
return {moved, wakeups(touched, arg.slots)}
