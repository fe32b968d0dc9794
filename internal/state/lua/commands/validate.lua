-- validate: say whether a payment that a provider is about to make is ours: to somebody whom we
-- have on the wire there with this amount, once per recipient and attempt, and within a day of its
-- first sending.
-- include: indexes
-- KEYS[1]: {namespace}:state
-- ARGV[1]: provider
-- ARGV[2]: the provider's id of the question; the same question has the same answer
-- ARGV[3]: phone number
-- ARGV[4]: amount in minor units
-- ARGV[5]: currency
-- Returns: 1 if it is ours, else 0

allow_oom()
local answers, before = key('validated', today()), key('validated', today() - 1)
local question = table.concat({'id', ARGV[2], ARGV[3], ARGV[4], ARGV[5]}, '\t')

local function asked(field)
  return redis.call('HEXISTS', answers, field) == 1 or redis.call('HEXISTS', before, field) == 1
end

if asked(question) then return 1 end -- break: asked-before
for _, found in ipairs(people_out(ARGV[1], ARGV[3])) do
  local d, pos, b = found.chunk, found.pos, batch(found.location)
  content_of(d)
  if b and d.currency == ARGV[5]
    and now - b.sent < DAY -- break: validated-day
    and d.amount[pos] == tonumber(ARGV[4]) then -- break: validated-amount
    local field = d.id .. ' ' .. pos .. ' ' .. b.id .. ' ' .. b.attempt
    if not asked(field) then -- break: validated-once
      redis.call('HSET', answers, field, 1, question, 1)
      redis.call('PEXPIRE', answers, 2 * DAY)
      return 1
    end
  end
end
return 0
