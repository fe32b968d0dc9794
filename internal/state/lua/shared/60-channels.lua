-- Channels ----------------------------------------------------------------------------------------

local function frozen_for()
  return tonumber(redis.call('HGET', KEYS[1], 'frozen_until') or 0) - now
end

local function paused_for(provider)
  return tonumber(redis.call('HGET', key('channel', provider), 'paused_until') or 0) - now
end

-- ring answers the number of a new trigger for a provider's workers, or 0: there is work, a free
-- slot, and no trigger under way (after two seconds it counts as lost).
local function ring(provider, slots)
  if redis.call('LLEN', key('pending', provider)) == 0
    and redis.call('LLEN', key('ready', provider)) == 0 then return 0 end
  if redis.call('ZCARD', key('slots', provider)) >= slots then return 0 end
  if paused_for(provider) > 0 or frozen_for() > 0 then return 0 end
  local rung = tonumber(redis.call('HGET', key('channel', provider), 'rung') or 0)
  if now - rung < 2000 then return 0 end
  redis.call('HSET', key('channel', provider), 'rung', now)
  return redis.call('HINCRBY', key('channel', provider), 'rings', 1)
end

-- pause stops Claim for a provider: for the time the provider asked for, or longer with each pause
-- that no acceptance came between, from one second to five minutes.
local function pause(provider, reason, wish)
  local channel = key('channel', provider)
  local strikes = redis.call('HINCRBY', channel, 'strikes', 1)
  local length = wish > 0 and wish or math.min(300000, 1000 * 2 ^ math.min(strikes - 1, 9))
  redis.call('HSET', channel, 'paused_until', now + length, 'pause_reason', reason)
  return length
end

-- suspects are single recipients that the provider refused without saying why. One acceptance shows
-- that the fault was theirs: they are rejected.
local function clear_suspects(provider)
  for _, id in ipairs(redis.call('ZRANGE', key('suspects', provider), 0, -1)) do
    local b = batch(id)
    for _, slice in ipairs(b and slices_of(b) or {}) do
      local d = disbursal(slice[1])
      for pos = slice[2], slice[3] do
        local status, place = row(d, pos)
        if place == id and status == 'd' then settle(d, pos, 'x', id, 'refused', '', '') end
      end
    end
  end
  redis.call('DEL', key('suspects', provider))
end

-- schedule sets when a batch is asked about next; 0 takes it off the schedule.
local function schedule(b, delay)
  if delay > 0 then
    redis.call('ZADD', key('due'), now + delay, b.id)
  else
    redis.call('ZREM', key('due'), b.id)
  end
end
