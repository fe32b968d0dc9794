-- admit: look again at recipients that are held, and queue those whom nothing holds any more. A
-- person who decides it passes what holds them; the clock passes a schedule that has come, and
-- looks at budgets again. Whom guards have still to count, they count, whatever that comes to.
-- include: audit, cancelled, admission, channels
-- KEYS[1]: {namespace}:state
-- Returns: {recipients that are queued now, recipients that are held for another reason now,
--   recipients that were cancelled, {provider, wakeup, ...}}

local arg, rest = arguments {
  'decision', -- '' for the clock.
  'who',
  'sealed',
  'name', -- What is released, for the audit; '' if that is in it already. And what it says there:
  'kind',
  'reason',
  'rule',
  'recipients',
  'amounts',
  'digest',
  'note',
  'slots#', -- Requests that may be on the wire per provider.
  'queue', -- The queue of a budget that was looked at; '' for none.
  'number#', -- How far, as holdsdue says it.
  'looked', -- The chunks of it, with spaces between them.
}
local by_person = arg.decision ~= ''
local taken = by_person and replayed(arg.decision)
if taken then return taken end
local stretches = records(rest, {
  'chunk', 'from#', 'to#',
  'hold', -- The letter and rule that hold them, as they were seen; '' of whom to count.
  'asked', -- What is asked of them, as accept takes it.
  'prints', -- Those of their payments, from the first on.
})
local queued, moved, withdrawn, touched = 0, 0, 0, {}

-- still calls fn with the runs of a stretch that are still held so.
local function still(s, fn)
  local d = chunk(s.chunk)
  for _, run in ipairs(runs(d, s.from, s.to)) do
    if run.status == 'h' and run.location:sub(3) == s.hold then fn(d, run) end -- break: admit-seen
  end
end

-- release takes a stretch that stands alike to where it goes now.
local function release(d, from, to, provider, s, passed)
  local asked = admission_of(s.asked)
  local _, location = row(d, from)
  d.admits = true
  each_admitted(d, from, to, provider, asked, s.paid, passed, function(first, last, hold, lines)
    if hold == s.hold then return end
    local n = last - first + 1
    holds.log(d, first, last, hold)
    if hold ~= '' then
      put(d, first, last, 'h', location, 'h', '=' .. traits(provider).code .. hold)
      d.holds = true
      moved = moved + n
      return
    end
    local to_queue = pending_location(provider)
    charges.note(d, first, last, lines)
    put(d, first, last, 'h', location, 'q', to_queue)
    push_pending(d, first, last, to_queue) -- break: admit-queued
    queued, touched[provider] = queued + n, true
  end)
end

-- count_later counts those of a stretch who are on their way and were never counted.
local function count_later(s)
  local d = chunk(s.chunk)
  if not d then return end
  charges.missing(d, s.from, s.to, function(first, last, provider)
    each_admitted(d, first, last, provider, admission_of(s.asked), {}, STEP.B,
      function(from, to, _, lines) charges.note(d, from, to, lines) end)
  end)
  if s.to == d.n then redis.call('SREM', key('uncharged'), s.chunk) end
end

local function admit(s)
  local letter = s.hold:sub(1, 1)
  s.paid = split_prints(s.prints, s.from)
  look_up_payments(s.paid)
  still(s, function(d, run)
    local passed = by_person and STEP[letter] or STEP[letter] - 1 -- break: admit-passed
    for _, part in ipairs(by_mark(d, run.from, run.to)) do
      if part.cancelled then
        cancel_run(d, part.from, part.to) -- break: admit-cancelled
        withdrawn = withdrawn + part.to - part.from + 1
      else
        release(d, part.from, part.to, run.provider, s, passed)
      end
    end
  end)
end

for _, s in ipairs(stretches) do
  if s.hold == '' then count_later(s) else admit(s) end
end

-- look_on keeps how far a queue was looked at. What is spent goes down while it is: then it is
-- looked at again.
if arg.queue ~= '' then
  local period, n, sum = holds.spent(arg.queue)
  local before, had_n, had_sum, after = holds.looked(arg.queue)
  if before == period and after > 0 then
    n, sum = math.max(n, had_n), math.max(sum, had_sum)
  end
  holds.look(arg.queue, period, n, sum, arg.number)
  for id in arg.looked:gmatch('%S+') do
    local d, there = chunk(id), false
    for _, run in ipairs(d and runs(d, 1, d.n) or {}) do
      local letter, rule = holds.read(run.location)
      there = there or run.status == 'h' and letter == 'B'
        and holds.queue(d, rule, run.provider) == arg.queue
    end
    if not there then redis.call('ZREM', key('heldfor', arg.queue), id) end
  end
  if arg.number == 0 and redis.call('ZCARD', key('heldfor', arg.queue)) == 0 then
    redis.call('HDEL', key('heldqueues'), arg.queue)
  end
end

local answer = {queued, moved, withdrawn, wakeups(touched, arg.slots)}
if not by_person then return answer end
local drafts = {}
if arg.name ~= '' and queued + moved + withdrawn > 0 then
  drafts[1] = {'release', (shown(arg.name)), detail({'kind', arg.kind, 'reason', arg.reason,
    'rule', arg.rule, 'recipients', arg.recipients, 'amounts', arg.amounts,
    'digest', arg.digest, 'note', arg.note})}
end
return audited(arg.decision, arg.who, arg.sealed, drafts, answer)
