-- stranded: list who waits in the queue of a paused provider and was sent there by routing. Whom
-- the controls of a campaign withhold is not in the queue: it is listed when it is brought back.
-- include: pending, channels
-- KEYS[1]: {namespace}:state
-- Returns: {index of the next entry to look at, or -1 at the end, {{chunk, position, currency,
--   campaign, lines}, ...}}

local arg = arguments {
  'provider',
  'first#', -- Place of the first entry to look at, from 0.
  'most#', -- Most recipients to list.
}
local provider = arg.provider
if paused_for(provider) <= 0 or stopped(provider) then return {-1, {}} end
local from, most = arg.first, arg.most
local entries = redis.call('LRANGE', key('pending', provider), from, from + most - 1)
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
  redis.call('LPOP', key('pending', provider)) -- break: stranded-head
end
if at < most and at == #entries then return {-1, list} end
return {from + at - (from == 0 and stale or 0), list} -- break: stranded-next
