-- hint: a callback says that something happened to a batch: bring its query forward. However many
-- callbacks come, there is one query per gap. Runs on a full Redis.
-- include: callbacks
-- KEYS[1]: {namespace}:state
-- Returns: 1 if there is such a batch, else 0

local arg = arguments {
  'batch',
  'gap#', -- Ms between two queries that callbacks bring forward.
  'phone', -- The number that it is about, or ''.
  'status', -- The code of what it says, or '-' for a word that we do not know.
}
allow_oom()
local b = batch(arg.batch)
if not b or b.attempt == 0 then return 0 end

-- find_member returns the chunk and position of the member with a number.
local function find_member(phone)
  for _, slice in ipairs(slices_of(b)) do
    local d = chunk(slice.chunk)
    local at = d and ('\n' .. d.content):find('\n' .. phone .. ' ', 1, true)
    if at then
      local _, before = d.content:sub(1, at - 1):gsub('\n', '')
      if slice.from <= before + 1 and before + 1 <= slice.to then return d, before + 1 end
    end
  end
end

local d, pos = find_member(arg.phone)
if d then note_callback(b, d, pos, now, arg.status, '', 'asked') end
if b.state == 'claimed'
  or b.state == 'ready' -- break: hint-ready
  or b.state == 'sending' then -- break: hint-sending
  return 1 -- Its sending has not ended; Record sets its first query.
end
if b.hinted > now + arg.gap then b.hinted = now end -- By a clock that was ahead.
local at = math.max(now, b.hinted + arg.gap) -- break: hint-gap
local due = tonumber(redis.call('ZSCORE', key('due'), b.id) or 0)
if due > 0 and due <= at then return 1 end -- break: hint-sooner
if b.state == 'done' and b.later == 0 then b.later = due > 0 and due or -1 end -- break: hint-later
b.hinted = at
schedule(b, math.max(1, at - now))
return 1
