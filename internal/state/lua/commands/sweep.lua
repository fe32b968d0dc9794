-- sweep: mend what a stopped process left behind at one provider. Runs on a full Redis.
-- include: sending
-- KEYS[1]: {namespace}:state
-- Returns: {batches given back, batches put in doubt, wakeup, ms that the clock is behind}

local arg = arguments {
  'provider',
  'slots#', -- Requests that may be on the wire.
  -- Ms after which a recipient that was refused alone goes again without an acceptance.
  'alone_again_after#',
}
allow_oom()
local provider, slots = arg.provider, arg.slots
local returned, doubted = 0, 0

-- lapsed lists whose time is up, and whose deadline was set by a clock that was ahead: nobody knows
-- whether these are still at work. While the clock is behind, no time is up.
local function lapsed()
  local lost = redis.call('ZRANGEBYSCORE', key('slots', provider), now + FARTHEST, '+inf')
  if behind > 0 then return lost end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('slots', provider), '-inf', now)) do
    lost[#lost + 1] = id
  end
  return lost
end

for _, id in ipairs(lapsed()) do
  local b = batch(id)
  if not b then
    redis.call('ZREM', key('slots', provider), id)
  elseif b.state == 'sending' then -- break: sweep-silent
    expire_send(b) -- break: sweep-expires
    doubted = doubted + 1
  elseif b.state ~= 'claimed' then
    redis.call('ZREM', key('slots', provider), id)
  elseif fenced_for() <= 0 then -- While fenced, a sending may have been forgotten.
    unclaim(b) -- break: sweep-claimed
    returned = returned + 1
  end
end

-- With nothing else to send, a recipient that was refused alone finds out whether the account works
-- again.
local refused_at = of_channel(provider, 'refused_at')
local rested = refused_at > now or now - refused_at >= arg.alone_again_after
local idle = redis.call('LLEN', key('pending', provider)) == 0
  and redis.call('LLEN', key('urgent', provider)) == 0
  and redis.call('LLEN', key('ready', provider)) == 0
  and redis.call('ZCARD', key('slots', provider)) == 0
if rested and idle then
  local entry = redis.call('LPOP', key('refused', provider))
  if entry then redis.call('RPUSH', key('pending', provider), entry) end
end

-- Lines of evidence that came alone go together, of the first few chunks that wait for it.
for _ = 1, 10 do
  local id = redis.call('LPOP', key('scattered'))
  if not id then break end
  if chunk(id) then gather(chunk(id)) end
end
return {returned, doubted, wakeup(provider, slots), behind}
