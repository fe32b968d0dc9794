-- moves: the only writer of rows: moving recipients, and publishing results.
-- include: evidence, books, indexes, blocked, holds, journal

local function count_in(location, status, count)
  if not is_batch(location) then return end
  local b = batch(location)
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
-- location). The books, the open counts, the numbers in doubt and the indexes of callbacks follow;
-- a discount was on the sending that is left. It is the only writer of rows.
local function put(d, from, to, old, left, status, location)
  local count = to - from + 1
  local _, _, before = row(d, from)
  local after = provider_at(location, before)
  for pos = from, left ~= location and d.discounted and to or 0 do set_discount(d, pos, '') end
  set_rows(d, from, to, status, after, location)
  count_in(left, old, -count)
  count_in(location, status, count)
  if old == 'h' or status == 'h' then d.holds = true end -- break: holds-followed
  if old == status and before == after then return end
  local sum, units = sum_of(d, from, to), units_in(d, from, to)
  move(d, before, old, after, status, count, sum, units) -- break: booked
  if STATUS[old].settled ~= STATUS[status].settled then
    d.open = d.open + (STATUS[status].settled and -count or count)
  end
  if old == 'h' and STATUS[status].spends and not d.admits then -- break: uncharged
    d.uncharged = true
  end
  if d.charged and old ~= 'h' and STATUS[old].spends ~= STATUS[status].spends then
    charges.follow(d, from, to, STATUS[status].spends and 1 or -1) -- break: given-back
  end
  if status == 'd' then mark_doubt(d, after, from, to, 1) end
  if old == 'd' then mark_doubt(d, before, from, to, -1) end -- break: doubt-numbers
  follow_out(d, from, to, before, old, after, status)
end

-- publish appends the result of one recipient that settled or was corrected. Neighbours have most
-- words in common, which are spelt once.
local publish
do
  local OWN = {5, 7, 9, 19, 23, 31, 33} -- The words that each has for itself.
  local values, filled -- Of the entries that have the others in common, spelt for these:
  local last_chunk, producer, provider, status, location, corrected, reason
  local owner, reference -- The last owner, and how people see it.
  local ids -- The producer's own ids of the recipients of the last chunk, by position.

  local function ids_of(d)
    local text, list = redis.call('GET', key('recipientids', d.id)), {}
    if text then
      for id in (text .. '\n'):gmatch('([^\n]*)\n') do list[#list + 1] = id end
    end
    return list
  end

  local function name(whose)
    local by
    owner, reference, by = whose, shown(whose)
    if by ~= producer then producer, values = by, nil end
  end

  local function spell(d)
    if d ~= last_chunk then last_chunk, ids = d, ids_of(d) end
    local _, campaign = owned(d.campaign)
    filled = 0
    values = redis.entries({'XADD', key('results'), '*', 'reference', '', 'phone_number', '',
      'amount', '', 'currency', d.currency, 'provider', provider, 'status', STATUS[status].name,
      'reason', reason, 'provider_reference', '', 'batch', is_batch(location) and location or '',
      'message', '', 'campaign', campaign, 'corrected', corrected and 'true' or 'false',
      'at', at_text(), 'discount', '', 'id', '', unpack(producer and {'producer', producer} or {})},
      OWN)
  end

  function publish(d, pos, by, code, where, again, why, id, message)
    content_of(d)
    owners_of(d)
    if d.owner[pos] ~= owner then name(d.owner[pos]) end -- break: result-name
    if not values or d ~= last_chunk or code ~= status or where ~= location or by ~= provider
      or again ~= corrected or why ~= reason then
      provider, status, location, corrected, reason = by, code, where, again, why
      spell(d)
    end
    local n = filled
    values[n + 1], values[n + 2] = reference, d.phone[pos]
    values[n + 3], values[n + 4] = decimal(d.amount[pos], d.decimals), id
    values[n + 5], values[n + 6] = message, discount_of(d, pos)
    values[n + 7] = ids[pos] or '' -- break: result-id
    filled = n + 7
  end
end

-- settle_all moves the recipients from..to of a chunk, which all stand alike, and publishes
-- those whom that settles or corrects. The evidence of each is evidence_at(position): reason,
-- reference, message, discount. Who names no reference leaves the one that is known of the batch.
-- Fingerprints are those of all references, if Go has made them.
local function settle_all(d, from, to, status, location, evidence_at, fingerprints)
  local old, left = row(d, from)
  if STATUS[old].settled and old ~= status then
    journal.past(d, from, to, old, left, location) -- break: journal-past
  end
  put(d, from, to, old, left, status, location)
  local _, _, provider = row(d, from)
  local settles, corrects = STATUS[status].settled, STATUS[old].settled
  local indexed = false
  if from < to then
    all_evidence(d)
    indexed = fingerprints and not d.had_lines -- break: found-again
    if indexed then add_fingerprints(d.page, fingerprints) end -- break: found-together
  end
  for pos = from, to do
    local reason, id, message, discount = evidence_at(pos)
    if id == '' and left == location then id = reference_of(d, pos) end -- break: keeps-id
    if settles or id ~= '' or message ~= '' then
      write_evidence(d, pos, reason, id, message, nil, indexed)
    end
    if discount ~= '' then set_discount(d, pos, discount) end
    note_id(d, pos, provider, location, id) -- break: learns-id
    if old ~= status and (settles or corrects) then -- break: result-correction
      publish(d, pos, provider, status, location, corrects, reason, id, message) -- break: once
    end
  end
end

-- settle does the same for one recipient.
local function settle(d, pos, status, location, reason, reference, message, discount)
  settle_all(d, pos, pos, status, location, function()
    return reason, reference, message, discount or ''
  end)
end
