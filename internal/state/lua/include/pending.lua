-- include: batches

-- Pending entries ---------------------------------------------------------------------------------

local places -- The last one given out.

-- pending_place is a new place in the queue of a provider.
local function pending_place(provider)
  places = (places or tonumber(redis.call('HGET', KEYS[1], 'places') or 0)) + 1
  return '+' .. traits(provider).code .. string.format('%.0f', places)
end

-- entry_of is what stands in the queue for a run. One that is refused since a moment stands for a
-- recipient that was refused alone, and goes alone again.
local function entry_of(d, from, to, place, refused_since)
  local entry = d.id .. ' ' .. from .. ' ' .. to .. ' ' .. place
  return refused_since and entry .. ' ' .. string.format('%.0f', refused_since) or entry
end

-- read_entry returns chunk, positions, place, and since when it was refused; nil where it was not.
local function read_entry(entry)
  local id, from, to, place, since = entry:match('^(%S+) (%d+) (%d+) (%S+) ?(%d*)$')
  return id, tonumber(from), tonumber(to), place, tonumber(since)
end

local function push_pending(d, from, to, place, head)
  redis.call(head and 'LPUSH' or 'RPUSH', key('pending', provider_at(place)),
    entry_of(d, from, to, place))
end

at_end(function()
  if places then redis.call('HSET', KEYS[1], 'places', places) end -- break: places-kept
end)
