-- indexes: indexes by which callbacks find recipients: phone numbers and ids of providers.
-- include: batches, erased

-- Providers that report by callback name a recipient by their own id or by phone number. These find
-- who is meant:
--   out:<provider>        HASH  phone -> lines "chunk position", while the recipient is on its
--                               way there
--   ids:<provider>:<day>  HASH  the provider's id -> "chunk position batch", by the day when
--                               the id was learnt; a day is kept for DAYS days
--   unanswered:<provider>:<day>  HASH  phone -> lines "chunk position batch" of sendings whose
--                               answer is lost, and about which a callback may still come: they
--                               were repeated, or a person decided, on that day; kept as long
local DAYS, DAY = 9, 86400000

local function today() return math.floor(now / DAY) end

local follow_out
do
  -- note_out books who is on the way to a provider (add) or no more.
  local function note_out(d, provider, from, to, add)
    content_of(d)
    local out = key('out', provider)
    for pos = from, to do
      local line = d.id .. ' ' .. pos .. '\n'
      local list = redis.call('HGET', out, d.phone[pos]) or ''
      local at, last = list:find(line, 1, true)
      if add and not at then
        redis.call('HSET', out, d.phone[pos], list .. line)
      elseif at and not add then
        list = list:sub(1, at - 1) .. list:sub(last + 1)
        if list == '' then
          redis.call('HDEL', out, d.phone[pos])
        else
          redis.call('HSET', out, d.phone[pos], list)
        end
      end
    end
  end

  -- follow_out keeps the index while recipients move.
  function follow_out(d, from, to, before, old, after, status)
    local was = STATUS[old].in_flight and traits(before).callbacks
    local is = STATUS[status].in_flight and traits(after).callbacks
    if was and not (is and before == after) then
      note_out(d, before, from, to, false) -- break: out-left
    end
    if is and not (was and before == after) then note_out(d, after, from, to, true) end
  end
end

local note_id, by_id, note_unanswered
do
  local expiring = {}

  -- of_day is the key of an index of today, which is kept for DAYS days.
  local function of_day(kind, provider)
    local name = key(kind, provider .. ':' .. today())
    if not expiring[name] then
      redis.call('PEXPIRE', name, DAYS * DAY)
      expiring[name] = true
    end
    return name
  end

  local known_ids = {} -- What today's index says of the ids that were looked up.

  -- note_id remembers whom a provider's id names.
  function note_id(d, pos, provider, location, id)
    if id == '' or not traits(provider).callbacks or not is_batch(location) then return end
    local ids, line = key('ids', provider .. ':' .. today()), d.id .. ' ' .. pos .. ' ' .. location
    if known_ids[id] == line then return end
    redis.call('HSET', ids, id, line)
    of_day('ids', provider)
  end

  -- by_id finds the chunk, position and batch that a provider's id names.
  function by_id(provider, id)
    for day = today(), today() - DAYS, -1 do -- break: ids-days
      local found = redis.call('HGET', key('ids', provider .. ':' .. day), id)
      if found then
        if day == today() then known_ids[id] = found end
        local id, pos, location = found:match('^(%S+) (%d+) (%S+)$')
        return chunk(id), tonumber(pos), batch(location)
      end
    end
  end

  -- note_unanswered remembers that the answer to a sending is lost: a callback may still come about
  -- it, with an id that we never learnt, and must not be taken for one about the next sending.
  function note_unanswered(d, pos, provider, location)
    content_of(d)
    local index = key('unanswered', provider .. ':' .. today())
    local line = d.id .. ' ' .. pos .. ' ' .. location
    local list = redis.call('HGET', index, d.phone[pos]) or ''
    redis.call('HSET', index, d.phone[pos], list .. line .. '\n')
    of_day('unanswered', provider)
  end
end

-- kept_of returns what a hash has of a number, and of what stands for it if it was erased.
local function kept_of(hash, phone)
  local erased = erased_as(phone) -- break: erased-index
  local text = erased and erased ~= phone and redis.call('HGET', hash, erased) or ''
  return (redis.call('HGET', hash, phone) or '') .. text
end

-- unanswered lists the sendings to a number whose answer is lost: {chunk, position, batch}.
local function unanswered(provider, phone)
  local list, seen = {}, {}
  for day = today(), today() - DAYS, -1 do -- break: decided-days
    local text = kept_of(key('unanswered', provider .. ':' .. day), phone)
    for line in text:gmatch('[^\n]+') do
      local id, pos, location = line:match('^(%S+) (%d+) (%S+)$')
      if not seen[line] then -- break: decided-once
        list[#list + 1] = {chunk = chunk(id), pos = tonumber(pos), batch = batch(location)}
      end
      seen[line] = true
    end
  end
  return list
end

-- expected says whether somebody is known by that id, or with that number is on the way to a
-- provider, or has a sending whose answer is lost.
local function expected(provider, id, phone)
  if id ~= '' and by_id(provider, id) then return true end
  if phone == '' then return false end
  return kept_of(key('out', provider), phone) ~= '' or #unanswered(provider, phone) > 0
end

-- people_out lists who with that number is on the way to a provider: {chunk, position, status,
-- location}.
local function people_out(provider, phone)
  local list = {}
  for id, pos in kept_of(key('out', provider), phone):gmatch('(%S+) (%d+)\n') do
    local d = chunk(id)
    if d then
      local status, location = row(d, tonumber(pos))
      list[#list + 1] = {chunk = d, pos = tonumber(pos), status = status, location = location}
    end
  end
  return list
end
