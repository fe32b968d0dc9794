-- resolveunknown: the provider says that it does not know a batch in doubt; decide what that
-- permits.
-- include: sending, refusals, queries
-- KEYS[1]: {namespace}:state
-- Returns: {decision, wakeup, ms until the next query}

local arg = arguments {
  'batch',
  'poll#', -- Number of the query that brought the answer.
  'next_query#', -- Ms until the next query.
  'settle_delay#', -- Ms that the batch must not be known before anything follows from it.
  'guard#', -- Ms after a request's deadline in which nobody resends.
  'may_resend', -- 1 if the same reference and bytes may be sent again.
  'first_child', -- Id of a first child batch, should the batch be halved.
  'second_child', -- Id of the second.
  'slots#', -- Requests that may be on the wire.
  'overdue_after#', -- Ms from the first sending until overdue.
  'overdue_query#', -- Ms until the next query of an overdue batch.
  -- When the batch was loaded to be asked about (ms, by the clock of Redis): an answer says nothing
  -- about what came after the question.
  'asked_at#',
  'alone_again_after#', -- Ms after which who is aside is sent again without an acceptance.
  'words', -- What was answered, for people.
}
allow_oom()
local b = batch(arg.batch)
if not b then return {'ask', 0, 0} end
local provider, slots = b.provider, arg.slots
local asked = arg.poll == b.polls
if asked then note_query(b, arg.poll, arg.words) end

local function ask(delay)
  if b.sent > 0 and now - b.sent > arg.overdue_after and b.open > 0 then
    redis.call('ZADD', key('overdue'), 'NX', now, b.id)
    delay = arg.overdue_query
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
if b.state ~= 'doubt' or b.known == 1 or behind > 0 then return ask(arg.next_query) end
local asked_at = math.min(now, arg.asked_at)
if b.missing == 0 then b.missing = asked_at end

-- A request may arrive as long as the guard lasts, and the provider may take the settle delay from
-- then on to know it.
local since = b.missing
if b.refused == 0 then
  since = math.max(since, b.deadline + arg.guard) -- break: unknown-guard
end
local free = since + arg.settle_delay
if asked_at < free then -- break: unknown-early
  return ask(math.max(1, math.min(arg.next_query, free - now)))
end

-- Who is aside goes again, as the same batch, after an acceptance or a while.
local d, pos = member(b, 1)
if b.aside > 0 and not (d and withheld(d, pos)) then
  local rested = of_channel(provider, 'accepted_at') >= b.aside
    or now - b.aside >= arg.alone_again_after
  local out = asked_at < b.deadline + arg.guard
  local may = arg.may_resend == '1' and repeatable(b)
  if out or not rested or not may then return ask(arg.next_query) end
  b.aside, b.refused = 0, 0
end

local decision
if b.refused == 1 then -- break: unknown-divides
  decision = divide(b, 'd', {arg.first_child, arg.second_child})
  if b.aside > 0 and decision == 'put_aside' then
    local delay = ask(arg.next_query)[3]
    return {decision, wakeup(provider, slots), delay}
  end
  if decision ~= 'rejected' then b.state = b.open == 0 and 'returned' or 'open' end
  if decision == '' then return ask(arg.next_query) end
elseif arg.may_resend == '1' and repeatable(b) then
  make_ready(b)
  decision = 'resend'
else
  return ask(arg.next_query)
end
return {decision, wakeup(provider, slots), 0}
