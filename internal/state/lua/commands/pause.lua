-- pause: stop claiming for a provider for a while.
-- include: channels
-- KEYS[1]: {namespace}:state
-- Returns: ms that the pause lasts

local arg = arguments {
  'provider',
  'reason',
  'length#', -- Ms, or 0 to double with each pause that no acceptance came between.
}
return pause(arg.provider, arg.reason, arg.length)
