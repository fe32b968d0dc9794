-- stranded: list who waits in the queue of a paused provider and was sent there by routing. Whom
-- the controls of a campaign withhold is not in the queue: it is listed when it is brought back.
-- include: pending, channels
-- KEYS[1]: {namespace}:state
-- Returns: {place of the next entry to look at, or -1 at the end, {{chunk, position, currency,
--   campaign, lines}, ...}}

local arg = arguments {
  'provider',
  -- Place of the first entry to look at: from 0 in the queue; then from -2 down among those who go
  -- first.
  'first#',
  'most#', -- Most recipients to list.
}
local provider = arg.provider
if paused_for(provider) <= 0 or stopped(provider) then return {-1, {}} end
local most, urgent = arg.most, arg.first < 0
local from = urgent and -2 - arg.first or arg.first
local queue = key(urgent and 'urgent' or 'pending', provider)
local entries = redis.call('LRANGE', queue, from, from + most - 1)
local list, listed, stale, at = {}, 0, 0, 0

-- look lists who is queued by an entry and may go elsewhere; it says whether the entry stands for
-- anybody at all.
local function look(entry)
  local id, first, last, location = read_entry(entry)
  local d, live = chunk(id), false
  for _, run in ipairs(runs(d, first, last)) do
    if run.status == 'q' and run.location == location then -- break: stranded-queued
      live = true
      if d.given == '' then -- break: stranded-named
        list[#list + 1] = {id, run.from, d.currency, d.campaign, lines_of(d, run.from, run.to)}
        listed = listed + run.to - run.from + 1
      end
    end
  end
  return live
end

while at < #entries and listed < most do -- break: stranded-most
  at = at + 1
  local live = look(entries[at])
  if not live and stale == at - 1 then stale = at end -- break: stranded-stale
end
-- Entries at the head that stand for nobody any more need not be looked at again.
for _ = 1, from == 0 and stale or 0 do -- break: stranded-part
  redis.call('LPOP', queue) -- break: stranded-head
end
if at < most and at == #entries then
  local others = not urgent and redis.call('LLEN', key('urgent', provider)) > 0
  return {others and -2 or -1, list} -- break: stranded-urgent
end
local next = from + at - (from == 0 and stale or 0) -- break: stranded-next
return {urgent and -2 - next or next, list}
