-- duecallbacks: hand out parked callbacks that are to be tried again, and charge the queries that
-- confirm them: at most half the provider's rate, over all processes. One that is not reported on
-- is handed out again later.
-- include: indexes, channels
-- KEYS[1]: {namespace}:state
-- Returns: {{name, its record, age in ms, 1 if the provider is to be asked about it}, ...}

local arg, rest = arguments {
  'most#', -- Most callbacks to hand out.
  'lost_after#', -- Ms until one that was handed out counts as lost.
  'rate#', -- Queries a second that may confirm the callbacks of one provider, over all processes.
}
allow_oom()
local confirm = {} -- The providers whose callbacks a query has to confirm.
for i = rest, #ARGV do confirm[ARGV[i]] = true end

-- question charges one confirming query, and returns 0, or the ms until there is one. They have a
-- budget of their own, of at most half the provider's rate, and count in that rate: whoever forges
-- callbacks can have it used up, and no more.
local waiting = {}
local function question(provider)
  local t, channel = traits(provider), key('channel', provider)
  local rate = arg.rate
  if t.rate > 0 then rate = math.min(rate, t.rate / 2) end
  local v = redis.call('HMGET', channel, 'questions', 'questioned')
  local since = math.max(0, now - tonumber(v[2] or now))
  local most = math.max(1, rate)
  local left, tokens = math.min(most, tonumber(v[1] or most) + since * rate / 1000),
    tokens_left(provider)
  if left < 1 or (tokens or 1) < 1 then
    waiting[provider] = (waiting[provider] or 0) + 1
    return math.ceil(waiting[provider] * 1000 / rate)
  end
  redis.call('HSET', channel, 'questions', string.format('%.3f', left - 1), 'questioned', now_text)
  charge(provider, tokens)
  return 0
end

local list = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', key('parkeddue'), '-inf', now, 'LIMIT', 0,
  arg.most)) do
  local text = redis.call('HGET', key('parked'), name)
  if text then
    local since, provider, id, phone = text:match('^(%d+)\t([^\t]*)\t([^\t]*)\t([^\t]*)')
    -- What fits nobody is not asked about: the answer would fit nobody either.
    local asked = confirm[provider] and expected(provider, id, phone) and 1 or 0
    local wait = asked == 1 and question(provider) or 0
    local again = wait > 0 and wait or arg.lost_after -- break: parked-lease
    redis.call('ZADD', key('parkeddue'), now + again, name)
    if wait == 0 then list[#list + 1] = {name, text, now - tonumber(since), asked} end
  else
    redis.call('ZREM', key('parkeddue'), name)
  end
end
return list
