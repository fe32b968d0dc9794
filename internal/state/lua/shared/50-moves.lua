-- Moving recipients -------------------------------------------------------------------------------

-- block lays an entry of one recipient aside for as long as the number is in doubt at the provider:
-- HASH blocked:<provider> has number -> n, and "number i" -> its i-th entry for i = 1..n; ZSET
-- blockedsince:<provider> has the same entries by when their recipients were accepted (ms).
local function block(provider, phone, entry, accepted)
  local blocked = key('blocked', provider)
  local n = redis.call('HINCRBY', blocked, phone, 1)
  redis.call('HSET', blocked, phone .. ' ' .. n, entry)
  redis.call('ZADD', key('blockedsince', provider), accepted, entry)
end

-- unblock puts the entries of a number behind the pending ones, of which the next sweep tells the
-- workers: at the head they could keep Claim from everybody else.
local function unblock(provider, phone)
  local blocked = key('blocked', provider)
  local n = tonumber(redis.call('HGET', blocked, phone) or 0)
  for i = 1, n do
    local field = phone .. ' ' .. i
    local entry = redis.call('HGET', blocked, field)
    redis.call('RPUSH', key('pending', provider), entry) -- break: blocked-back
    redis.call('HDEL', blocked, field)
    redis.call('ZREM', key('blockedsince', provider), entry)
  end
  if n > 0 then redis.call('HDEL', blocked, phone) end
end

-- mark_doubt counts in how many batches numbers are in doubt at a provider.
local function mark_doubt(d, provider, from, to, step)
  content_of(d)
  local phones = key('doubtphones', provider)
  local any = step < 0 and redis.call('EXISTS', key('blocked', provider)) == 1
  for i = from, to do
    if redis.call('HINCRBY', phones, d.phone[i], step) <= 0 then
      redis.call('HDEL', phones, d.phone[i])
      if any then unblock(provider, d.phone[i]) end
    end
  end
end

local function count_in(place, status, count)
  if not is_batch(place) then return end
  local b = batch(place)
  if not b then return end
  if not STATUS[status].settled then b.open = b.open + count end
  if status == 'd' then b.doubtful = b.doubtful + count end
end

-- set_discount takes a provider's word about its discount on a recipient, which replaces an earlier
-- one; '' takes it away.
local function set_discount(d, pos, discount)
  local had = discount_of(d, pos)
  if discount == had then return end
  spell_discount(d, pos, discount)
  local status, _, provider = row(d, pos)
  enter(books_of(d.page, d.import, d.campaign),
    provider .. ' ' .. d.currency .. ' ' .. STATUS[status].name, 0, 0,
    units_of(discount) - units_of(had))
end

-- put moves the recipients from..to of a chunk, which all stand at (old, left), to (status,
-- place). The books, the open counts, the numbers in doubt and the indexes of callbacks follow; a
-- discount was on the sending that is left. It is the only writer of rows.
local function put(d, from, to, old, left, status, place)
  local count = to - from + 1
  local _, _, before = row(d, from)
  local after = provider_at(place, before)
  local cell = status .. traits(after).code .. place
  for pos = from, left ~= place and d.discounted and to or 0 do set_discount(d, pos, '') end
  set_rows(d, from, to, cell)
  count_in(left, old, -count)
  count_in(place, status, count)
  if old == status and before == after then return end
  local sum, units = sum_of(d, from, to), units_in(d, from, to)
  move(d, before, old, after, status, count, sum, units) -- break: booked
  if STATUS[old].settled ~= STATUS[status].settled then
    d.open = d.open + (STATUS[status].settled and -count or count)
  end
  if status == 'd' then mark_doubt(d, after, from, to, 1) end
  if old == 'd' then mark_doubt(d, before, from, to, -1) end -- break: doubt-numbers
  follow_out(d, from, to, before, old, after, status)
end

-- publish appends the result of one recipient that settled or was corrected. Neighbours have most
-- words in common, which are spelt once.
local publish
do
  local OWN = {5, 7, 9, 19, 23, 31} -- The words that each has for itself.
  local words -- Those in common, spelt for these:
  local last_chunk, producer, provider, status, place, corrected, reason
  local owner, reference -- The last owner, and how people see it.

  local function name(whose)
    local by
    owner, reference, by = whose, shown(whose)
    if by ~= producer then producer, words = by, nil end
  end

  local function spell()
    local _, campaign = owned(last_chunk.campaign)
    words = {'XADD', key('results'), '*', 'reference', '', 'phone_number', '', 'amount', '',
      'currency', last_chunk.currency, 'provider', provider, 'status', STATUS[status].name,
      'reason', reason, 'provider_reference', '', 'batch', is_batch(place) and place or '',
      'message', '', 'campaign', campaign, 'corrected', corrected and 'true' or 'false',
      'at', at_text(), 'discount', '', unpack(producer and {'producer', producer} or {})}
  end

  function publish(d, pos, by, code, where, again, why, id, message)
    content_of(d)
    owners_of(d)
    if d.owner[pos] ~= owner then name(d.owner[pos]) end -- break: result-name
    if not words or d ~= last_chunk or code ~= status or where ~= place or by ~= provider
      or again ~= corrected or why ~= reason then
      last_chunk, provider, status, place, corrected, reason = d, by, code, where, again, why
      spell()
    end
    local values = redis.entries(words, OWN)
    local n = #values
    values[n + 1], values[n + 2] = reference, d.phone[pos]
    values[n + 3], values[n + 4] = decimal(d.amount[pos], d.decimals), id
    values[n + 5], values[n + 6] = message, discount_of(d, pos)
  end
end

-- settle_all moves the recipients from..to of a chunk, which all stand alike, and publishes
-- those whom that settles or corrects. The evidence of each is evidence_at(position): reason,
-- reference, message, discount.
local function settle_all(d, from, to, status, place, evidence_at)
  local old, left = row(d, from)
  put(d, from, to, old, left, status, place)
  local _, _, provider = row(d, from)
  local settles, corrects = STATUS[status].settled, STATUS[old].settled
  for pos = from, to do
    local reason, reference, message, discount = evidence_at(pos)
    if settles or reference ~= '' or message ~= '' then
      write_evidence(d, pos, reason, reference, message)
    end
    if discount ~= '' then set_discount(d, pos, discount) end
    note_id(d, pos, provider, place, reference) -- break: learns-id
    if old ~= status and (settles or corrects) then -- break: result-correction
      publish(d, pos, provider, status, place, corrects, reason, reference, message) -- break: once
    end
  end
end

-- settle does the same for one recipient.
local function settle(d, pos, status, place, reason, reference, message, discount)
  settle_all(d, pos, pos, status, place, function()
    return reason, reference, message, discount or ''
  end)
end

local any_marks

-- marked says whether a disbursal carries a cancel mark: its own, its import's or its campaign's.
local function marked(ref, import, campaign)
  if any_marks == nil then any_marks = redis.call('EXISTS', key('cancelled')) == 1 end
  if not any_marks then return false end
  local marks = redis.call('HMGET', key('cancelled'), 'disbursal ' .. ref, 'import ' .. import,
    'campaign ' .. campaign)
  return marks[1] and true -- break: mark-reference
    or (import ~= '' and marks[2] and true)
    or (campaign ~= '' and marks[3] and true) -- break: mark-campaign
    or false
end

-- cancelled says the same of a recipient's.
local function cancelled(d, pos) -- break: cancelled
  if any_marks == false then return false end
  owners_of(d)
  local ref = d.owner[pos] -- break: mark-owner
  d.marks = d.marks or {}
  if d.marks[ref] == nil then d.marks[ref] = marked(ref, d.import, d.campaign) end
  return d.marks[ref]
end

-- by_mark cuts positions where cancelled recipients begin or end: {from, to, whether cancelled}.
local function by_mark(d, from, to)
  local list, start, mark = {}, from, cancelled(d, from)
  for pos = from + 1, any_marks and to or from do -- break: mark-each
    if cancelled(d, pos) ~= mark then
      list[#list + 1] = {start, pos - 1, mark}
      start, mark = pos, not mark
    end
  end
  list[#list + 1] = {start, to, mark}
  return list
end

local function cancel_run(d, from, to)
  for pos = from, to do
    local _, left, provider = row(d, pos)
    local place = is_batch(left) and '+' .. traits(provider).code .. string.format('%034d', 0)
    settle(d, pos, 'c', place or left, 'cancelled', '', '')
  end
end

-- entry_of is what stands in the queue for a run. One that is refused since a moment stands for a
-- recipient that was refused alone, and goes alone again.
local function entry_of(d, from, to, place, refused_since)
  local entry = d.id .. ' ' .. from .. ' ' .. to .. ' ' .. place
  return refused_since and entry .. ' ' .. string.format('%.0f', refused_since) or entry
end

-- read_entry returns chunk, positions, place, and since when it was refused; nil where it was not.
local function read_entry(entry)
  local id, from, to, place, since = entry:match('^(%S+) (%d+) (%d+) (%S+) ?(%d*)$')
  return id, tonumber(from), tonumber(to), place, tonumber(since)
end

local function push_pending(d, from, to, place, head)
  redis.call(head and 'LPUSH' or 'RPUSH', key('pending', provider_at(place)),
    entry_of(d, from, to, place))
end

-- superseded:* keeps what is learned about a recipient in a batch that it has left: field "chunk
-- position", lines "batch code discount provider-reference", '-' for no discount. While its
-- disbursal is missing the field is "@reference position", with the position there.
local any_superseded

local function has_superseded()
  if any_superseded == nil then any_superseded = redis.call('EXISTS', key('superseded')) == 1 end
  return any_superseded
end

local function superseded(d, pos)
  local list = {}
  if not has_superseded() then return list end
  local text = redis.call('HGET', key('superseded'), d.id .. ' ' .. pos)
  for id, code, discount, reference in (text or ''):gmatch('(%S+) (%S) (%S+) ([^\n]*)\n') do
    list[#list + 1] = {id, code, reference, discount == '-' and '' or discount}
  end
  return list
end

-- keep_superseded stores the lines and says whether one of them is a second effect.
local function keep_superseded(d, pos, list)
  local field, text, over = d.id .. ' ' .. pos, '', false
  for _, e in ipairs(list) do
    local discount = e[4] == '' and '-' or e[4]
    text = text .. table.concat({e[1], e[2], discount, e[3]}, ' ') .. '\n'
    over = over or STATUS[e[2]].live
  end
  if text == '' then
    redis.call('HDEL', key('superseded'), field)
  else
    redis.call('HSET', key('superseded'), field, text)
    any_superseded = true
  end
  if over then
    return redis.call('SADD', key('overpaid'), field) -- break: overpaid-listed
  end
  redis.call('SREM', key('overpaid'), field)
  return 0
end

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

local function weight(status) return STATUS[status].rank + (STATUS[status].live and 100 or 0) end

-- reattach puts a recipient whose own effect does not stand where an earlier batch shows more: an
-- effect that stands, or else the higher rank. What the left batch showed is kept as evidence, so
-- that facts come to the same in any order. False if the recipient stays.
local function reattach(d, pos)
  local list, status, place = superseded(d, pos), row(d, pos)
  local best
  for i, e in ipairs(list) do
    -- That it failed there agrees with sending it again: it counts only for who is settled anyway.
    local counts = e[2] ~= 'f' or STATUS[status].settled
    if counts and (not best or weight(e[2]) > weight(list[best][2])) then best = i end
  end
  local more = best and not STATUS[status].live and weight(list[best][2]) > weight(status)
  if not more then return false end
  local e = table.remove(list, best)
  if STATUS[status].rank >= STATUS.a.rank then
    list[#list + 1] = {place, status, reference_of(d, pos), discount_of(d, pos)}
  end
  keep_superseded(d, pos, list)
  settle(d, pos, e[2], e[1], 'provider', e[3], '', e[4])
  return true
end

-- queue_at returns a run of recipients that surely were not sent to the queue of a provider, or to
-- where an earlier batch shows them, or out, if they have been cancelled meanwhile.
local function queue_at(d, from, to, provider, head)
  for _, part in ipairs(by_mark(d, from, to)) do
    local first, last = part[1], part[2]
    if part[3] then
      cancel_run(d, first, last)
    else
      local place = pending_place(provider)
      for _, run in ipairs(runs(d, first, last)) do
        put(d, run[1], run[2], run[3], run[4], 'q', place)
      end
      push_pending(d, first, last, place, head) -- break: requeued
    end
  end
  if has_superseded() then
    for pos = from, to do reattach(d, pos) end
  end
end

-- requeue returns a run to the head of the queue that it came from.
local function requeue(d, from, to)
  local _, _, provider = row(d, from)
  queue_at(d, from, to, provider, true)
end

-- failover moves a run that one provider surely does not pay to the queue of the next.
local function failover(d, from, to, next, reason, message)
  local _, place, provider = row(d, from)
  for pos = from, to do
    remember_refusal(d, pos, provider, is_batch(place) and place or '', reason, message)
  end
  queue_at(d, from, to, next, false) -- break: failover-next
end

-- paid_elsewhere says whether another batch shows, or may still show, an effect of a recipient. A
-- failure there agrees with sending it again.
local function paid_elsewhere(d, pos)
  for _, e in ipairs(superseded(d, pos)) do
    if e[2] ~= 'f' then return true end
  end
  return false
end

-- requeue_batch gives the members of a batch back that has never begun to send.
local function requeue_batch(b)
  redis.call('ZREM', key('slots', b.provider), b.id)
  redis.call('LREM', key('ready', b.provider), 0, b.id)
  b.state = 'returned'
  for _, slice in ipairs(slices_of(b)) do
    local d = chunk(slice[1])
    for _, run in ipairs(runs(d, slice[2], slice[3])) do
      if run[3] == 'q' and run[4] == b.id then requeue(d, run[1], run[2]) end
    end
  end
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
  local old, place = row(d, pos)
  note_id(d, pos, b.provider, b.id, reference) -- break: late-id
  local rank, had = STATUS[status].rank, STATUS[old].rank
  local other = place == b.id and another_id(d, pos, b, reference)
  if place == b.id and not other then -- break: two-ids
    if advances(old, status) then
      settle(d, pos, status, place, reason, reference, message, discount)
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
      write_evidence(d, pos, by_person and 'person' or reason, reference, message)
      b.reopened = true -- The provider works on a failed recipient again: keep asking.
    end
    return 0, 0
  end
  if rank < STATUS.a.rank then return 0, 0 end -- break: other-effect
  local list, mine = superseded(d, pos), nil
  for _, e in ipairs(list) do
    if e[1] == b.id and (not other or e[3] == reference) then mine = e end
  end
  if mine then
    if STATUS[mine[2]].rank > rank then return 0, 0 end
    mine[2], mine[3] = status, reference
    if discount ~= '' then mine[4] = discount end
  else
    list[#list + 1] = {b.id, status, reference, discount}
  end
  local new = keep_superseded(d, pos, list)
  if old == 'q' and status ~= 'f' and is_batch(place) and batch(place) then
    -- Its request has not begun; the others go back, this one is reattached to b.
    requeue_batch(batch(place))
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
    if run[4] == b.id and advances(run[3], status) then
      settle_all(d, run[1], run[2], status, b.id, evidence_at)
      moved = moved + run[2] - run[1] + 1
      for pos = run[1], STATUS[status].settled and has_superseded() and run[2] or 0 do
        reattach(d, pos)
      end
    else
      for pos = run[1], run[2] do
        local changed, second = merge(d, pos, b, status, evidence_at(pos))
        moved, over = moved + changed, over + second
      end
    end
  end
  return moved, over
end
