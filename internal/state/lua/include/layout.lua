-- layout: the number of the layout, and the clock: its high-water mark, and what holds while
-- Redis's clock is behind it.
-- include: keys

-- What every script reads before it does anything else:
--   schema        the number of the layout of all that is stored; SCHEMA is the one that we know
--   clock         the highest time that was seen (ms), kept to a second
--   behind_since  since when the clock has been behind that (ms)
--   distrusted    nobody knows how long ago a time up to this one was: the clock was set since
--   shifted       the highest time by which schedules were corrected last, see commands/due.lua
--   codes         the sum of what codes holds, see include/providers.lua
local head = redis.call('HMGET', KEYS[1], 'schema', 'clock', 'behind_since', 'distrusted',
  'shifted', 'codes')

-- A state that is there and does not tell its layout is older than layouts that have numbers.
if not head[1] and redis.call('EXISTS', KEYS[1]) == 1 then head[1] = 'none' end
if head[1] and head[1] ~= SCHEMA then return {err = 'TUMALAYOUT ' .. head[1]} end

-- Beyond FARTHEST no deadline is ever set: one that is was set by a clock that was ahead, and is
-- lost. After TAKEN_FOR_RIGHT a clock that is behind has outlived whatever was under way.
local FARTHEST, TAKEN_FOR_RIGHT = 7200000, 3600000

-- behind is by how much the clock is behind the highest time that was seen (ms), if it is more than
-- a second: it was set back, or was ahead for a while. As long as that is so nothing is sent again
-- and nothing expires. A clock that does not catch up becomes the right one after an hour.
local seen, distrusted = tonumber(head[2] or 0), tonumber(head[4] or 0)
local behind, behind_since = seen - now, tonumber(head[3] or now)
if behind <= 1000 then behind = 0 end
if behind_since > now then behind_since = now end -- Set back once more.
local taken = behind > 0 and now - behind_since >= TAKEN_FOR_RIGHT
if taken then
  behind, distrusted = 0, now
elseif behind > 0 then
  distrusted = math.max(distrusted, seen)
end

-- time_left is how long it is until a deadline; 0 if it has passed or is lost.
local function time_left(deadline)
  if deadline > now + FARTHEST then return 0 end
  return math.max(0, deadline - now)
end

-- keep_head keeps layout and clock. A second is enough: a write is dear.
local function keep_head()
  if not head[1] then redis.call('HSET', KEYS[1], 'schema', SCHEMA) end
  if behind > 0 then
    if tonumber(head[3] or 0) ~= behind_since then
      redis.call('HSET', KEYS[1], 'behind_since', string.format('%.0f', behind_since),
        'distrusted', string.format('%.0f', distrusted))
    end
  elseif taken or now - seen >= 1000 then
    redis.call('HSET', KEYS[1], 'clock', now_text)
    if head[3] then redis.call('HDEL', KEYS[1], 'behind_since') end
    if taken then redis.call('HSET', KEYS[1], 'distrusted', now_text) end
  end
end
