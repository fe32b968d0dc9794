-- floatset: keep the balance at a provider, as a person says, or the provider itself. Runs on a
-- full Redis.
-- include: audit, floats
-- KEYS[1]: {namespace}:state
-- Returns: 1, or 0 where a later balance is known

local arg = arguments {
  'decision', -- '' for the provider itself.
  'who',
  'sealed',
  'provider',
  'currency',
  'minor', -- The balance, in minor units.
  'balance', -- The same as people read it.
  'note',
  'at#', -- When the provider was asked (ms), as floatlook says it. Of a person it is now.
  'debited', -- What it had debited by then.
}
allow_oom()
local by_person = arg.decision ~= ''
local taken = by_person and replayed(arg.decision)
if taken then return taken end

local of, at, debited = arg.currency .. ' ' .. arg.provider, arg.at, arg.debited
if by_person then
  local _, live = floats.booked(of, 'live')
  at, debited = now, string.format('%.0f', live) -- break: float-base
end
local before = floats.known(of)
local late = not by_person and before and tonumber(before.at) > at -- break: float-late
if late then return 0 end
redis.call('HSET', key('floats'), of, table.concat({arg.minor, string.format('%.0f', at), debited,
  by_person and arg.who or '', arg.note}, '\t'))
if not by_person then return 1 end
return audited(arg.decision, arg.who, arg.sealed,
  {{'float_set', arg.provider, detail {'balance', arg.balance, 'note', arg.note}}}, 1)
