-- observe: merge facts about members of a batch and schedule its next query. Runs on a full Redis.
-- include: merge, callbacks, queries
-- KEYS[1]: {namespace}:state
-- Returns: {status moved, settled, open, new second effects, ms until the next query} or {}

local arg, rest = arguments {
  'batch',
  'poll#', -- Number of the query that brought the facts; 0 if they came by themselves.
  'next_query#', -- Ms until the next query while members are open.
  'overdue_after#', -- Ms after the first sending from which open members are overdue.
  'overdue_query#', -- Ms until the next query of an overdue batch.
  'known', -- 1 if the answer shows that the provider knows the batch.
  'words', -- What was answered, for people; '' if the provider was not asked.
  'called', -- 1 if a callback brought the facts.
}
allow_oom()
local b = batch(arg.batch)
if not b then return {} end
local poll = arg.poll
local moved, settled, over = 0, 0, 0

if arg.known == '1' then b.known, b.missing = 1, 0 end

-- per_member reads the values of a stretch: the nth of the lines, or the one for all.
local function per_member(text)
  if not text:find('\n', 1, true) then return function() return text end end
  local lines = {}
  for line in (text .. '\n'):gmatch('([^\n]*)\n') do lines[#lines + 1] = line end
  return function(nth) return lines[nth] end -- break: member-lines
end

-- same_chunk returns how many of the members index..last are neighbours on one chunk, and whom they
-- are there: chunk, from, to.
local function same_chunk(index, last)
  local d, from = member(b, index)
  local to = from
  for other = index + 1, d and last or index do
    local its, pos = member(b, other)
    if its ~= d or pos ~= to + 1 then break end -- break: neighbours
    to = pos
  end
  return d and to - from + 1 or 1, d, from, to
end

-- Each fact is about neighbours: the position of the first, and how many they are. The last four
-- values are one per line, or one for all; amounts are those that are not what was sent.
local facts = records(rest, {'first#', 'count#', 'status', 'reason', 'references', 'messages',
  'discounts', 'amounts'})
for _, fact in ipairs(facts) do
  local index, count, status, reason = fact.first + 1, fact.count, fact.status, fact.reason
  local reference, message = per_member(fact.references), per_member(fact.messages)
  local discount, other = per_member(fact.discounts), per_member(fact.amounts)
  local done = 0
  while done < count do
    local n, d, from, to = same_chunk(index + done, index + count - 1)
    if d then
      local before = done - from + 1
      if arg.called == '1' then
        d.callback = {pos = from, at = now, status = status, batch = b.id}
      end
      local changed, second = merge_all(d, from, to, b, status, function(pos)
        local nth = before + pos
        return reason, reference(nth), message(nth), discount(nth)
      end)
      for pos = from, fact.amounts ~= '' and to or 0 do
        local amount = other(before + pos)
        if amount ~= '' then dispute(d, pos, b, 'amount', amount) end
      end
      moved, over = moved + changed, over + second
      if arg.called == '1' then
        note_callback(b, d, from, now, status, reference(before + from),
          changed > 0 and 'moved' or 'nothing')
      end
      if STATUS[status].settled then settled = settled + changed end
    end
    done = done + n
  end
end

-- next_query is the delay of the next query, 0 for none. Only the query that is under way sets it,
-- so that a repeated or late one does not start a second schedule.
local function next_query()
  if b.open > 0 or b.reopened then
    if b.sent > 0 and now - b.sent > arg.overdue_after and b.open > 0 then
      redis.call('ZADD', key('overdue'), 'NX', now, b.id) -- break: overdue-listed
      return arg.overdue_query
    end
    return arg.next_query
  end
  if arg.known ~= '1' then return arg.next_query end -- No answer is no check.
  return post_settlement_check(b)
end

local delay = 0
local was = b.state
conclude(b)
if poll > 0 and poll == b.polls and poll ~= b.answered and b.state ~= 'sending' then
  b.answered = poll
  note_query(b, poll, arg.words)
  if b.state == 'returned' then -- break: returned-asked
    -- A callback brought this query, and nobody is left to be asked about; but no answer is no
    -- look.
    delay = arg.known ~= '1' and arg.next_query or 0 -- break: returned-unanswered
  elseif was == 'done' or b.state ~= 'done' then
    delay = next_query()
  else
    -- It settled just now, and conclude has scheduled the first check.
    delay = b.reopened and arg.next_query
      or traits(b.provider).checked_later and CHECK_DELAYS[1] or 0
  end
  -- What a callback brought while this query was under way is asked about when it said.
  local due = tonumber(redis.call('ZSCORE', key('due'), b.id) or 0)
  if b.open > 0 and b.hinted > 0 and due == b.hinted then
    delay = math.min(delay, math.max(1, due - now))
  end
  schedule(b, delay)
elseif b.reopened then
  schedule(b, arg.next_query)
end
return {moved, settled, b.open, over, delay}
