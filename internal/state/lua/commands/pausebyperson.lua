-- pausebyperson: let a person pause a channel, until a person resumes it. Runs on a full Redis.
-- include: channels
-- KEYS[1]: {namespace}:state
-- ARGV[1]: provider
-- ARGV[2]: pause or resume
-- ARGV[3]: who
-- ARGV[4]: note
-- ARGV[5]: new id of this decision, by which a replay is recognised
-- ARGV[6]: requests that may be on the wire
-- Returns: {1 if this changed something, since when a person's pause stands, or stood (ms; 0 for
--   none), by whom, note, wakeup}

local provider, what, slots = ARGV[1], ARGV[2], tonumber(ARGV[6])
local channel, pausing = key('channel', provider), what == 'pause'

allow_oom()
local taken = redis.call('GET', key('decision', ARGV[5]))
if taken then
  local since, who, note = taken:match('^([^\t]*)\t([^\t]*)\t(.*)$')
  return {1, tonumber(since), who, note, pausing and 0 or wakeup(provider, slots)}
end

local was = redis.call('HMGET', channel, 'stopped', 'stopped_by', 'stopped_note')
if pausing == (was[1] ~= false) then
  return {0, tonumber(was[1] or 0), was[2] or '', was[3] or '', 0}
end
if pausing then
  was = {now_text, ARGV[3], ARGV[4]}
  redis.call('HSET', channel, 'stopped', was[1], 'stopped_by', was[2], 'stopped_note', was[3])
else
  redis.call('HDEL', channel, 'stopped', 'stopped_by', 'stopped_note')
end
redis.call('XADD', key('decisions'), '*', 'what', 'channel_' .. what, 'name', provider,
  'who', ARGV[3], 'detail', ARGV[4], 'at', at_text())
redis.call('SET', key('decision', ARGV[5]), table.concat(was, '\t'), 'PX', 3600000)
return {1, tonumber(was[1]), was[2], was[3], pausing and 0 or wakeup(provider, slots)}
