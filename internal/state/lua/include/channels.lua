-- channels: pauses, half open, ramp up, tokens of the rate, the fence after a restart, wakeups.
-- include: providers, figures

-- fenced_for is how long claiming and giving back are fenced. A Redis process other than the last
-- one may have forgotten a sending that is on the wire, so both wait until it has ended. The
-- scripts notice the change themselves: a connection can be there before its Redis can run any
-- (loading, without replicas, not yet the master). An embedded Redis has no run id and dies with
-- its process.
local fenced_until
local function fenced_for()
  if not fenced_until then
    local run = redis.info('server'):match('run_id:(%w+)')
    local v = redis.call('HMGET', KEYS[1], 'run_id', 'fenced_until', 'longest')
    local latest = now + tonumber(v[3] or FENCING)
    fenced_until = tonumber(v[2] or 0)
    if run and run ~= v[1] then
      redis.call('HSET', KEYS[1], 'run_id', run)
      if v[1] then fenced_until = latest end
    end
    fenced_until = math.min(fenced_until, latest) -- Or it was set by a clock that was ahead.
    if fenced_until ~= tonumber(v[2] or 0) then
      redis.call('HSET', KEYS[1], 'fenced_until', string.format('%.0f', fenced_until))
    end
  end
  return fenced_until - now
end

local function paused_for(provider)
  return time_left(tonumber(redis.call('HGET', key('channel', provider), 'paused_until') or 0))
end

-- A channel is the way to one provider for all processes: HASH channel:<provider>
--   wakeups, notified_at  triggers given out, and when the last one was (ms)
--   consecutive_failures  pauses and unclear answers that no clear answer came between
--   paused_until          ms
--   pause_reason, paused_since    while it is paused or probed
--   half_open             1 until one clear answer has come after a pause: one request of one
--                         recipient at a time
--   ramp                  batches hold at most 10^ramp recipients, where an unknown cannot be
--                         asked about
--   careful               recipients that go alone before batches may grow again: a request was
--                         refused for one of them, and nobody knows whether the others were paid
--   waiting               first trigger since a worker asked for work there (ms)
--   accepted_at           when the provider accepted a recipient last (ms)
--   refused_at            when a recipient that was refused alone was put aside last (ms)
--   refusals              recipients refused alone since then, each counted once
--   turns                 claims that found some who go first, and others: every fourth is theirs
--   tokens, charged       what the provider's rate leaves, and when that was counted (ms)
--   stopped, stopped_by, stopped_note    a person's pause: since when (ms), who and why
local function of_channel(provider, field)
  return tonumber(redis.call('HGET', key('channel', provider), field) or 0)
end

-- stopped says whether a person has paused a channel. Only a person ends that: it stands beside the
-- pauses that come and go by themselves, so that no answer of the provider lifts it.
local function stopped(provider)
  return redis.call('HEXISTS', key('channel', provider), 'stopped') == 1
end

local function half_open(provider) return of_channel(provider, 'half_open') == 1 end

-- pause stops Claim for a provider: for the time the provider asked for, or longer with each pause
-- that no clear answer came between, from one second to five minutes. What follows is a probe.
-- While it is paused only a longer wish counts: the others are about requests from before.
local function pause(provider, reason, wish)
  local channel, left = key('channel', provider), paused_for(provider)
  local failures = of_channel(provider, 'consecutive_failures') + 1
  local length = wish
  if wish == 0 and left <= 0 then
    length = math.min(300000, 1000 * 2 ^ math.min(failures - 1, 9))
  end
  if length <= left then return left end
  redis.call('HSETNX', channel, 'paused_since', now)
  redis.call('HSET', channel, 'paused_until', string.format('%.0f', now + length),
    'pause_reason', reason, 'half_open', 1, 'consecutive_failures', failures)
  return length
end

-- resume closes a half-open channel after a clear answer: the provider works. While the channel is
-- paused such an answer is about an earlier request, and says nothing about why it is paused.
local function resume(provider)
  if paused_for(provider) > 0 then return end -- break: pause-stays
  redis.call('HSET', key('channel', provider), 'consecutive_failures', 0)
  redis.call('HDEL', key('channel', provider), 'half_open', 'paused_since') -- break: half-open-ends
end

-- count_failure counts sendings without a clear answer; the third in a row, and each one that was a
-- probe, pauses the channel, so that an outage at the provider does not put the whole queue in
-- doubt.
local function count_failure(provider, reason)
  if of_channel(provider, 'consecutive_failures') >= 2 or half_open(provider) then
    pause(provider, reason, 0)
  else
    redis.call('HINCRBY', key('channel', provider), 'consecutive_failures', 1)
  end
end

-- ramp_up lets batches grow after a clear answer about n recipients, and reset_ramp makes them
-- start again after an unknown.
local function ramp_up(provider, n)
  local level = of_channel(provider, 'ramp')
  if traits(provider).ramps_up and level < 3
    and n >= 10 ^ level then -- break: ramp-full
    redis.call('HSET', key('channel', provider), 'ramp', level + 1)
  end
end

local function reset_ramp(provider)
  if traits(provider).ramps_up then
    redis.call('HDEL', key('channel', provider), 'ramp') -- break: ramp-reset
  end
end

-- queued counts who is queued at a provider, in batches that are not sent yet, too.
local function queued(provider)
  local n = 0
  for field, figures in pairs(book_of(key('book'))) do
    local whose, word = field:match('^(%S+) %S+ (%S+)$')
    if whose == provider and word == STATUS.q.name then n = n + figures.count end
  end
  return n
end

-- take_care lets all who are queued now go alone, after a request of several was refused for one of
-- them: the next one at fault is alone then, and brings nobody in doubt. That is an answer about
-- recipients, so the provider works.
local function take_care(provider)
  redis.call('HSET', key('channel', provider), 'careful', queued(provider))
  resume(provider)
end

-- ease takes note that n recipients were sent since.
local function ease(provider, n)
  local left = of_channel(provider, 'careful')
  if left > n then
    redis.call('HSET', key('channel', provider), 'careful', left - n) -- break: careful-left
  elseif left > 0 then
    redis.call('HDEL', key('channel', provider), 'careful')
  end
end

-- largest is the most recipients that a batch may have now.
local function largest(provider, most)
  if half_open(provider) then return 1 end -- break: probe-size
  if of_channel(provider, 'careful') > 0 then return 1 end -- break: careful-size
  if traits(provider).ramps_up then -- break: ramp-some
    most = math.min(most, 10 ^ of_channel(provider, 'ramp'))
  end
  return most
end

-- tokens_in is what a rate leaves now in a bucket: a HASH with the fields tokens, which was left,
-- and charged, when that was (ms). A new one has all that it can hold.
local function tokens_in(bucket, rate, burst)
  local v = redis.call('HMGET', bucket, 'tokens', 'charged')
  local charged = tonumber(v[2] or now)
  -- Another Redis has taken over, with a clock behind the last one's.
  if charged > now then -- break: tokens-clock
    charged = now
    redis.call('HSET', bucket, 'charged', now_text)
  end
  local since = now - charged
  return math.min(burst, tonumber(v[1] or burst) + since * rate / 1000) -- break: tokens-burst
end

local function keep_tokens(bucket, tokens)
  redis.call('HSET', bucket, 'tokens', string.format('%.3f', tokens), 'charged', now_text)
end

-- tokens_left is how many requests the provider's rate permits now; nil where it has none.
local function tokens_left(provider)
  local t = traits(provider)
  return t.rate > 0 and tokens_in(key('channel', provider), t.rate, t.burst) or nil
end

local function charge(provider, tokens)
  if tokens then keep_tokens(key('channel', provider), tokens - 1) end
end

-- wakeup answers the number of a new trigger for a provider's workers, or 0: there is work, a free
-- slot, and no trigger under way (after two seconds it counts as lost).
local function wakeup(provider, slots)
  if redis.call('LLEN', key('pending', provider)) == 0
    and redis.call('LLEN', key('urgent', provider)) == 0 -- break: wakeup-urgent
    and redis.call('LLEN', key('ready', provider)) == 0 then return 0 end
  local out, tokens = redis.call('ZCARD', key('slots', provider)), tokens_left(provider)
  if out >= slots then return 0 end
  if out > 0 and half_open(provider) then return 0 end -- break: wakeup-probe
  if (tokens or 1) < 1 then return 0 end -- break: wakeup-tokens
  if stopped(provider) or paused_for(provider) > 0 or fenced_for() > 0 then return 0 end
  local notified_at = tonumber(redis.call('HGET', key('channel', provider), 'notified_at') or 0)
  if notified_at <= now and now - notified_at < 2000 then return 0 end -- break: wakeup-lost
  redis.call('HSET', key('channel', provider), 'notified_at', now)
  redis.call('HSETNX', key('channel', provider), 'waiting', now) -- break: waiting-since
  return redis.call('HINCRBY', key('channel', provider), 'wakeups', 1)
end

-- wakeups answers {provider, wakeup, ...} for the providers whose queues have grown.
local function wakeups(touched, slots)
  local list = {}
  for provider in pairs(touched) do
    redis.call('SADD', key('providers'), provider)
    local number = wakeup(provider, slots)
    if number > 0 then
      list[#list + 1] = provider
      list[#list + 1] = number
    end
  end
  return list
end
