-- observe: merge facts about members of a batch and schedule its next query. Runs on a full Redis.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: batch
-- ARGV[2]: number of the query that brought the facts; 0 if they came by themselves
-- ARGV[3]: ms until the next query while members are open
-- ARGV[4]: ms after the first sending from which open members are overdue
-- ARGV[5]: ms until the next query of an overdue batch
-- ARGV[6]: 1 if the answer shows that the provider knows the batch
-- ARGV[7]: then per fact five values: position, status code, reason, reference, message
-- Returns: {status moved, settled, open, new second effects, ms until the next query} or {}

unlock()
local b = batch(ARGV[1])
if not b then return {} end
local poll = tonumber(ARGV[2])
local moved, settled, over = 0, 0, 0

if ARGV[6] == '1' then b.known, b.missing = 1, 0 end
-- Facts about neighbours that say the same are merged together.
local i, last = 7, #ARGV - 4
while i <= last do
  local d, from = member(b, ARGV[i] + 1)
  local status, first, to = ARGV[i + 1], i, from
  i = i + 5
  while i <= last and ARGV[i + 1] == status do
    local other, pos = member(b, ARGV[i] + 1)
    if other ~= d or pos ~= to + 1 then break end
    to, i = pos, i + 5
  end
  if d then
    local changed, second = see_all(d, from, to, b, status, function(pos)
      local fact = first + 5 * (pos - from)
      return ARGV[fact + 2], ARGV[fact + 3], ARGV[fact + 4]
    end)
    moved, over = moved + changed, over + second
    if STATUS[status].settled then settled = settled + changed end
  end
end

-- next_query is the delay of the next query, 0 for none. Only the query that is under way sets it,
-- so that a repeated or late one does not start a second rhythm.
local function next_query()
  if b.open > 0 or b.reopened then
    if b.sent > 0 and now - b.sent > tonumber(ARGV[4]) and b.open > 0 then
      redis.call('ZADD', key('overdue'), 'NX', now, b.id)
      return tonumber(ARGV[5])
    end
    return tonumber(ARGV[3])
  end
  if ARGV[6] ~= '1' then return tonumber(ARGV[3]) end -- No answer is no look.
  return late_look(b)
end

local delay = 0
local was = b.state
conclude(b)
if poll > 0 and poll == b.polls and poll ~= b.answered and b.state ~= 'sending' then
  b.answered = poll
  if b.state == 'returned' then
    -- A callback brought this query, and nobody is left to be asked about; but no answer is no
    -- look.
    delay = ARGV[6] ~= '1' and tonumber(ARGV[3]) or 0
  elseif was == 'done' or b.state ~= 'done' then
    delay = next_query()
  else
    -- It settled just now, and conclude has scheduled the first look.
    delay = b.reopened and tonumber(ARGV[3]) or traits(b.provider).looks and LOOKS[1] or 0
  end
  -- What a callback brought while this query was under way is asked about when it said.
  local due = tonumber(redis.call('ZSCORE', key('due'), b.id) or 0)
  if b.open > 0 and b.hinted > 0 and due == b.hinted then
    delay = math.min(delay, math.max(1, due - now))
  end
  schedule(b, delay)
elseif b.reopened then
  schedule(b, tonumber(ARGV[3]))
end
flush()
return {moved, settled, b.open, over, delay}
