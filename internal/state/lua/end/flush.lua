-- flush: the end of every script. What the verb has changed of chunks, batches and books is
-- planned, too, then everything is written.

local reply = verb()
for _, d in pairs(chunks) do
  if d then flush_chunk(d) end
end
for _, b in pairs(batches) do
  if b then flush_batch(b) end
end
if places then redis.call('HSET', KEYS[1], 'places', places) end -- break: places-kept
flush_moves()
if runs_when_full or planned() then
  keep_head()
  keep_codes() -- break: codes-kept
end

-- Once a script has written, Redis refuses it nothing more. So the first command decides: a verb
-- that must run on a full Redis begins with one that is never refused for memory, and the others
-- with one that is. Neither changes anything.
local nobody = key('slots', '-')
if runs_when_full then
  perform('ZREM', nobody, '-')
else
  perform('ZADD', nobody, 'XX', 0, '-')
end
return reply
