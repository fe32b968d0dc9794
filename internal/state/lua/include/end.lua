-- end: the end of every script. What the verb has changed of chunks, batches and books is planned,
-- too, then everything is written.

local reply = verb()
for _, ending in ipairs(endings) do ending() end
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
