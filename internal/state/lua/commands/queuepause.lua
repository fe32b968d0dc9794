-- queuepause: note that a queue of asynq was paused or resumed in the dashboard.
-- include: audit
-- KEYS[1]: {namespace}:state
-- Returns: 1 if it was not known

local arg = arguments {
  'decision',
  'who',
  'sealed',
  'queue', -- A provider's, poll or disbursals.
  'paused', -- 1 if it is paused, else 0.
  'seen', -- What was known of it before anybody looked whether it is paused.
}
local taken = replayed(arg.decision)
if taken then return taken end

-- What was known is about one moment: who looked before the last change knows nothing new.
local known = redis.call('HGET', key('queuepauses'), arg.queue) or ''
if known ~= arg.seen then return 0 end -- break: queue-seen
if (known:sub(1, 1) == '1') == (arg.paused == '1') then return 0 end
redis.call('HSET', key('queuepauses'), arg.queue, arg.paused .. ' ' .. now_text)
local drafts = {{arg.paused == '1' and 'channel_pause' or 'channel_resume', arg.queue,
  detail {'of', 'queue in the asynq dashboard'}}}
return audited(arg.decision, arg.who, arg.sealed, drafts, 1)
