-- channels: read the channels of all providers that ever got a disbursal, or that a person paused.
-- include: controls
-- KEYS[1]: {namespace}:state
-- Returns: {{provider, pending entries, ready batches, blocked entries, batches out, ms that it
--   stays paused, reason, ms since the pause began, 1 if it is probed, ramp, ms that triggers have
--   waited for a worker to ask for work, when the pause began (ms), batches with open recipients,
--   ms since the oldest open recipient was accepted, when a person paused it (ms; 0 if nobody
--   has), who, note, ms since then, entries that the controls of campaigns withhold}, ...}

local LOOKED = 100

-- waiting_since is when the first recipient was accepted who still waits in a queue, of which the
-- first entries are given. Where all of their recipients have left and there are more, it is when
-- the last of these was.
local function waiting_since(entries, length)
  local since
  for _, entry in ipairs(entries) do
    local id, from, to, location = read_entry(entry)
    local d = chunk(id)
    if d then since = d.at end
    for _, run in ipairs(runs(d, from, to)) do
      if run.status == 'q' and run.location == location then return d.at end
    end
  end
  return length > LOOKED and since or now
end

-- withheld calls fn with the lists of what is withheld from the queue of a provider.
local controlled = redis.call('SMEMBERS', key('controlled'))
local function withheld(provider, fn)
  for _, campaign in ipairs(controlled) do fn(controls.withheld(provider, campaign)) end
end

-- each_queue calls fn with the lists of the entries of a provider that no number in doubt blocks.
local function each_queue(provider, fn)
  fn(key('urgent', provider))
  fn(key('pending', provider))
  withheld(provider, fn)
end

-- oldest is for how long the oldest open recipient of a provider has been open.
local function oldest(provider)
  local first = redis.call('ZRANGE', key('open', provider), 0, 0, 'WITHSCORES')
  local blocked = key('blockedsince', provider)
  local since = math.min(now, tonumber(first[2] or now),
    waiting_since(redis.call('ZRANGE', blocked, 0, LOOKED - 1), redis.call('ZCARD', blocked)))
  each_queue(provider, function(list)
    local entries = redis.call('LRANGE', list, 0, LOOKED - 1)
    since = math.min(since, waiting_since(entries, redis.call('LLEN', list)))
  end)
  return now - since
end

-- ago is how long ago something was, 0 for never.
local function ago(at) return at > 0 and math.max(0, now - at) or 0 end

local list = {}
local names, listed = redis.call('SMEMBERS', key('providers')), {}
for _, provider in ipairs(names) do listed[provider] = true end
for provider in pairs(PROVIDERS) do
  if not listed[provider] and stopped(provider) then names[#names + 1] = provider end
end
table.sort(names)
for _, provider in ipairs(names) do
  local v = redis.call('HMGET', key('channel', provider), 'pause_reason', 'paused_since', 'ramp',
    'waiting', 'stopped', 'stopped_by', 'stopped_note')
  local ramp = of_channel(provider, 'careful') > 0 and 0 or tonumber(v[3] or 0)
  local since, person = tonumber(v[2] or 0), tonumber(v[5] or 0)
  local kept_back = 0
  withheld(provider, function(list) kept_back = kept_back + redis.call('LLEN', list) end)
  local waiting = redis.call('LLEN', key('pending', provider))
    + redis.call('LLEN', key('urgent', provider))
  list[#list + 1] = {provider, waiting,
    redis.call('LLEN', key('ready', provider)), redis.call('ZCARD', key('blockedsince', provider)),
    redis.call('ZCARD', key('slots', provider)), math.max(0, paused_for(provider)),
    since > 0 and v[1] or '',
    ago(since), -- break: pause-ago
    half_open(provider) and 1 or 0, ramp,
    ago(tonumber(v[4] or 0)), since, redis.call('ZCARD', key('open', provider)), oldest(provider),
    person, v[6] or '', v[7] or '', ago(person),
    kept_back}
end
return list
