-- schedule: when a batch is asked about next, and what state its members give it.
-- include: providers

-- schedule sets when a batch is asked about next; 0 takes it off the schedule.
local function schedule(b, delay)
  if delay > 0 then
    redis.call('ZADD', key('due'), now + delay, b.id)
  else
    redis.call('ZREM', key('due'), b.id)
  end
end

-- post_settlement_check takes note of a query about a settled batch and returns the delay of the
-- next one, 0 for none. One that a callback brought leaves the checks where they were.
local function post_settlement_check(b)
  if b.later ~= 0 then
    local later = b.later > 0 and math.max(1, b.later - now) or 0
    b.later = 0
    return later
  end
  b.checks = b.checks + 1
  return traits(b.provider).checked_later and CHECK_DELAYS[b.checks + 1] or 0 -- break: checks
end

-- first_query is the delay of the first question about a batch; where nobody can be asked, of the
-- moment when people are told. 0 is never.
local function first_query(b)
  local t = traits(b.provider)
  if t.asks or t.resend > 0 then return 1000 end
  if t.overdue_after == 0 then return 0 end
  return math.max(1000, t.overdue_after - (now - (b.sent > 0 and b.sent or now)))
end

-- conclude derives the state of a batch that was answered from its members, and schedules the two
-- post-settlement checks of a settled batch: reversals come late.
local function conclude(b)
  local was = b.state
  if was ~= 'open' and was ~= 'doubt' and was ~= 'done' and b.open == 0 then return end
  if was == 'ready' or was == 'claimed' or was == 'sending' then return end
  b.state = b.doubtful > 0 and 'doubt' or b.open > 0 and 'open' or 'done'
  if b.state ~= 'done' and b.state ~= was and first_query(b) > 0 then
    -- A member was reattached to it, or was reopened, or left the doubt in which nobody asked.
    local when = was == 'done' and 'LT' or 'NX'
    redis.call('ZADD', key('due'), when, now + first_query(b), b.id) -- break: reopened-due
  end
  if b.state == 'done' and was ~= 'done' then
    schedule(b, traits(b.provider).checked_later and CHECK_DELAYS[1] or 0)
    b.checks = 0
  end
end
