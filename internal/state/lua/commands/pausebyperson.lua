-- pausebyperson: let a person pause a channel, until a person resumes it. Runs on a full Redis.
-- include: audit, channels
-- KEYS[1]: {namespace}:state
-- Returns: {1 if this changed something, since when a person's pause stands, or stood (ms; 0 for
--   none), by whom, note, wakeup}

local arg = arguments {
  'decision',
  'who',
  'sealed',
  'provider',
  'what', -- Pause or resume.
  'note',
  'slots#', -- Requests that may be on the wire.
}
allow_oom()
local taken = replayed(arg.decision)
if taken then return taken end

local provider, pausing = arg.provider, arg.what == 'pause'
local channel = key('channel', provider)
local was = redis.call('HMGET', channel, 'stopped', 'stopped_by', 'stopped_note')
if pausing == (was[1] ~= false) then
  return {0, tonumber(was[1] or 0), was[2] or '', was[3] or '', 0}
end
if pausing then
  was = {now_text, arg.who, arg.note}
  redis.call('HSET', channel, 'stopped', was[1], 'stopped_by', was[2], 'stopped_note', was[3])
else
  redis.call('HDEL', channel, 'stopped', 'stopped_by', 'stopped_note')
end
local drafts = {{'channel_' .. arg.what, provider, detail {'note', arg.note}}}
return audited(arg.decision, arg.who, arg.sealed, drafts,
  {1, tonumber(was[1]), was[2], was[3], pausing and 0 or wakeup(provider, arg.slots)})
