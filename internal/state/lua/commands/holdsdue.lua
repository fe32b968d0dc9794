-- holdsdue: list whose time has come of those that are held for their schedule, and the next chunks
-- of each queue of a budget in which there is more room than when it was looked at last; and whom
-- guards have still to count.
-- include: holds
-- KEYS[1]: {namespace}:state
-- Returns: {chunk, ...} of the schedule, {{queue, number of the last chunk or 0 at the end of the
--   queue, {chunk, ...}}, ...}, {chunk, ...} of whom to count

local arg = arguments {
  'most#', -- Most chunks of the schedule, and of each queue.
}

local function numbered(queue, after)
  local list = redis.call('ZRANGEBYSCORE', key('heldfor', queue),
    '(' .. string.format('%.0f', after), '+inf', 'WITHSCORES', 'LIMIT', 0, arg.most)
  local ids, last = {}, 0
  for i = 1, #list, 2 do ids[#ids + 1], last = list[i], tonumber(list[i + 1]) end
  return ids, #ids == arg.most and last or 0
end

local queues = {}
local known = redis.call('HGETALL', key('heldqueues'))
for i = 1, #known, 2 do
  local queue = known[i]
  local period, n, sum = holds.spent(queue)
  local before, had_n, had_sum, after = holds.looked(queue)
  local more = period ~= before
    or period == '-' or n < had_n or sum < had_sum -- break: budget-room
  if more or after > 0 then
    local ids, last = numbered(queue, after)
    queues[#queues + 1] = {queue, last, ids}
  end
end
local due = behind > 0 and {} or redis.call('ZRANGEBYSCORE', key('scheduled'), '-inf', now, 'LIMIT',
  0, arg.most)
local uncharged = {}
for _, id in ipairs(redis.call('SMEMBERS', key('uncharged'))) do
  if chunk(id) then
    uncharged[#uncharged + 1] = id
  else
    redis.call('SREM', key('uncharged'), id) -- It is forgotten.
  end
end
return {due, queues, uncharged}
