-- accept: take new disbursals, all or none of each: rows, pending entry, indexes and books.
-- A reference that is known with the same digest is left as it is; with another it is a conflict.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: requests that may be on the wire per provider
-- ARGV[2]: number of disbursals
-- ARGV[3]: then per disbursal eleven values: reference, digest, provider as given, currency,
--   decimals, recipients, sum, import, campaign, content, and the codes of the providers that they
--   go to: one for all, or one for each
-- Returns: {one word per disbursal: accepted, same, conflict, cancelled}, {provider, ring, ...}

local slots, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local words, touched = {}, {}

-- page_for gives the page that a disbursal is booked on. A page is what verify recounts at once.
local v = redis.call('HMGET', KEYS[1], 'page', 'page_disbursals', 'page_recipients')
local page, refs, load = tonumber(v[1] or 0), tonumber(v[2] or 0), tonumber(v[3] or 0)
local function page_for(recipients)
  if page == 0 or refs >= 1000 or load >= 10000 then
    page, refs, load = page + 1, 0, 0
    redis.call('ZADD', key('pages'), now, page)
  end
  refs, load = refs + 1, load + recipients
  return string.format('%d', page)
end

local lists = {} -- What is appended to lists, by their keys.
local function append(list, value)
  lists[list] = lists[list] or {}
  table.insert(lists[list], value)
end

local forgetting = redis.call('EXISTS', key('forgotten')) == 1 -- Only then there are such digests.

local function refusal(ref, digest, import, campaign)
  local known = redis.call('HGET', key('disbursal', ref), 'digest')
    or (forgetting and redis.call('GET', key('digest', ref)))
  if known then return known == digest and 'same' or 'conflict' end
  if cancelled({ref = ref, import = import, campaign = campaign}) then return 'cancelled' end
end

-- by_provider lists the stretches of recipients that go to one provider: {from, to, code, sum}.
local function by_provider(codes, n, sum, content)
  if #codes == 1 then return {{1, n, codes, sum}} end
  local list, pos = {}, 0
  for amount in content:gmatch('%d+ (%d+)') do
    pos = pos + 1
    local last, code = list[#list], codes:sub(pos, pos)
    if last and last[3] == code then
      last[2], last[4] = pos, last[4] + tonumber(amount)
    else
      list[#list + 1] = {pos, pos, code, tonumber(amount)}
    end
  end
  return list
end

-- write stores a new disbursal and queues its recipients.
local function write(ref, digest, given, currency, decimals, n, sum, import, campaign, content,
  codes)
  local page, rows = page_for(tonumber(n)), {}
  local books = books_of(page, import, campaign)
  for i, stretch in ipairs(by_provider(codes, tonumber(n), tonumber(sum), content)) do
    local provider, count = NAMES[stretch[3]], stretch[2] - stretch[1] + 1
    local place, field = pending_place(provider), provider .. ' ' .. currency .. ' '
    touched[provider] = true
    rows[i] = ('q' .. stretch[3] .. place):rep(count)
    append(key('pending', provider), table.concat({ref, stretch[1], stretch[2], place}, ' '))
    enter(books, field .. 'requested', count, stretch[4])
    enter(books, field .. STATUS.q.name, count, stretch[4])
  end
  redis.call('HSET', key('disbursal', ref), 'digest', digest, 'head', table.concat({given,
    currency, decimals, page, now_text, n, sum, import, campaign}, '\t'),
    'content', content, 'rows', table.concat(rows), 'open', n)
  append(key('page', page), ref)
  if import ~= '' then append(key('importrefs', import), ref) end
  if campaign ~= '' then append(key('campaignrefs', campaign), ref) end
end

for i = 0, count - 1 do
  local a = 3 + i * 11
  local ref = ARGV[a]
  local word = refusal(ref, ARGV[a + 1], ARGV[a + 7], ARGV[a + 8])
  if not word then
    word = 'accepted'
    write(unpack(ARGV, a, a + 10))
    if has_earlier() then -- A Redis that forgot the disbursal may know its sending.
      local d = disbursal(ref)
      for pos = 1, d.n do rejoin(d, pos) end
    end
  end
  words[i + 1] = word
end
for list, values in pairs(lists) do redis.call('RPUSH', list, unpack(values)) end
redis.call('HSET', KEYS[1], 'page', page, 'page_disbursals', refs, 'page_recipients', load)

flush()
return {words, rings(touched, slots)}
