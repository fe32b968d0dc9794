-- resolve: a person's word about recipients that nobody else can settle.
-- include: audit, cancelled, pending, superseded
-- KEYS[1]: {namespace}:state
-- Returns: {'resolved', count}, or with nothing changed {'moved', reference, position, difference}
--   or {'early', reference, position, ms until the request can have no more effect}

local arg, rest = arguments {
  'decision',
  'who',
  'sealed',
  'outcome', -- Paid or unpaid.
  'resubmit', -- 1 if unpaid recipients go back to the queue.
  'evidence',
}
local taken = replayed(arg.decision)
if taken then return taken end

local function disputed_still(d, pos)
  return redis.call('ZSCORE', key('mismatched'), d.id .. ' ' .. pos)
end

local function decided_before(d, pos)
  return evidence_of(d, pos):match('^[^\t]*\tperson\t') ~= nil
end

-- open_to_people says whether a person may decide: it is in doubt, open at a provider, unconfirmed,
-- was decided by a person before, or its provider says what cannot be right. Of the last one nobody
-- says that it is unpaid: then it could be sent again although its provider has paid.
local function open_to_people(d, pos)
  local status, location = row(d, pos)
  if not is_batch(location) or status == 'q' or status == 's' then return false end
  if not STATUS[status].settled or status == 'u' or decided_before(d, pos) then return true end
  return arg.outcome == 'paid' and disputed_still(d, pos)
end

-- too_early is how long nobody can know what became of a recipient.
local function too_early(d, pos)
  local status, location = row(d, pos)
  local b = status == 'd' and batch(location)
  return b and still_out(b) or 0
end

-- find_recipient finds the chunk and position of a recipient; false if there is none.
local function find_recipient(ref, index)
  local found = find_disbursal(ref)
  if not found or index >= found.n then return false end
  return chunk(found.chunk), found.before + index + 1 -- break: decided-position
end

-- differs says what is not as the person saw it: a word about one sending must not settle the next,
-- which looks the same from outside. Only who is in doubt can be in a batch that is sent again.
local function differs(d, pos, seen)
  if not d then return 'disbursal' end
  local status, location = row(d, pos)
  local decidable = status == seen.status and open_to_people(d, pos)
  if not decidable then return 'status' end -- break: decided-status
  local held = is_batch(location) and location or ''
  if held ~= seen.batch then return 'batch' end -- break: decided-batch
  local b = status == 'd' and batch(location)
  if b and b.attempt ~= seen.attempt then return 'attempt' end -- break: decided-attempt
  content_of(d)
  if d.amount[pos] ~= seen.amount then return 'amount' end
  local again = arg.outcome == 'unpaid' and arg.resubmit == '1'
  if again and is_erased(d.phone[pos]) then return 'number' end -- break: erased-resubmit
end

-- What the person saw of each: the batch is '' where there is none, the amount in minor units.
local recipients = records(rest,
  {'reference', 'position', 'status', 'batch', 'attempt#', 'amount#'})
local named = {}
for _, one in ipairs(recipients) do
  local d, pos = find_recipient(one.reference, tonumber(one.position))
  local name = one.reference .. ' ' .. one.position
  local what = named[name] and 'status' or differs(d, pos, one)
  if what then return {'moved', one.reference, one.position, what} end
  if too_early(d, pos) > 0 then
    return {'early', one.reference, one.position, too_early(d, pos)}
  end
  named[name] = true
end

-- The audit has an entry for each disbursal: how many of its recipients, which, how much, where
-- they stood, and how many of them are queued again.
local decided, order = {}, {}

local function add_once(list, word)
  for _, known in ipairs(list) do
    if known == word then return end
  end
  list[#list + 1] = word
end

local function note_decided(one, d, pos, was, location, again)
  local entry = decided[one.reference]
  if not entry then
    entry = {positions = {}, batches = {}, was = {}, sum = 0, again = 0, currency = d.currency,
      decimals = d.decimals}
    decided[one.reference], order[#order + 1] = entry, one.reference
  end
  entry.positions[#entry.positions + 1] = one.position
  entry.sum = entry.sum + d.amount[pos]
  if again then entry.again = entry.again + 1 end
  add_once(entry.was, STATUS[was].name)
  add_once(entry.batches, location)
end

local function drafts()
  local list = {}
  for i, reference in ipairs(order) do
    local e = decided[reference]
    list[i] = {'resolve', (shown(reference)), detail {'outcome', arg.outcome,
      'recipients', #e.positions, 'amount', e.currency .. ' ' .. decimal(e.sum, e.decimals),
      'positions', table.concat(e.positions, ','), 'was', table.concat(e.was, ','),
      'batch', table.concat(e.batches, ','), 'resubmitted', e.again, 'evidence', arg.evidence}}
  end
  return list
end

local status = arg.outcome == 'paid' and 'S' or 'f'
for _, one in ipairs(recipients) do
  local d, pos = find_recipient(one.reference, tonumber(one.position))
  local old, location, provider = row(d, pos)
  -- Who only confirms what the provider says takes the recipient off the list.
  if old ~= status or decided_before(d, pos) then
    settle(d, pos, status, location, 'person', '', arg.evidence)
    if traits(provider).callbacks then
      note_unanswered(d, pos, provider, location) -- break: decided-noted
    end
  end
  redis.call('ZREM', key('mismatched'), d.id .. ' ' .. pos)
  -- Who was paid by an earlier batch, or is cancelled, must not be sent again.
  local paid = status == 'f' and reattach(d, pos)
  local again = status == 'f' and arg.resubmit == '1' and not paid and not cancelled(d, pos)
  if again then
    local back = pending_location(provider)
    put(d, pos, pos, status, location, 'q', back)
    publish(d, pos, provider, 'q', back, true, 'person', '', arg.evidence)
    push_pending(d, pos, pos, back)
  end
  note_decided(one, d, pos, old, location, again)
end
return audited(arg.decision, arg.who, arg.sealed, drafts(), {'resolved', #recipients})
