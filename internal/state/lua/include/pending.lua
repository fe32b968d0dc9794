-- pending: entries of the queues: locations that are no batch.
-- include: batches

local number -- The last one given out.

-- pending_location is a new location in the queue of a provider.
local function pending_location(provider)
  number = (number or tonumber(redis.call('HGET', KEYS[1], 'pending_number') or 0)) + 1
  return '+' .. traits(provider).code .. string.format('%.0f', number)
end

-- entry_of is what stands in the queue for a run. One that is refused since a moment stands for a
-- recipient that was refused alone, and goes alone again.
local function entry_of(d, from, to, location, refused_since)
  local entry = d.id .. ' ' .. from .. ' ' .. to .. ' ' .. location
  return refused_since and entry .. ' ' .. string.format('%.0f', refused_since) or entry
end

-- read_entry returns chunk, positions, location, and since when it was refused; nil where it was
-- not.
local function read_entry(entry)
  local id, from, to, location, since = entry:match('^(%S+) (%d+) (%d+) (%S+) ?(%d*)$')
  return id, tonumber(from), tonumber(to), location, tonumber(since)
end

local function push_pending(d, from, to, location, head)
  local provider = provider_at(location)
  for _, part in ipairs(by_priority(d, from, to)) do
    local queue = key(part.urgent and 'urgent' or 'pending', provider) -- break: urgent-queue
    redis.call(head and 'LPUSH' or 'RPUSH', queue, entry_of(d, part.from, part.to, location))
  end
end

at_end(function()
  if number then redis.call('HSET', KEYS[1], 'pending_number', number) end -- break: numbers-kept
end)
