-- notknown: the provider says that it does not know a batch in doubt; decide what that permits.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: batch
-- ARGV[2]: number of the query that brought the answer
-- ARGV[3]: ms until the next query
-- ARGV[4]: ms throughout which the batch must not be known before anything follows from it
-- ARGV[5]: ms after a request's deadline in which nobody resends
-- ARGV[6]: 1 if the same reference and bytes may be sent again
-- ARGV[7]: id of a first child batch, should the batch be halved
-- ARGV[8]: id of the second
-- ARGV[9]: requests that may be on the wire
-- ARGV[10]: ms from the first sending until overdue
-- ARGV[11]: ms until the next query of an overdue batch
-- ARGV[12]: when the batch was loaded to be asked about (ms, by the clock of Redis): an answer says
--   nothing about what came after the question
-- Returns: {decision, ring, ms until the next query}

unlock()
local b = batch(ARGV[1])
if not b then return {'ask', 0, 0} end
local provider, slots = b.provider, tonumber(ARGV[9])
local asked = tonumber(ARGV[2]) == b.polls

local function ask(delay)
  if b.sent > 0 and now - b.sent > tonumber(ARGV[10]) and b.open > 0 then
    redis.call('ZADD', key('overdue'), 'NX', now, b.id)
    delay = tonumber(ARGV[11])
  end
  -- What is ready or on the wire is asked about when its next attempt has ended.
  if asked and (b.state == 'doubt' or b.state == 'open') then schedule(b, delay) end
  return {'ask', 0, delay}
end

-- A batch that has settled is looked at late, one that nobody is left in when a callback says so;
-- that the provider does not know it says nothing.
if b.state == 'done' or b.state == 'returned' then
  if asked and b.answered ~= b.polls then
    b.answered = b.polls
    schedule(b, b.state == 'done' and late_look(b) or 0)
  end
  return {'ask', 0, 0}
end
if b.state ~= 'doubt' or b.known == 1 then return ask(tonumber(ARGV[3])) end
local asked_at = math.min(now, tonumber(ARGV[12]))
if b.missing == 0 then b.missing = asked_at end

-- A request may arrive as long as the guard lasts, and the provider may take the settle delay from
-- then on to know it.
local since = b.missing
if b.refused == 0 then since = math.max(since, b.deadline + tonumber(ARGV[5])) end
local free = since + tonumber(ARGV[4])
if asked_at < free then return ask(math.max(1, math.min(tonumber(ARGV[3]), free - now))) end

-- doubtful_slices lists the stretches of members that are in doubt here, at most limit members from
-- the skip-th on.
local function doubtful_slices(skip, limit)
  local list, n = {}, 0
  for _, slice in ipairs(slices_of(b)) do
    local d = sheet(slice[1])
    for _, run in ipairs(runs(d, slice[2], slice[3])) do
      if run[3] == 'd' and run[4] == b.id then
        local from = run[1] + math.min(skip, run[2] - run[1] + 1)
        skip = skip - (from - run[1])
        local to = math.min(run[2], from + limit - n - 1)
        if to >= from then
          list[#list + 1] = {slice[1], from, to}
          n = n + to - from + 1
        end
      end
    end
  end
  return list, n
end

local function child(id, skip, limit)
  local list, n = doubtful_slices(skip, limit)
  local slices = {}
  for i, s in ipairs(list) do slices[i] = table.concat(s, ' ') end
  local half = new_batch(id, provider, 'ready', slices, n)
  half.parent = b.id
  return list
end

-- withhold takes out who must not be sent again: the cancelled, and who was paid by another batch.
local function withhold()
  for _, slice in ipairs(slices_of(b)) do
    local d = sheet(slice[1])
    for _, run in ipairs(runs(d, slice[2], slice[3])) do
      for pos = run[1], run[3] == 'd' and run[4] == b.id and run[2] or 0 do
        if withheld(d, pos) then give_back(d, pos, pos) end
      end
    end
  end
end

local function halve()
  local half = math.ceil(b.doubtful / 2)
  local first, second = child(ARGV[7], 0, half), child(ARGV[8], half, b.n)
  for i, list in ipairs({first, second}) do
    for _, s in ipairs(list) do
      put(sheet(s[1]), s[2], s[3], 'd', b.id, 'q', ARGV[6 + i])
    end
    redis.call('RPUSH', key('ready', provider), ARGV[6 + i])
  end
  b.state = b.open == 0 and 'returned' or 'open'
end

-- account_fault gives every suspect back and pauses: a provider that refuses whatever it is sent
-- has nothing against the recipients.
local function account_fault(suspects)
  for _, id in ipairs(suspects) do
    local s = batch(id)
    for _, slice in ipairs(s and slices_of(s) or {}) do
      local d = sheet(slice[1])
      for _, run in ipairs(runs(d, slice[2], slice[3])) do
        if run[3] == 'd' and run[4] == id then give_back(d, run[1], run[2]) end
      end
    end
    if s and s.open == 0 then s.state = 'returned' end
  end
  redis.call('DEL', key('suspects', provider))
  pause(provider, 'account_fault', 300000)
end

local decision
if b.refused == 1 then withhold() end
if b.refused == 1 and b.doubtful == 0 then
  if b.open == 0 then b.state = 'returned' end
  return ask(tonumber(ARGV[3]))
elseif b.refused == 1 and b.doubtful > 1 then
  halve()
  decision = 'halved'
elseif b.refused == 1 then
  schedule(b, 0)
  local suspects = redis.call('ZRANGE', key('suspects', provider), 0, -1)
  redis.call('ZADD', key('suspects', provider), now, b.id)
  suspects[#suspects + 1] = b.id
  decision = 'suspect'
  if redis.call('ZCARD', key('suspects', provider)) >= 3 then
    account_fault(suspects)
    decision = 'account_fault'
  end
elseif ARGV[6] == '1' and repeatable(b) then
  make_ready(b)
  decision = 'resend'
else
  return ask(tonumber(ARGV[3]))
end
return {decision, ring(provider, slots), 0}
