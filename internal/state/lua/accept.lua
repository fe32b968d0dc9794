-- accept: take new disbursals, all or none of each: rows, pending entry, indexes and books.
-- A reference that is known with the same digest is left as it is; with another it is a conflict.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: requests that may be on the wire per provider
-- ARGV[2]: number of disbursals
-- ARGV[3]: then per disbursal ten values: reference, digest, provider, currency, decimals,
--   recipients, sum, import, campaign, content
-- Returns: {one word per disbursal: accepted, same, conflict, cancelled}, {provider, ring, ...}

local slots, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local words, touched = {}, {}

-- page_for gives the page that a disbursal is booked on. A page is what verify recounts at once.
local function page_for(recipients)
  local v = redis.call('HMGET', KEYS[1], 'page', 'page_disbursals', 'page_recipients')
  local page, refs, load = tonumber(v[1] or 0), tonumber(v[2] or 0), tonumber(v[3] or 0)
  if page == 0 or refs >= 1000 or load >= 10000 then
    page, refs, load = page + 1, 0, 0
    redis.call('ZADD', key('pages'), now, page)
  end
  redis.call('HSET', KEYS[1], 'page', page, 'page_disbursals', refs + 1,
    'page_recipients', load + recipients)
  return string.format('%d', page)
end

local function refusal(ref, digest, import, campaign)
  local known = redis.call('HGET', key('disbursal', ref), 'digest')
    or redis.call('GET', key('digest', ref))
  if known then return known == digest and 'same' or 'conflict' end
  if cancelled({ref = ref, import = import, campaign = campaign}) then return 'cancelled' end
end

local evidence = redis.call('EXISTS', key('earlier')) == 1
for i = 0, count - 1 do
  local a = 3 + i * 10
  local ref, digest, provider, currency = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local decimals, n, sum = ARGV[a + 4], tonumber(ARGV[a + 5]), tonumber(ARGV[a + 6])
  local import, campaign, content = ARGV[a + 7], ARGV[a + 8], ARGV[a + 9]
  local word = refusal(ref, digest, import, campaign)
  if not word then
    word = 'accepted'
    touched[provider] = true
    local page, place = page_for(n), pending_place()
    redis.call('HSET', key('disbursal', ref), 'digest', digest, 'head', table.concat({provider,
      currency, decimals, page, string.format('%.0f', now), ARGV[a + 5], ARGV[a + 6], import,
      campaign}, '\t'), 'content', content, 'rows', ('q' .. place):rep(n), 'open', n)
    redis.call('RPUSH', key('page', page), ref)
    if import ~= '' then redis.call('RPUSH', key('importrefs', import), ref) end
    if campaign ~= '' then redis.call('RPUSH', key('campaignrefs', campaign), ref) end
    push_pending({ref = ref, provider = provider}, 1, n, place)
    local books, field = books_of(page, import, campaign), provider .. ' ' .. currency .. ' '
    enter(books, field .. 'requested', n, sum)
    enter(books, field .. STATUS.q.name, n, sum)
    if evidence then -- A Redis that forgot the disbursal may know its sending.
      local d = disbursal(ref)
      for pos = 1, n do rejoin(d, pos) end
    end
  end
  words[i + 1] = word
end

flush()
local rings = {}
for provider in pairs(touched) do
  redis.call('SADD', key('providers'), provider)
  local number = ring(provider, slots)
  if number > 0 then
    rings[#rings + 1] = provider
    rings[#rings + 1] = number
  end
end
return {words, rings}
