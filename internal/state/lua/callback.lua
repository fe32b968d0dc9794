-- callback: apply what a provider reports about a recipient, or keep it until it fits one.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: provider
-- ARGV[2]: the provider's id of the recipient, or ''
-- ARGV[3]: phone number, or ''
-- ARGV[4]: amount in minor units, or ''
-- ARGV[5]: currency
-- ARGV[6]: status code, or '' for a word that we do not know
-- ARGV[7]: reason
-- ARGV[8]: message
-- ARGV[9]: 1 to apply it now; 0 to keep it until a query has confirmed it
-- ARGV[10]: 1 if Redis has room to keep it
-- ARGV[11]: the name of its record if it was kept before, else ''
-- ARGV[12]: ms until a kept one is tried next
-- ARGV[13]: the most that are kept
-- Returns: {word, batch, 1 if the amount is not what was sent, new second effects}; the words are
--   applied, unchanged, kept, full and dropped

unlock()
local provider, id, phone, minor = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local code, name = ARGV[6], ARGV[11]

-- told is when the provider said so.
local function told()
  local kept = name ~= '' and redis.call('HGET', key('kept'), name)
  return kept and tonumber(kept:match('^%d+')) or now
end

-- by_phone finds the one recipient whose lost answer this makes up for. With a second one of that
-- number on its way, or decided by a person, nobody can say which of the two is meant. What was said
-- before a sending is not about it.
local function by_phone()
  local list = people_out(provider, phone)
  if #list ~= 1 or decided_lately(provider, phone) then return end
  local d, pos, status, place = unpack(list[1])
  content_of(d)
  local b = status == 'd' and batch(place)
  if b and d.amount[pos] == minor and d.currency == ARGV[5] and b.sent <= told() then
    return d, pos, b
  end
end

local function find()
  local d, pos, b
  if id ~= '' then d, pos, b = by_id(provider, id) end
  if not d and phone ~= '' and minor then d, pos, b = by_phone() end
  if d and b then return d, pos, b end
end

local function drop()
  if name ~= '' then
    redis.call('HDEL', key('kept'), name)
    redis.call('ZREM', key('keptdue'), name)
  end
end

-- keep stores it, or sets when the kept one is tried again: the older, the later.
local function keep()
  if name ~= '' then
    local kept = redis.call('HGET', key('kept'), name)
    local age = now - tonumber(kept and kept:match('^%d+') or now)
    if age > DAYS * DAY then
      drop()
      redis.call('HINCRBY', KEYS[1], 'callbacks_dropped', 1)
      return {'dropped', '', 0, 0}
    end
    if kept then
      redis.call('ZADD', key('keptdue'), now + math.max(tonumber(ARGV[12]), age / 4), name)
    end
    return {'kept', '', 0, 0}
  end
  if ARGV[10] ~= '1' then return {'full', '', 0, 0} end
  name = provider .. ' ' .. (id ~= '' and id or phone .. ' ' .. ARGV[4])
  local kept = redis.call('HGET', key('kept'), name) or ''
  local old = kept:match('^' .. ('[^\t]*\t'):rep(6) .. '(.)')
  if old and STATUS[old].rank > STATUS[code].rank then return {'kept', '', 0, 0} end
  redis.call('HSET', key('kept'), name, string.format('%.0f', now) .. '\t'
    .. table.concat({provider, id, phone, ARGV[4], ARGV[5], code, ARGV[7], ARGV[8]}, '\t'))
  redis.call('ZADD', key('keptdue'), now + (ARGV[9] == '1' and tonumber(ARGV[12]) or 0), name)
  if redis.call('HLEN', key('kept')) > tonumber(ARGV[13]) then
    local last = redis.call('ZREVRANGE', key('keptdue'), 0, 0)[1]
    redis.call('HDEL', key('kept'), last)
    redis.call('ZREM', key('keptdue'), last)
    redis.call('HINCRBY', KEYS[1], 'callbacks_dropped', 1)
  end
  return {'kept', '', 0, 0}
end

if code == '' then
  drop() -- Only a query can say what it means; it is asked about as ever.
  return {'unchanged', '', 0, 0}
end
if ARGV[9] ~= '1' then return keep() end
local d, pos, b = find()
if not d then return keep() end
content_of(d)
local strange = minor and d.amount[pos] ~= minor and 1 or 0
local moved, over = see(d, pos, b, code, ARGV[7], id, ARGV[8])
drop()
flush()
return {moved == 1 and 'applied' or 'unchanged', b.id, strange, over}
