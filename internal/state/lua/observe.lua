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
for i = 7, #ARGV, 5 do
  local d, pos = member(b, tonumber(ARGV[i]) + 1)
  if d then
    local changed, second = see(d, pos, b, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
    moved, over = moved + changed, over + second
    if changed == 1 and STATUS[ARGV[i + 1]].settled then settled = settled + 1 end
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
