-- callback: apply what a provider reports about a recipient, or keep it until it fits one.
-- include: merge, callbacks
-- KEYS[1]: {namespace}:state
-- Returns: {word, batch, 1 if the amount is not what was sent or 2 if its id names somebody of
--   another number, new second effects}; the words are applied, unchanged, parked, full and dropped

local arg = arguments {
  'provider',
  'id', -- The provider's id of the recipient, or ''.
  'phone', -- Phone number, or ''.
  'minor', -- Amount in minor units, or ''.
  'currency',
  'status', -- Status code, or '' for a word that we do not know.
  'reason',
  'message',
  'apply', -- 1 to apply it now; 0 to keep it until a query has confirmed it.
  'room', -- 1 if Redis has room to keep it.
  'record', -- The name of its record if it was parked before, else ''.
  'retry_in#', -- Ms until a parked one is tried next.
  'most_parked#', -- The most that are parked.
  'handed_status', -- The status code of its record when it was handed out, if it was parked before.
  'discount', -- The discount, or ''.
}
allow_oom()
local provider, id, phone, minor = arg.provider, arg.id, arg.phone, tonumber(arg.minor)
local code, retried = arg.status, arg.record ~= ''
local name = retried and arg.record
  or provider .. ' ' .. (id ~= '' and id or phone .. ' ' .. arg.minor)

-- parked is its record, if it was parked before: when it was reported first, and the status that it
-- says.
local parked = redis.call('HGET', key('parked'), name)
local reported_at = parked and tonumber(parked:match('^%d+')) or now -- break: reported-at
local parked_status = parked and parked:match('^' .. ('[^\t]*\t'):rep(6) .. '(.)')

-- is_of says whether a recipient has the phone number, or had it before it was erased.
local function is_of(d, pos)
  local known = content_of(d).phone[pos]
  return known == phone
    or is_erased(known) and known == erased_as(phone) -- break: erased-callback
end

local function about(d, pos, b)
  if not d or not b then return false end
  return is_of(d, pos)
    and d.amount[pos] == minor -- break: phone-amount
    and d.currency == arg.currency -- break: phone-currency
end

-- by_phone is for an account that nobody else uses: else a payment of the same amount to the same
-- number may be theirs. It finds the one recipient whose lost answer this makes up for: the only
-- one of that number on its way, or else the only sending to it whose answer is lost. With both,
-- or with two, nobody can say which is meant. What was said before a sending is not about it.
local function by_phone()
  local lost, out = unanswered(provider, phone), {}
  for _, o in ipairs(people_out(provider, phone)) do
    local known = false
    for _, l in ipairs(lost) do
      known = known
        or l.chunk == o.chunk and l.pos == o.pos and l.batch and l.batch.id == o.location
    end
    if not known then out[#out + 1] = o end
  end
  if #out + #lost ~= 1 then return end -- break: phone-alone
  local d, pos, b
  if #out == 1 then
    local one = out[1]
    d, pos = one.chunk, one.pos
    b = one.status == 'd' and batch(one.location) -- break: phone-in-doubt
  else
    d, pos, b = lost[1].chunk, lost[1].pos, lost[1].batch
  end
  if b and b.sent > reported_at then return end -- break: phone-before
  if about(d, pos, b) then return d, pos, b end
end

-- find returns whom it is about, and whether its id names somebody of another number.
local function find()
  local d, pos, b
  if id ~= '' then d, pos, b = by_id(provider, id) end
  if d and phone ~= '' and not is_of(d, pos) then
    return nil, nil, nil, true -- break: id-stranger
  end
  if not d and phone ~= '' and minor
    and not traits(provider).shared then -- break: phone-shared
    d, pos, b = by_phone()
  end
  if d and b then return d, pos, b end
end

-- drop forgets its record, unless a better word has come to it meanwhile.
local function drop()
  if not parked then return end
  local handed = retried and STATUS[arg.handed_status] or STATUS[code] -- break: drop-handed
  local better = parked_status and handed and STATUS[parked_status].rank > handed.rank
  if better then -- break: drop-better
    redis.call('ZADD', key('parkeddue'), now, name)
  else
    redis.call('HDEL', key('parked'), name)
    redis.call('ZREM', key('parkeddue'), name)
  end
end

local function give_up(victim)
  redis.call('HDEL', key('parked'), victim)
  redis.call('ZREM', key('parkeddue'), victim)
  redis.call('HINCRBY', KEYS[1], 'callbacks_dropped', 1) -- break: drop-counted
end

-- make_room gives up what was tried most, and what can be asked about first, for a new one.
local function make_room()
  local most = arg.most_parked -- break: parked-limit
  if redis.call('HLEN', key('parked')) + (parked and 0 or 1) <= most then return end
  local other
  for _, victim in ipairs(redis.call('ZREVRANGE', key('parkeddue'), 0, 99)) do
    other = other or victim
    if traits(victim:match('^%S+')).asks then return give_up(victim) end -- break: give-up-asked
  end
  if other then give_up(other) end
end

-- park stores it, or sets when the parked one is tried again: the older, the later.
local function park(strange)
  if retried then
    local age = now - reported_at
    if age > DAYS * DAY then -- break: parked-age
      give_up(name)
      return {'dropped', '', strange, 0}
    end
    if parked then -- break: parked-stays
      redis.call('ZADD', key('parkeddue'), now + math.max(arg.retry_in, age / 4), name)
    end
    return {'parked', '', strange, 0}
  end
  if arg.room ~= '1' then return {'full', '', 0, 0} end
  if not parked_status or STATUS[parked_status].rank <= STATUS[code].rank then -- break: parked-rank
    make_room() -- break: parked-room
    redis.call('HSET', key('parked'), name, table.concat({
      string.format('%.0f', reported_at), -- break: parked-since
      provider, id, phone, arg.minor, arg.currency, code, arg.reason, arg.message,
      arg.discount}, '\t'))
    -- What is to be confirmed and fits somebody is first, whatever strangers send.
    local first = arg.apply ~= '1' and expected(provider, id, phone)
    redis.call('ZADD', key('parkeddue'), first and now - DAY or now + arg.retry_in, name)
  end
  return {'parked', '', strange, 0}
end

-- names_another says whether it names another amount than was sent. One in another currency is of a
-- wallet, and zero is nobody's where nobody is paid.
local function names_another(d, pos)
  if not minor or arg.currency ~= d.currency or d.amount[pos] == minor then return false end
  return minor > 0 or code == 'S'
end

if code == '' then -- break: unknown-word
  if retried then drop() end -- Only a query can say what it means; it is asked about as ever.
  return {'unchanged', '', 0, 0}
end
if arg.apply ~= '1' then return park(0) end -- break: unconfirmed
local d, pos, b, stranger = find()
if not d then return park(stranger and 2 or 0) end -- break: stranger-flag
content_of(d)
local strange = names_another(d, pos) and 1 or 0 -- break: amount-flag
if strange == 1 then
  dispute(d, pos, b, 'amount', arg.currency .. ' ' .. decimal(minor, d.decimals))
end
d.callback = {pos = pos, at = reported_at, status = code, batch = b.id}
local moved, over = merge(d, pos, b, code, arg.reason, id, arg.message, arg.discount)
note_callback(b, d, pos, reported_at, code, id, moved == 1 and 'moved' or 'nothing')
if b.reopened and traits(provider).asks then schedule(b, first_query(b)) end -- break: asked-again
drop() -- break: drop-applied
return {moved == 1 and 'applied' or 'unchanged', b.id, strange, over}
