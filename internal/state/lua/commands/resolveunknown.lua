-- resolveunknown: the provider says that it does not know a batch in doubt; decide what that
-- permits.
-- include: sending, refusals
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
-- ARGV[13]: ms after which who is aside is sent again without an acceptance
-- Returns: {decision, wakeup, ms until the next query}

allow_oom()
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
if b.state == 'done' or b.state == 'returned' then -- break: unknown-returned
  if asked and b.answered ~= b.polls then -- break: unknown-again
    b.answered = b.polls
    schedule(b, b.state == 'done' and post_settlement_check(b) or 0)
  end
  return {'ask', 0, 0}
end
if b.state ~= 'doubt' or b.known == 1 or behind > 0 then return ask(tonumber(ARGV[3])) end
local asked_at = math.min(now, tonumber(ARGV[12]))
if b.missing == 0 then b.missing = asked_at end

-- A request may arrive as long as the guard lasts, and the provider may take the settle delay from
-- then on to know it.
local since = b.missing
if b.refused == 0 then
  since = math.max(since, b.deadline + tonumber(ARGV[5])) -- break: unknown-guard
end
local free = since + tonumber(ARGV[4])
if asked_at < free then -- break: unknown-early
  return ask(math.max(1, math.min(tonumber(ARGV[3]), free - now)))
end

-- Who is aside goes again, as the same batch, after an acceptance or a while.
local d, pos = member(b, 1)
if b.aside > 0 and not (d and withheld(d, pos)) then
  local rested = of_channel(provider, 'accepted_at') >= b.aside
    or now - b.aside >= tonumber(ARGV[13])
  local out = asked_at < b.deadline + tonumber(ARGV[5])
  if out or not rested or ARGV[6] ~= '1' or not repeatable(b) then return ask(tonumber(ARGV[3])) end
  b.aside, b.refused = 0, 0
end

local decision
if b.refused == 1 then -- break: unknown-divides
  decision = divide(b, 'd', {ARGV[7], ARGV[8]})
  if b.aside > 0 and decision == 'put_aside' then
    local delay = ask(tonumber(ARGV[3]))[3]
    return {decision, wakeup(provider, slots), delay}
  end
  if decision ~= 'rejected' then b.state = b.open == 0 and 'returned' or 'open' end
  if decision == '' then return ask(tonumber(ARGV[3])) end
elseif ARGV[6] == '1' and repeatable(b) then
  make_ready(b)
  decision = 'resend'
else
  return ask(tonumber(ARGV[3]))
end
return {decision, wakeup(provider, slots), 0}
