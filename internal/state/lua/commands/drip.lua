-- drip: bring back to the queues whom the controls of their campaigns let through now. Runs on a
-- full Redis.
-- include: controls
-- KEYS[1]: {namespace}:state
-- Returns: {1 if there was more than it may look at, {provider, wakeup, ...}}

local arg = arguments {
  'most#', -- Most entries to look at.
  'slots#', -- Requests that may be on the wire.
}
allow_oom()
local left, touched = arg.most, {}
local providers = redis.call('SMEMBERS', key('providers'))

-- stands says whether an entry stands for anybody.
local function stands(d, from, to, location)
  for _, run in ipairs(runs(d, from, to)) do
    if run.status == 'q' and run.location == location then return true end
  end
  return false
end

-- bring_back brings back the first of a provider's, as many as there is room for, and returns what
-- room that leaves. They go behind those who wait already. Whoever draws them spends the tokens.
local function bring_back(provider, campaign, room)
  local withheld = controls.withheld(provider, campaign)
  while room > 0 and left > 0 do
    local entry = redis.call('LPOP', withheld)
    if not entry then break end
    left = left - 1
    local id, from, to, location, since = read_entry(entry)
    local d = chunk(id)
    if stands(d, from, to, location) then -- break: drip-stale
      local last = math.min(to, from + room - 1)
      if last < to then
        local rest = entry_of(d, last + 1, to, location, since)
        redis.call('LPUSH', withheld, rest) -- break: drip-rest
      end
      redis.call('RPUSH', queue_of(provider, d, from), entry_of(d, from, last, location, since))
      room, touched[provider] = room - (last - from + 1), true
    end
  end
  return room
end

for _, campaign in ipairs(redis.call('SMEMBERS', key('controlled'))) do
  local room, waits = controls.room(campaign), 0
  for _, provider in ipairs(providers) do
    room = bring_back(provider, campaign, room)
    waits = waits + redis.call('LLEN', controls.withheld(provider, campaign))
  end
  if waits == 0 and redis.call('EXISTS', controls.bucket(campaign)) == 0 then -- break: drip-ends
    redis.call('SREM', key('controlled'), campaign)
  end
end
return {left == 0 and 1 or 0, wakeups(touched, arg.slots)}
