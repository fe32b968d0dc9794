-- resend: make a batch in doubt ready to be sent again as it is, if its provider still recognises
-- it by its key; else set when it is looked at next.
-- include: sending
-- KEYS[1]: {namespace}:state
-- Returns: {1 if it is ready, ms to wait until it may be, wakeup}

local arg = arguments {
  'batch',
  'poll#', -- Number of the query that brought us here.
  'timeout#', -- Ms that a request may take.
  'slots#', -- Requests that may be on the wire.
}
allow_oom()
local b = batch(arg.batch)
if not b or arg.poll ~= b.polls then return {0, 0, 0} end
local window = traits(b.provider).resend
local free = b.deadline + GUARD -- break: resend-guard
local ends = b.sent + window - arg.timeout -- The last moment at which it may begin.
if b.state ~= 'doubt' or b.attempt == 0 or free > ends or not repeatable(b)
  or now > ends -- break: resend-late
  or b.sent <= distrusted then
  return {0, 0, 0}
end
if now < free then -- break: resend-early
  schedule(b, free - now)
  return {0, free - now, 0}
end
make_ready(b)
return {1, 0, wakeup(b.provider, arg.slots)}
