-- webhooks: the results that wait for delivery to the endpoint of a producer.
-- include: providers

--   webhooks             ZSET  endpoint -> when a poller had it in its settings last (ms)
--   webhook:<name>       HASH  cursor (the last result that was read for it), number (of the last
--       hand-out), off and why, error and error_at, delivered_at, given_up, missed
--   webhookwaiting:<n>   ZSET  result that waits -> when it was published (ms)
--   webhookdue:<n>       ZSET  those that are not out -> when they are tried next (ms)
--   webhookout:<n>       ZSET  those that are out -> when that counts as lost (ms)
--   webhooktries:<n>     HASH  result that waits -> number of its hand-out, holder, failed tries,
--       when it was tried first (ms); tab separated
--   webhookgivenup:<n>   ZSET  result that was given up -> when (ms)
-- What waits is due or out, and what is read of the results is added in the script that moves the
-- cursor.

-- No time is set farther ahead than LONGEST (ms): one that is was set by a clock that was ahead.
-- GIVEN_UP is how many that were given up are listed.
local LONGEST, GIVEN_UP = 14400000, 1000

-- up_to_now lists the members of a sorted set whose time has come, or is lost, at most so many.
local function up_to_now(name, most)
  local list = redis.call('ZRANGEBYSCORE', name, now + LONGEST, '+inf', 'LIMIT', 0, most)
  local come = redis.call('ZRANGEBYSCORE', name, '-inf', now, 'LIMIT', 0, most - #list)
  for i = 1, #come do list[#list + 1] = come[i] end
  return list
end

-- delivery returns the hand-out and the tries of a result that waits; nil for any other.
local function delivery(endpoint, result)
  local text = redis.call('HGET', key('webhooktries', endpoint), result)
  if not text then return nil end
  local number, holder, tries, since = text:match('^(%d+)\t([^\t]*)\t(%d+)\t(%d+)$')
  return {
    endpoint = endpoint, result = result, number = tonumber(number), holder = holder,
    tries = tonumber(tries), since = tonumber(since),
  }
end

local function keep_delivery(d)
  redis.call('HSET', key('webhooktries', d.endpoint), d.result,
    string.format('%d\t%s\t%d\t%.0f', d.number, d.holder, d.tries, d.since))
end

-- come_back has a result tried again in so many ms. A hand-out of before is not one any more.
local function come_back(d, pause)
  d.number, d.holder = 0, ''
  keep_delivery(d)
  redis.call('ZREM', key('webhookout', d.endpoint), d.result)
  redis.call('ZADD', key('webhookdue', d.endpoint), now + pause, d.result) -- break: webhook-retry
end

-- wait_for adds a result to those that wait.
local function wait_for(endpoint, result)
  redis.call('ZADD', key('webhookwaiting', endpoint), tonumber(result:match('^%d+')), result)
  come_back({endpoint = endpoint, result = result, tries = 0, since = 0}, 0)
end

-- wait_no_more takes a result from those that wait.
local function wait_no_more(d)
  redis.call('ZREM', key('webhookwaiting', d.endpoint), d.result)
  redis.call('ZREM', key('webhookdue', d.endpoint), d.result)
  redis.call('ZREM', key('webhookout', d.endpoint), d.result)
  redis.call('HDEL', key('webhooktries', d.endpoint), d.result)
end
