-- reroute: move recipients that wait in the queue of a paused provider to the queues of others. Who
-- has been claimed or cancelled meanwhile stays, and so do all while a person has paused it.
-- include: queue, channels
-- KEYS[1]: {namespace}:state
-- ARGV[1]: provider
-- ARGV[2]: requests that may be on the wire
-- ARGV[3]: then three values per recipient: chunk, position, next provider
-- Returns: {moved, {provider, wakeup, ...}}

local provider, moved, touched = ARGV[1], 0, {}
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

local first = 3
while ARGV[first] do
  local id, from, next = ARGV[first], tonumber(ARGV[first + 1]), ARGV[first + 2]
  local to = from
  while ARGV[first + 3] == id and tonumber(ARGV[first + 4]) == to + 1
    and ARGV[first + 5] == next do
    first, to = first + 3, to + 1
  end
  local d = chunk(id)
  for _, run in ipairs(runs(d, from, to)) do
    if run.status == 'q'
      and run.provider == provider -- break: reroute-there
      and not is_batch(run.location) then -- break: reroute-claimed
      moved = moved + onward(d, run.from, run.to, next)
      touched[next] = true
    end
  end
  first = first + 3
end
return {moved, wakeups(touched, tonumber(ARGV[2]))}
