-- merge: take in a fact about a recipient, by rank; list what cannot be right (mismatched).
-- include: queue

-- DISPUTED are recipients of whom a provider says what cannot be right, for people:
--   mismatched  ZSET  "chunk position" -> since (ms), until a person has decided
--   disputes    HASH  "chunk position" -> batch, reason (amount: it names another than was sent;
--               contradicted: it failed whom a person said to be paid), words; tab separated
-- What a person has decided about is not listed again for the same word.
local function dispute(d, pos, b, reason, words)
  local field, text = d.id .. ' ' .. pos, table.concat({b.id, reason, words}, '\t')
  if redis.call('HGET', key('disputes'), field) == text then return end
  redis.call('HSET', key('disputes'), field, text)
  redis.call('ZADD', key('mismatched'), 'NX', now, field)
end

-- advances says whether a fact about who stands at old in the same batch moves it.
local function advances(old, status)
  return STATUS[old].yields_to:find(status, 1, true) ~= nil -- break: newer
end

-- another_id says whether a fact about a recipient carries another id of its provider than the one
-- that we know it by: that is another payment, also in the same batch.
local function another_id(d, pos, b, reference)
  if reference == '' or not traits(b.provider).callbacks then return false end
  local known = reference_of(d, pos)
  return known ~= '' and known ~= reference
end

-- merge takes in a fact about a recipient in batch b: by rank if it is there, else as earlier
-- evidence. Returns 1 if the status moved, 0 if not, and 1 or 0 for a new second effect.
local function merge(d, pos, b, status, reason, reference, message, discount)
  local old, location = row(d, pos)
  note_id(d, pos, b.provider, b.id, reference) -- break: late-id
  local rank, had = STATUS[status].rank, STATUS[old].rank
  local other = location == b.id and another_id(d, pos, b, reference)
  if location == b.id and not other then -- break: two-ids
    if advances(old, status) then
      settle(d, pos, status, location, reason, reference, message, discount)
      if STATUS[status].settled then reattach(d, pos) end
      return 1, 0
    end
    local by_person = STATUS[old].settled and evidence_of(d, pos):match('^[^\t]*\tperson\t') ~= nil
    if by_person and rank == had then
      write_evidence(d, pos, reason, reference, message) -- Now it is the provider's word.
    end
    if by_person and old == 'S' and status == 'f' then
      dispute(d, pos, b, 'contradicted', message)
    end
    if discount ~= '' and (rank >= had or discount_of(d, pos) == '') then
      set_discount(d, pos, discount)
    end
    if old == 'f' and rank == STATUS.a.rank then
      local since = evidence_of(d, pos):match('^[^\t]+')
      write_evidence(d, pos, by_person and 'person' or reason, reference, message, since)
      b.reopened = true -- The provider works on a failed recipient again: keep asking.
    end
    return 0, 0
  end
  if rank < STATUS.a.rank then return 0, 0 end -- break: other-effect
  local list, mine = superseded(d, pos), nil
  for _, e in ipairs(list) do
    if e.batch == b.id and (not other or e.reference == reference) then mine = e end
  end
  if mine then
    if STATUS[mine.status].rank > rank then return 0, 0 end
    mine.status, mine.reference = status, reference
    if discount ~= '' then mine.discount = discount end
  else
    list[#list + 1] = {batch = b.id, status = status, reference = reference, discount = discount}
  end
  local new = keep_superseded(d, pos, list)
  if old == 'q' and status ~= 'f' and is_batch(location) and batch(location) then
    -- Its request has not begun; the others go back, this one is reattached to b.
    requeue_batch(batch(location))
    local _, there = row(d, pos)
    if there == b.id then return 1, 0 end
  elseif old ~= 's' and old ~= 'd' and reattach(d, pos) then
    return 1, 0
  end
  return 0, new
end

-- merge_all merges facts with one status about the recipients from..to of a chunk, with evidence as
-- in settle_all. Returns how many moved, and how many second effects are new.
local function merge_all(d, from, to, b, status, evidence_at)
  local moved, over = 0, 0
  for _, run in ipairs(runs(d, from, to)) do
    if run.location == b.id and advances(run.status, status) then
      settle_all(d, run.from, run.to, status, b.id, evidence_at)
      moved = moved + run.to - run.from + 1
      for pos = run.from, STATUS[status].settled and has_superseded() and run.to or 0 do
        reattach(d, pos)
      end
    else
      for pos = run.from, run.to do
        local changed, second = merge(d, pos, b, status, evidence_at(pos))
        moved, over = moved + changed, over + second
      end
    end
  end
  return moved, over
end
