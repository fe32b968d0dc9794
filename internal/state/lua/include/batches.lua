-- batches: batches: their fields, slices, members and runs, and how long they took.
-- include: schedule, chunks

-- BATCH_FIELDS are the fields of a batch with their defaults, which are not stored; a field whose
-- default is '0' is a number.
--   state: ready, claimed, sending, doubt, open, done, returned     attempt: sendings begun
--   holder: token of the claimer    n: members
--   slices: lines "chunk from to" in wire order; or "@reference from to", with positions in that
--     disbursal, where a Redis that forgot the chunk was told of the sending
--   open, doubtful: members here that are not settled, that are in doubt
--   sent: first BeginSend (ms)    deadline: of the request on the wire (ms)
--   recorded: attempt whose answer is stored    result: what Record answered
--   polls: queries handed out    answered: the last of them that set the schedule
--   checks: queries after settling
--   why, words: reason of a doubt, and what the provider said of everybody in it
--   known: 1 if the provider knows it    missing: not known since (ms)    refused: 1 if as a whole
--   refused_since: when the first sending began that refused its members (ms); 0 if none has
--   aside: since when its one recipient, whom the provider refused, waits to be sent again (ms)
--   asides: how often that was so
--   hinted: last callback about it that brought its query forward (ms)
--   later: when it would have been looked at without the hint (ms), -1 for never
--   accepted: when the first of its members was accepted (ms)
--   log: lines about its sendings, for people: "begun attempt ms", "silent attempt ms", or
--     "answered attempt ms verdict reason accepted rejected returned in-doubt wire", '-' for no
--     reason; wire says how the request ended, in words
--   queries: how often its provider was asked and the answer stored    asked: when last (ms)
--   said: number of that query, and what it was answered, in words
--   journal: length of its journal
local BATCH_FIELDS = {
  provider = '', state = '', attempt = '0', holder = '', slices = '', n = '0', parent = '',
  open = '0', doubtful = '0', sent = '0', deadline = '0', recorded = '0', result = '',
  polls = '0', answered = '0', checks = '0', known = '0', missing = '0', refused = '0', why = '',
  words = '', hinted = '0', later = '0', accepted = '0', refused_since = '0',
  aside = '0', asides = '0', log = '', asked = '0', queries = '0', said = '', journal = '0',
}

local batches = {}

local function blank_batch(id)
  local b = {id = id, saved = {}}
  for name, default in pairs(BATCH_FIELDS) do
    b[name] = default == '0' and 0 or default
  end
  batches[id] = b
  return b
end

-- mend_times replaces times that a clock has set which was ahead: when it was is not known, but for
-- that it was before now.
local function mend_times(b)
  if b.sent > now then b.sent = math.min(now, distrusted) end
  if b.missing > now then b.missing = now end
  if b.deadline > now + FARTHEST then b.deadline = now + FENCING - GUARD end
end

local function batch(id)
  if batches[id] ~= nil then return batches[id] end
  local fields = redis.call('HGETALL', key('batch', id))
  if #fields == 0 then
    batches[id] = false
    return false
  end
  local b = blank_batch(id)
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    b.saved[name] = value
    b[name] = BATCH_FIELDS[name] == '0' and tonumber(value) or value
  end
  mend_times(b)
  return b
end

-- enter_log adds a line to the log of a batch, which is bounded where it is sent again and again.
local function enter_log(b, ...)
  if #b.log < 4000 then b.log = b.log .. table.concat({...}, ' ') .. '\n' end
end

local function new_batch(id, provider, state, slices, n)
  local b = blank_batch(id)
  b.provider, b.state, b.slices, b.n = provider, state, table.concat(slices, '\n'), n
  return b
end

-- slice_text is how a stretch of a chunk stands among the slices of a batch.
local function slice_text(d, from, to) return d.id .. ' ' .. from .. ' ' .. to end

-- slices_of lists the slices of a batch: {chunk, from, to, offset of its first member}. One whose
-- disbursal is still missing keeps "@reference", under which there is no chunk.
local function slices_of(b)
  if b.cut then return b.cut end
  b.cut = {}
  local offset = 0
  for id, from, to in b.slices:gmatch('(%S+) (%d+) (%d+)') do
    local d = id:sub(1, 1) == '@' and find_disbursal(id:sub(2))
    if d then id, from, to = d.chunk, d.before + from, d.before + to end -- break: by-reference
    from, to = tonumber(from), tonumber(to)
    b.cut[#b.cut + 1] = {chunk = id, from = from, to = to, offset = offset}
    offset = offset + to - from + 1
  end
  return b.cut
end

-- member finds the chunk and position of a batch's member.
local function member(b, index)
  if not b.chunks then
    local ids, positions, n = {}, {}, 0
    for _, slice in ipairs(slices_of(b)) do
      for pos = slice.from, slice.to do
        n = n + 1
        ids[n], positions[n] = slice.chunk, pos
      end
    end
    b.chunks, b.positions = ids, positions
  end
  local id = b.chunks[index]
  if not id then return false end
  return chunk(id), b.positions[index]
end

-- each_run calls fn with the chunk and each stretch of members that stand alike, in wire order.
local function each_run(b, fn)
  for _, slice in ipairs(slices_of(b)) do
    local d = chunk(slice.chunk)
    for _, run in ipairs(runs(d, slice.from, slice.to)) do fn(d, run) end
  end
end

-- each_run_at calls it with those that stand in the batch with a status.
local function each_run_at(b, status, fn)
  each_run(b, function(d, run)
    if run.status == status and run.location == b.id then fn(d, run) end
  end)
end

-- still_out is how long the request of a batch may have an effect that nobody has seen yet (ms).
local function still_out(b) return math.max(0, b.deadline + GUARD - now) end

local function is_batch(location) return location:sub(1, 1) ~= '+' end

-- provider_at says whose a location is; a batch that has expired does not know any more.
local function provider_at(location, otherwise)
  if not is_batch(location) then return NAMES[location:sub(2, 2)] end
  local b = batch(location)
  return b and b.provider or otherwise
end

-- add_latency counts for operators how long a batch took, in powers of two of a millisecond: from
-- 64 to 2^27, which is more than a day, and 28 for what took longer.
local function add_latency(b, way, since)
  if since == 0 then return end
  local ms = math.max(0, now - since)
  local _, power = math.frexp(ms)
  local field = b.provider .. ' ' .. way .. ' '
  redis.call('HINCRBY', key('times'), field .. math.max(6, math.min(28, power)), 1)
  redis.call('HINCRBY', key('times'), field .. 'ms', ms)
end

-- count_latency keeps which batches are open, the one with the oldest member first, and how long
-- they took. It costs the same for any number of members.
local function count_latency(b)
  local was = b.saved
  for _, slice in ipairs(was.state and {} or slices_of(b)) do
    local d = chunk(slice.chunk)
    if d and (b.accepted == 0 or d.at < b.accepted) then b.accepted = d.at end
  end
  local open, had = b.open > 0, tonumber(was.open or 0) > 0
  if open and not had then
    redis.call('ZADD', key('open', b.provider), b.accepted > 0 and b.accepted or now, b.id)
  elseif had and not open then
    redis.call('ZREM', key('open', b.provider), b.id)
  end
  if b.recorded > 0 and not was.recorded and b.state ~= 'returned' then
    add_latency(b, 'accepted answered', b.accepted)
  end
  if b.state == 'done' and was.state ~= 'done' then
    add_latency(b, 'accepted settled', b.accepted)
    add_latency(b, 'sent settled', b.sent)
  end
end

local function text_of(b, name)
  if BATCH_FIELDS[name] == '0' then return string.format('%.0f', b[name]) end
  return b[name]
end

local function changed(b)
  for name, default in pairs(BATCH_FIELDS) do
    if text_of(b, name) ~= (b.saved[name] or default) then return true end
  end
  return false
end

local function flush_batch(b)
  if not changed(b) then return end
  conclude(b)
  count_latency(b)
  if b.doubtful > 0 then
    redis.call('ZADD', key('doubt'), 'NX', b.sent > 0 and b.sent or now, b.id) -- break: doubts
  else
    redis.call('ZREM', key('doubt'), b.id)
  end
  if b.open == 0 then redis.call('ZREM', key('overdue'), b.id) end
  if b.state == 'returned'
    and b.saved.state ~= 'returned' then -- break: returned-due
    schedule(b, 0)
  end
  local fields = {}
  for name, default in pairs(BATCH_FIELDS) do
    local value = text_of(b, name)
    if value ~= (b.saved[name] or default) then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  if #fields > 0 then redis.call('HSET', key('batch', b.id), unpack(fields)) end
  local ended = b.state == 'done' or b.state == 'returned'
  local turned = ended ~= (b.saved.state == 'done' or b.saved.state == 'returned')
  local function keep(kind, after)
    if ended then
      redis.call('PEXPIRE', key(kind, b.id), after)
    else
      redis.call('PERSIST', key(kind, b.id))
    end
  end
  -- A batch that was never sent cannot be heard of again.
  if turned then keep('batch', b.attempt == 0 and 3600000 or RETENTION) end
  if b.journal > 0 and (turned or ended and not b.saved.journal) then
    keep('journal', RETENTION) -- break: journal-kept
  end
end

at_end(function()
  for _, b in pairs(batches) do
    if b then flush_batch(b) end
  end
end)
