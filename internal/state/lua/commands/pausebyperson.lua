-- pausebyperson: let a person pause a channel, until a person resumes it. Runs on a full Redis.
-- include: channels
-- KEYS[1]: {namespace}:state
-- Returns: {1 if this changed something, since when a person's pause stands, or stood (ms; 0 for
--   none), by whom, note, wakeup}

local arg = arguments {
  'provider',
  'what', -- Pause or resume.
  'who',
  'note',
  'decision', -- New id of this decision, by which a replay is recognised.
  'slots#', -- Requests that may be on the wire.
}
local provider, what, slots = arg.provider, arg.what, arg.slots
local channel, pausing = key('channel', provider), what == 'pause'

allow_oom()
local taken = redis.call('GET', key('decision', arg.decision))
if taken then
  local since, who, note = taken:match('^([^\t]*)\t([^\t]*)\t(.*)$')
  return {1, tonumber(since), who, note, pausing and 0 or wakeup(provider, slots)}
end

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
redis.call('XADD', key('decisions'), '*', 'what', 'channel_' .. what, 'name', provider,
  'who', arg.who, 'detail', arg.note, 'at', at_text())
redis.call('SET', key('decision', arg.decision), table.concat(was, '\t'), 'PX', 3600000)
return {1, tonumber(was[1]), was[2], was[3], pausing and 0 or wakeup(provider, slots)}
