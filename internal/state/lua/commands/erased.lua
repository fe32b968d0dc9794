-- erased: say what stands for phone numbers that are erased, and make the key for that.
-- include: indexes
-- KEYS[1]: {namespace}:state
-- Returns: {number of the day, DAYS, a text for each number; '' while no number was erased}

local arg, rest = arguments {
  'new_key', -- The key that is kept if there is none yet, '' to make none.
}
if arg.new_key ~= '' then
  redis.call('HSETNX', KEYS[1], 'erase_key', arg.new_key) -- break: erased-key
end
local list = {today(), DAYS}
for i = rest, #ARGV do list[#list + 1] = erased_as(ARGV[i]) or '' end
return list
