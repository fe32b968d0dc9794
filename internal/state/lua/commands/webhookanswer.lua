-- webhookanswer: keep what came of a try to deliver a result. Runs on a full Redis.
-- include: webhooks
-- KEYS[1]: {namespace}:state
-- Returns: delivered, retried, given_up, off (the endpoint is now), missed or known (it does not
--   wait any more, or this try is not the one that counts)

local arg = arguments {
  'endpoint',
  'result',
  'number#', -- Number of the hand-out.
  'outcome', -- Outcome: delivered, failed, gone (the endpoint wants no more) or missing (trimmed).
  'pause#', -- Ms until the next try after a failure.
  'give_up_after#', -- Ms since the first try after which a failed one is the last.
  'error', -- Error of a failed try.
}
allow_oom()
local name, hash = arg.endpoint, key('webhook', arg.endpoint)
local d = delivery(name, arg.result)
if not d then return 'known' end

if arg.outcome == 'delivered' then -- Whoever has delivered it: it is.
  wait_no_more(d)
  redis.call('HSET', hash, 'delivered_at', now_text)
  return 'delivered'
end
if d.number ~= arg.number then return 'known' end
if arg.outcome == 'missing' then
  wait_no_more(d)
  redis.call('HINCRBY', hash, 'missed', 1) -- break: webhook-missed
  return 'missed'
end

redis.call('HSET', hash, 'error', arg.error, 'error_at', now_text)
if arg.outcome == 'gone' then
  redis.call('HSET', hash, 'off', now_text, 'why', arg.error) -- break: webhook-gone
  come_back(d, 0)
  return 'off'
end
d.tries = d.tries + 1
if now - d.since < arg.give_up_after then -- break: webhook-gives-up
  come_back(d, arg.pause)
  return 'retried'
end
local list = key('webhookgivenup', name)
local first = redis.call('ZCARD', list) >= GIVEN_UP and redis.call('ZRANGE', list, 0, 0)[1]
if first then redis.call('ZREM', list, first) end
wait_no_more(d)
redis.call('ZADD', list, now, d.result)
redis.call('HINCRBY', hash, 'given_up', 1)
return 'given_up'
