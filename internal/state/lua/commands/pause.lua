-- pause: stop claiming for a provider for a while.
-- include: channels
-- KEYS[1]: {namespace}:state
-- ARGV[1]: provider
-- ARGV[2]: reason
-- ARGV[3]: ms, or 0 to double with each pause that no acceptance came between
-- Returns: ms that the pause lasts

return pause(ARGV[1], ARGV[2], tonumber(ARGV[3]))
