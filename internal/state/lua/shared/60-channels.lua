-- Channels ----------------------------------------------------------------------------------------

-- frozen_for is how long claiming and giving back stay frozen. A Redis process other than the last
-- one may have forgotten a sending that is on the wire, so both wait until it has ended. The
-- scripts notice the change themselves: a connection can be there before its Redis can run any
-- (loading, without replicas, not yet the master). An embedded Redis has no run id and dies with
-- its process.
local frozen_until
local function frozen_for()
  if not frozen_until then
    local info = redis.pcall('INFO', 'server')
    local run = type(info) == 'string' and info:match('run_id:(%w+)')
    local v = redis.call('HMGET', KEYS[1], 'run_id', 'frozen_until', 'longest')
    frozen_until = tonumber(v[2] or 0)
    if run and run ~= v[1] then
      redis.call('HSET', KEYS[1], 'run_id', run)
      if v[1] then
        frozen_until = now + tonumber(v[3] or FREEZE)
        redis.call('HSET', KEYS[1], 'frozen_until', frozen_until)
      end
    end
  end
  return frozen_until - now
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
  if length <= paused_for(provider) then return paused_for(provider) end -- Never shortened.
  redis.call('HSET', channel, 'paused_until', now + length, 'pause_reason', reason)
  return length
end

-- storm counts sendings without a clear answer; from the third in a row on they pause the channel,
-- so that an outage at the provider does not put the whole queue in doubt.
local function storm(provider, reason)
  local channel = key('channel', provider)
  if tonumber(redis.call('HGET', channel, 'strikes') or 0) >= 2 then
    pause(provider, reason, 0)
  else
    redis.call('HINCRBY', channel, 'strikes', 1)
  end
end

-- suspects are single recipients that the provider refused without saying why. One acceptance shows
-- that the fault was theirs: they are rejected.
local function clear_suspects(provider, edge)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('suspects', provider), '-inf',
    edge or '+inf')) do
    redis.call('ZREM', key('suspects', provider), id)
    local b = batch(id)
    for _, slice in ipairs(b and slices_of(b) or {}) do
      local d = disbursal(slice[1])
      for pos = slice[2], slice[3] do
        local status, place = row(d, pos)
        if place == id and status == 'd' then
          settle(d, pos, 'x', id, 'refused', '', '')
          rejoin(d, pos)
        end
      end
    end
  end
end

-- schedule sets when a batch is asked about next; 0 takes it off the schedule.
local function schedule(b, delay)
  if delay > 0 then
    redis.call('ZADD', key('due'), now + delay, b.id)
  else
    redis.call('ZREM', key('due'), b.id)
  end
end
