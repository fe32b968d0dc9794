-- validate: say whether a payment that a provider is about to make is ours: to somebody whom we
-- have on the wire there with this amount, once per recipient and attempt, and within a day of its
-- first sending.
-- include: indexes
-- KEYS[1]: {namespace}:state
-- Returns: 1 if it is ours, else 0

local arg = arguments {
  'provider',
  'question', -- The provider's id of the question; the same question has the same answer.
  'phone', -- Phone number.
  'minor#', -- Amount in minor units.
  'currency',
}
allow_oom()
local answers, before = key('validated', today()), key('validated', today() - 1)

local function question_about(phone)
  return table.concat({'id', arg.question, phone, arg.minor, arg.currency}, '\t')
end

local question, erased = question_about(arg.phone), erased_as(arg.phone)

local function asked(field)
  return redis.call('HEXISTS', answers, field) == 1 or redis.call('HEXISTS', before, field) == 1
end

if asked(question) then return 1 end -- break: asked-before
if erased and asked(question_about(erased)) then return 1 end -- break: erased-question
for _, found in ipairs(people_out(arg.provider, arg.phone)) do
  local d, pos, b = found.chunk, found.pos, batch(found.location)
  content_of(d)
  if b and d.currency == arg.currency
    and now - b.sent < DAY -- break: validated-day
    and d.amount[pos] == arg.minor then -- break: validated-amount
    local field = d.id .. ' ' .. pos .. ' ' .. b.id .. ' ' .. b.attempt
    if not asked(field) then -- break: validated-once
      redis.call('HSET', answers, field, 1, question, 1)
      redis.call('PEXPIRE', answers, 2 * DAY)
      return 1
    end
  end
end
return 0
