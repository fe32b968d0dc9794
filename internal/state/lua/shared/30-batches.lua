-- Batches -----------------------------------------------------------------------------------------

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
local BATCH_FIELDS = {
  provider = '', state = '', attempt = '0', holder = '', slices = '', n = '0', parent = '',
  open = '0', doubtful = '0', sent = '0', deadline = '0', recorded = '0', result = '',
  polls = '0', answered = '0', checks = '0', known = '0', missing = '0', refused = '0', why = '',
  words = '', hinted = '0', later = '0', accepted = '0', refused_since = '0',
  aside = '0', asides = '0',
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

local function new_batch(id, provider, state, slices, n)
  local b = blank_batch(id)
  b.provider, b.state, b.slices, b.n = provider, state, table.concat(slices, '\n'), n
  return b
end

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
    b.cut[#b.cut + 1] = {id, from, to, offset}
    offset = offset + to - from + 1
  end
  return b.cut
end

-- member finds the chunk and position of a batch's member.
local function member(b, index)
  if not b.chunks then
    local ids, positions, n = {}, {}, 0
    for _, slice in ipairs(slices_of(b)) do
      for pos = slice[2], slice[3] do
        n = n + 1
        ids[n], positions[n] = slice[1], pos
      end
    end
    b.chunks, b.positions = ids, positions
  end
  local id = b.chunks[index]
  if not id then return false end
  return chunk(id), b.positions[index]
end

-- still_out is how long the request of a batch may have an effect that nobody has seen yet (ms).
local function still_out(b) return math.max(0, b.deadline + GUARD - now) end

local function is_batch(place) return place:sub(1, 1) ~= '+' end

-- provider_at says whose a place is; a batch that has expired does not know any more.
local function provider_at(place, otherwise)
  if not is_batch(place) then return NAMES[place:sub(2, 2)] end
  local b = batch(place)
  return b and b.provider or otherwise
end

local places -- The last one given out.

-- pending_place is a new place in the queue of a provider.
local function pending_place(provider)
  places = (places or tonumber(redis.call('HGET', KEYS[1], 'places') or 0)) + 1
  return '+' .. traits(provider).code .. string.format('%034d', places)
end
