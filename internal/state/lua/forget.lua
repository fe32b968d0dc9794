-- forget: drop the settled disbursals of a page that are older than the retention, book what is
-- dropped, and keep the digests of their references. Runs on a full Redis.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: page
-- ARGV[2]: retention in ms
-- ARGV[3]: ms that digests are kept
-- ARGV[4]: ms until a page with something left is looked at again
-- Returns: {forgotten, left}

unlock()
local page, edge = ARGV[1], now - tonumber(ARGV[2])
local forgotten, left = 0, {}

local function forget(ref, d)
  content_of(d)
  local gone = {key('forgotten')}
  local held = {key('pagebook', page)}
  for _, run in ipairs(runs(d, 1, d.n)) do
    local field = run[5] .. ' ' .. d.currency .. ' '
    local n, sum = run[2] - run[1] + 1, sum_of(d, run[1], run[2])
    enter(gone, field .. 'requested', n, sum)
    enter(held, field .. 'requested', -n, -sum)
    enter(gone, field .. STATUS[run[3]].name, n, sum)
    enter(held, field .. STATUS[run[3]].name, -n, -sum)
  end
  redis.call('SET', key('digest', ref), redis.call('HGET', key('disbursal', ref), 'digest'),
    'PX', ARGV[3])
  redis.call('DEL', key('disbursal', ref))
  for pos = 1, d.n do
    redis.call('HDEL', key('earlier'), ref .. ' ' .. pos)
    redis.call('SREM', key('overpaid'), ref .. ' ' .. pos)
  end
  if d.import ~= '' then redis.call('LREM', key('importrefs', d.import), 1, ref) end
  if d.campaign ~= '' then redis.call('LREM', key('campaignrefs', d.campaign), 1, ref) end
end

for _, ref in ipairs(redis.call('LRANGE', key('page', page), 0, -1)) do
  local d = disbursal(ref)
  local settled = d and tonumber(redis.call('HGET', key('disbursal', ref), 'settled') or now)
  if d and d.open == 0 and settled < edge then
    forget(ref, d)
    forgotten = forgotten + 1
  elseif d then
    left[#left + 1] = ref
  end
end

flush()
if forgotten > 0 then
  redis.call('DEL', key('page', page))
  for _, ref in ipairs(left) do redis.call('RPUSH', key('page', page), ref) end
end
if #left == 0 and tonumber(redis.call('HGET', KEYS[1], 'page')) ~= tonumber(page) then
  redis.call('DEL', key('pagebook', page))
  redis.call('ZREM', key('pages'), page)
else
  redis.call('ZADD', key('pages'), now - tonumber(ARGV[2]) + tonumber(ARGV[4]), page)
end
return {forgotten, #left}
