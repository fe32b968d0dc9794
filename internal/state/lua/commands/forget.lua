-- forget: drop the settled disbursals of a page that are older than the retention, book what is
-- dropped, and keep the digests of their references. Runs on a full Redis.
-- include: evidence, books, charges
-- KEYS[1]: {namespace}:state
-- Returns: {forgotten, left}

local arg = arguments {
  'page',
  'retention#', -- Retention in ms.
  'keep_digests#', -- Ms that digests are kept.
  'look_again#', -- Ms until a page with something left is looked at again.
}
allow_oom()
if behind > 0 then return {0, 1} end
local page, edge = arg.page, now - arg.retention
local forgotten, left = 0, {}
local imports, campaigns = {}, {} -- Names of which a chunk is forgotten.

local function forget(d)
  content_of(d)
  local gone = {key('forgotten'), key('forgotten', day_of_page(page))} -- break: forget-day
  local held = {key('pagebook', page)}
  for _, run in ipairs(runs(d, 1, d.n)) do
    local field = run.provider .. ' ' .. d.currency .. ' ' -- break: forget-book
    local n, sum = run.to - run.from + 1, sum_of(d, run.from, run.to)
    enter(gone, field .. 'requested', n, sum)
    enter(held, field .. 'requested', -n, -sum)
    local units = units_in(d, run.from, run.to)
    enter(gone, field .. STATUS[run.status].name, n, sum, units)
    enter(held, field .. STATUS[run.status].name, -n, -sum, -units)
  end
  for ref in d.refs:gmatch('(%S+) %d+') do
    local found = find_disbursal(ref)
    if found then
      local name = key('digest', ref) -- break: forget-digest
      redis.call('SET', name, found.digest, 'PX', arg.keep_digests)
    end
    redis.call('DEL', key('disbursal', ref))
    forgotten = forgotten + 1
  end
  charges.forget(d)
  for _, kind in ipairs({'chunk', 'rows', 'locations', 'history', 'recipientids', 'charges',
    'holdlog'}) do
    redis.call('DEL', key(kind, d.id))
  end
  for pos = 1, d.n do
    redis.call('HDEL', key('superseded'), d.id .. ' ' .. pos)
    redis.call('SREM', key('overpaid'), d.id .. ' ' .. pos)
    redis.call('ZREM', key('mismatched'), d.id .. ' ' .. pos)
    redis.call('HDEL', key('disputes'), d.id .. ' ' .. pos)
  end
  if d.import ~= '' then
    redis.call('LREM', key('importchunks', d.import), 1, d.id)
    imports[d.import] = true
  end
  if d.campaign ~= '' then
    redis.call('LREM', key('campaignchunks', d.campaign), 1, d.id)
    campaigns[d.campaign] = true
  end
  local producer = owned(d.refs)
  if producer then
    redis.call('LREM', key('producerchunks', producer), 1, d.id) -- break: producer-forgotten
  end
end

-- forget_name drops what is kept under a name of a kind with the last of its chunks. What is
-- accepted again under it is known by its digest.
local function forget_name(kind, name)
  if redis.call('LLEN', key(kind .. 'chunks', name)) > 0 then return end
  for _, part in ipairs({'', 'book', 'days'}) do redis.call('DEL', key(kind .. part, name)) end
  redis.call('ZREM', key(kind .. 's'), name) -- break: forget-listed
end

for _, id in ipairs(redis.call('LRANGE', key('page', page), 0, -1)) do
  local d = chunk(id)
  local settled = d and tonumber(redis.call('HGET', key('chunk', id), 'settled') or now)
  if d and settled < edge
    and d.open == 0 then -- break: forget-open
    forget(d)
  elseif d then
    left[#left + 1] = id
  end
end

if forgotten > 0 then
  redis.call('DEL', key('page', page))
  for _, id in ipairs(left) do redis.call('RPUSH', key('page', page), id) end
end
flush_entries() -- Before the book goes.
if #left == 0 and redis.call('HGET', KEYS[1], 'page') ~= page then
  redis.call('DEL', key('pagebook', page))
  redis.call('DEL', key('pagespent', page))
  redis.call('ZREM', key('pages'), page)
  for digit in ('0123456789abcdef'):gmatch('.') do
    redis.call('DEL', key('fingerprints', page .. ':' .. digit))
  end
else
  redis.call('ZADD', key('pages'), now - arg.retention + arg.look_again, page)
end
for name in pairs(imports) do forget_name('import', name) end
for name in pairs(campaigns) do forget_name('campaign', name) end
return {forgotten, #left}
