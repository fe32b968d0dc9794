-- holds: indexes of who is held, and why.
-- include: charges

-- The location of who is held is '=', the code of the provider, a letter and the rule: the name of
-- an approval or guard, '' for the schedule.
--   held        ZSET  chunk with a held recipient -> its number, in the order of arrival
--   scheduled   ZSET  chunk with one that is held for the schedule -> until when (ms)
--   heldfor:<queue>  ZSET  chunk with one that is held for a budget -> its number. A queue is
--                          "guard currency subject"; a chunk of which nobody is held there any more
--                          is taken out when it is looked at
--   holdlog:<chunk>  LIST  "ms from to hold": since when what held those positions, '-' for nothing
--                          any more: for people
--   uncharged   SET   chunk with one who came out of a hold, and no guard was asked: this Redis had
--                     forgotten that it was released, and was told of its sending
--   heldqueues  HASH  queue -> "period recipients money number": to what chunk it was looked at, 0
--                     for all; and the most that was spent meanwhile, in that period
local holds = {}

-- read returns letter and rule of a location.
function holds.read(location) return location:sub(3, 3), location:sub(4) end

-- log notes for people what holds the recipients from..to from now on, '' for nothing any more.
function holds.log(d, from, to, hold)
  redis.call('RPUSH', key('holdlog', d.id),
    table.concat({now_text, from, to, hold == '' and '-' or hold}, ' '))
end

-- subject is whom a guard counts recipients for, but for their phone numbers.
function holds.subject(guard, d, provider)
  if not guard then return '' end -- It is no more in the settings.
  if guard.of == 'provider' then return provider end
  if guard.of == 'campaign' then return d.campaign end
  if guard.of == 'producer' then return owned(d.refs) or '' end
  return guard.of == 'phone' and '*' or ''
end

function holds.queue(d, rule, provider)
  return rule .. ' ' .. d.currency .. ' ' .. holds.subject(GUARDS[rule], d, provider)
end

-- spent returns the present period of a queue's guard, and what is spent in it. That of a float
-- begins with its balance.
function holds.spent(queue)
  local rule, field = queue:match('^(%S+) (.*)$')
  if not GUARDS[rule] then return '-', 0, 0 end
  local period = charges.period(GUARDS[rule].per)
  local name, float = charges.key(rule, period), period == 'balance' and floats.known(field)
  return float and float.at or period, charges.figure(name, field) -- break: float-renewed
end

-- looked returns what is kept about looking at a queue: period, recipients, money, number.
function holds.looked(queue)
  local period, n, sum, number = (redis.call('HGET', key('heldqueues'), queue) or '')
    :match('^(%S+) (%S+) (%S+) (%S+)$')
  return period, tonumber(n), tonumber(sum), tonumber(number)
end

function holds.look(queue, period, n, sum, number)
  redis.call('HSET', key('heldqueues'), queue,
    string.format('%s %.0f %.0f %.0f', period, n, sum, number))
end

-- join adds a chunk to a queue. Whoever is held there now was looked at just now.
local function join(queue, d, number)
  if redis.call('ZSCORE', key('heldfor', queue), d.id) then return end
  redis.call('ZADD', key('heldfor', queue), number, d.id)
  local period, n, sum = holds.spent(queue)
  local before, had_n, had_sum, at = holds.looked(queue)
  if not before then
    holds.look(queue, period, n, sum, 0)
  elseif before == period then
    holds.look(queue, period, math.max(n, had_n), math.max(sum, had_sum), at)
  end
end

-- index keeps in the indexes where recipients of a chunk are held: locations by provider.
function holds.index(d, held)
  local number = redis.call('ZSCORE', key('held'), d.id)
  if not number and next(held) then
    number = tonumber(redis.call('HGET', KEYS[1], 'held_number') or 0) + 1
    redis.call('HSET', KEYS[1], 'held_number', number)
    redis.call('ZADD', key('held'), number, d.id)
  elseif number and not next(held) then
    redis.call('ZREM', key('held'), d.id)
  end
  local scheduled = false
  for location, provider in pairs(held) do
    local letter, rule = holds.read(location)
    scheduled = scheduled or letter == 'S'
    if letter == 'B' then join(holds.queue(d, rule, provider), d, number) end
  end
  if scheduled then
    redis.call('ZADD', key('scheduled'), d.not_before, d.id)
  elseif d.not_before > 0 then
    redis.call('ZREM', key('scheduled'), d.id)
  end
end

-- Who was held and is no more leaves the indexes, whichever verb has moved it.
at_end(function()
  for _, d in pairs(chunks) do
    if d and d.uncharged and #GUARD_LIST > 0 then redis.call('SADD', key('uncharged'), d.id) end
    if d and d.holds then
      local held = {}
      for _, run in ipairs(runs(d, 1, d.n)) do
        if run.status == 'h' then held[run.location] = run.provider end
      end
      holds.index(d, held)
    end
  end
end)
