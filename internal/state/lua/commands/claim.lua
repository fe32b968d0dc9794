-- claim: draw one batch for a worker, or say why there is none.
-- include: queue, controls, describe
-- KEYS[1]: {namespace}:state
-- Returns: {'idle', why, wait in ms, wakeup} or {'batch', wakeup, description}

local arg = arguments {
  'provider',
  'token', -- Token: the claimer's new UUID, which becomes the id of a newly drawn batch.
  'most#', -- Most recipients in a batch.
  'slots#', -- Requests that may be on the wire.
  'claim_timeout#', -- Ms until a claimed batch that was not begun goes back.
}
local provider, token, most = arg.provider, arg.token, arg.most
local slots, claim_timeout = arg.slots, arg.claim_timeout
local out = key('slots', provider)

local function idle(why, wait)
  return {'idle', why, math.max(0, wait), wakeup(provider, slots)}
end

local tokens = tokens_left(provider)

local function hand_out(b)
  b.state, b.holder = 'claimed', token
  charge(provider, tokens) -- break: claim-charge
  redis.call('ZADD', out, now + claim_timeout, b.id)
  return {'batch', wakeup(provider, slots), describe(b)}
end

-- A replay of this very call finds its batch among those on the way out.
for _, id in ipairs(redis.call('ZRANGE', out, 0, -1)) do
  if redis.call('HGET', key('batch', id), 'holder') == token then -- break: claim-replay
    return {'batch', wakeup(provider, slots), describe(batch(id))}
  end
end

redis.call('HSET', key('channel', provider), 'notified_at', 0)
redis.call('HDEL', key('channel', provider), 'waiting') -- break: claim-serves
if batch(token) then return idle('busy', 0) end -- A late replay: the claim has lapsed meanwhile.
if fenced_for() > 0 then return idle('fenced', fenced_for()) end
if stopped(provider) then return idle('paused by a person', 0) end -- break: claim-stopped
if paused_for(provider) > 0 then return idle('paused', paused_for(provider)) end
if redis.call('ZCARD', out) >= slots then return idle('busy', 0) end -- break: claim-slots
if half_open(provider) and redis.call('ZCARD', out) > 0 then
  return idle('half_open', 0) -- break: probe-alone
end
if tokens and tokens < 1 then
  return idle('rate', math.ceil((1 - tokens) * 1000 / traits(provider).rate))
end

-- Batches that are ready as they are go first: halves of a refused batch, and resends. A half may
-- be why the channel is paused: another recipient probes it, if there is one.
local function next_ready()
  local id = redis.call('LPOP', key('ready', provider))
  while id do
    local b = batch(id)
    if b and b.state == 'ready' then
      if not controls.stop(b) then return b end -- break: claim-stops-halves
      requeue_batch(b)
    end
    id = redis.call('LPOP', key('ready', provider))
  end
end

local ready = next_ready()
local waits = ready and ready.refused_since > 0 and half_open(provider)
if ready and not waits then return hand_out(ready) end -- break: half-waits

most = largest(provider, most)
local doubt = redis.call('EXISTS', key('doubtphones', provider)) == 1 -- break: claim-in-doubt
local taken, count, phones = {}, 0, nil
local back = {} -- {queue, entry}.

-- The queues, in the order in which they are drawn from: those who go first, and then the others.
-- Every fourth time it is the other way round, so that nobody starves.
local queues = {key('pending', provider)}
if redis.call('LLEN', key('urgent', provider)) > 0 then
  local turns = redis.call('LLEN', queues[1]) > 0
    and redis.call('HINCRBY', key('channel', provider), 'turns', 1) or 1
  table.insert(queues, turns % 4 == 0 and 2 or 1, key('urgent', provider)) -- break: urgent-turns
end

-- next_entry returns the next entry of the first queue that has one; false if none has.
local function next_entry()
  local entry = redis.call('LPOP', queues[1])
  while not entry and queues[2] do
    table.remove(queues, 1)
    entry = redis.call('LPOP', queues[1])
  end
  return entry
end

-- refused_since is when the entry that is being drawn was refused first; nil for most.
local refused_since

local function keep_back(d, from, to, location)
  back[#back + 1] = {queues[1], entry_of(d, from, to, location, refused_since)}
end

local function take(d, from, to)
  taken[#taken + 1] = {chunk = d, from = from, to = to}
  controls.spend(d.campaign, to - from + 1)
  count = count + to - from + 1
  if phones then
    content_of(d)
    for i = from, to do phones[d.phone[i]] = true end
  end
end

-- phones_taken is built only where another disbursal may bring a number twice.
local function phones_taken()
  if phones then return phones end
  phones = {}
  for _, t in ipairs(taken) do
    content_of(t.chunk)
    for i = t.from, t.to do phones[t.chunk.phone[i]] = true end
  end
  return phones
end

-- pick takes what it may of a run whose numbers must be looked at one by one.
local function pick(d, from, to, location)
  local seen = phones_taken()
  content_of(d)
  local start = from
  for i = from, to do
    local phone = d.phone[i]
    local blocked = doubt and redis.call('HEXISTS', key('doubtphones', provider), phone) == 1
    if seen[phone] or blocked then -- break: claim-seen
      if i > start then take(d, start, i - 1) end
      start = i + 1
      if blocked then
        block(provider, phone, entry_of(d, i, i, location, refused_since), d.at)
      else
        keep_back(d, i, i, location)
      end
    else
      seen[phone] = true -- break: claim-sees
    end
  end
  if to >= start then take(d, start, to) end
end

local function draw(d, from, to, location)
  local last = math.min(to, from + most - count - 1)
  if last < to then keep_back(d, last + 1, to, location) end
  if last < from then return end
  owners_of(d)
  local alone = #taken == 0
    and d.owner[from] == d.owner[last] -- break: claim-one-owner
  if doubt or not alone then pick(d, from, last, location) else take(d, from, last) end
end

-- looked counts entries and the recipients who were cancelled meanwhile. Each of those settles here
-- and takes a result, so that they bound a claim as entries do.
local looked = 0

-- let draws as many of a run as the controls of its campaign let through now.
local function let(d, from, to, location)
  local last = math.min(to, from + controls.room(d.campaign) - 1)
  if last < to then
    controls.withhold(provider, d, entry_of(d, last + 1, to, location, refused_since))
  end
  if last >= from then draw(d, from, last, location) end
end

-- look draws a run, but for those who were cancelled meanwhile.
local function look(d, from, to, location)
  for _, part in ipairs(by_mark(d, from, to)) do
    if part.cancelled then -- break: claim-cancelled
      cancel_run(d, part.from, part.to)
      looked = looked + part.to - part.from + 1
    else
      let(d, part.from, part.to, location)
    end
  end
end

while count < most and looked < 2 * most + 100 do
  local entry = next_entry()
  if not entry then break end
  looked = looked + 1
  local id, from, to, location, since = read_entry(entry)
  -- It goes alone.
  if since and count > 0 then -- break: aside-joins
    redis.call('LPUSH', queues[1], entry)
    break
  end
  refused_since = since
  local d = chunk(id)
  for _, run in ipairs(runs(d, from, to)) do
    if run.status == 'q' and run.location == location then -- break: claim-queued
      look(d, run.from, run.to, location)
    end
  end
  if since and count > 0 then break end -- break: aside-draws
end
for i = #back, 1, -1 do
  redis.call('LPUSH', back[i][1], back[i][2]) -- break: claim-puts-back
end
if count == 0 and waits then return hand_out(ready) end
if waits then redis.call('LPUSH', key('ready', provider), ready.id) end
if count == 0 then return idle('empty', 0) end

local slices = {}
for i, t in ipairs(taken) do slices[i] = slice_text(t.chunk, t.from, t.to) end
local b = new_batch(token, provider, 'claimed', slices, count)
b.refused_since = refused_since or 0
for _, t in ipairs(taken) do
  for _, run in ipairs(runs(t.chunk, t.from, t.to)) do
    put(t.chunk, run.from, run.to, 'q', run.location, 'q', token) -- break: claim-rows
  end
end
return hand_out(b)
