-- floats: say what is left where a balance is known.
-- include: providers, floats
-- KEYS[1]: {namespace}:state
-- Returns: {{provider, currency, balance, when it was that (ms), how long ago (ms), who said so,
--   note, spent since, queued, spent an hour at the present pace or 0}, ...}; amounts as text

local arg = arguments {
  'window#', -- Of what time the pace is (ms).
  'shortest#', -- The least time that says anything about it (ms).
}

-- pace is what was spent an hour since the first look of the window.
local function pace(of, spent)
  for at, had in (redis.call('HGET', key('floatmarks'), of) or ''):gmatch('(%d+) (%-?%d+)') do
    local passed = now - at
    if passed < arg.shortest then return 0 end
    if passed <= arg.window then return math.max(0, (spent - had) * 3600000 / passed) end
  end
  return 0
end

local function text(amount) return string.format('%.0f', amount) end

local list, stored = {}, redis.call('HGETALL', key('floats'))
for i = 1, #stored, 2 do
  local of, who, note = stored[i], stored[i + 1]:match('^%d+\t%d+\t%-?%d+\t([^\t]*)\t(.*)$')
  local currency, provider = of:match('^(%S+) (.*)$')
  local known, _, spent = floats.known(of), floats.booked(of, 'spends')
  local _, queued = figures_of(redis.call('HGET', key('book'), provider .. ' ' .. currency .. ' '
    .. STATUS.q.name))
  list[#list + 1] = {provider, currency, text(known.minor), tonumber(known.at),
    math.max(0, now - known.at), who, note, text(spent - known.debited), text(queued),
    text(pace(of, spent))}
end
return list
