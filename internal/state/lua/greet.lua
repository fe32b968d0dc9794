-- greet: say which Redis process this connection reached. A process other than the last one may
-- have forgotten a sending that is on the wire, so claiming and giving back wait until it has
-- ended. Runs on a full Redis: without it there is no connection.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: run id
-- ARGV[2]: ms to freeze after a change
-- Returns: ms for which the state is frozen now

unlock()
local known = redis.call('HGET', KEYS[1], 'run_id')
if known ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'run_id', ARGV[1])
  if known then redis.call('HSET', KEYS[1], 'frozen_until', now + tonumber(ARGV[2])) end
end
return math.max(0, frozen_for())
