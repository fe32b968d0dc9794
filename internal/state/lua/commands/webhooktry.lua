-- webhooktry: begin to deliver a result that was handed out. Runs on a full Redis.
-- include: webhooks
-- KEYS[1]: {namespace}:state
-- Returns: {go (also to the same holder again), off (the endpoint is), done (it does not wait any
--   more), superseded (it was handed out again, or has been tried) or held (by another), failed
--   tries}

local arg = arguments {
  'endpoint',
  'result',
  'number#', -- Number of the hand-out.
  'holder', -- New id of this try.
  'time#', -- Ms that the try takes at most: after that it counts as lost.
}
allow_oom()
if redis.call('HEXISTS', key('webhook', arg.endpoint), 'off') == 1 then -- break: webhook-off
  return {'off', 0}
end
local d = delivery(arg.endpoint, arg.result)
if not d then return {'done', 0} end
if d.number ~= arg.number then return {'superseded', d.tries} end
if d.holder ~= '' and d.holder ~= arg.holder then -- break: webhook-held
  return {'held', d.tries}
end
d.holder = arg.holder
if d.since == 0 then d.since = now end
keep_delivery(d)
redis.call('ZADD', key('webhookout', arg.endpoint), now + arg.time, arg.result)
return {'go', d.tries}
