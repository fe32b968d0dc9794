-- floatlook: keep what is spent of each float now, for its pace, and say what the providers that
-- are asked for their balances have debited by now. In each interval one process gets an answer.
-- include: providers, floats
-- KEYS[1]: {namespace}:state
-- Returns: {now (ms), what is debited of each, as text, ...}; {} where another has looked

local arg, rest = arguments {
  'least#', -- Least time since somebody looked (ms).
  'window#', -- Of what time what is spent is kept (ms).
}
-- Behind them, "currency provider" of each that may be asked about.

local last = tonumber(redis.call('HGET', KEYS[1], 'floats_looked') or 0)
if last <= now and now - last < arg.least then return {} end -- break: float-asked
redis.call('HSET', KEYS[1], 'floats_looked', now_text)

-- HASH floatmarks: "currency provider" -> "ms spent" of each look, with commas between them.
local known = redis.call('HGETALL', key('floats'))
for i = 1, #known, 2 do
  local of, marks = known[i], {}
  for at, had in (redis.call('HGET', key('floatmarks'), of) or ''):gmatch('(%d+) (%-?%d+)') do
    if now - at <= arg.window and tonumber(at) <= now then marks[#marks + 1] = at .. ' ' .. had end
  end
  local _, spent = floats.booked(of, 'spends')
  marks[#marks + 1] = now_text .. ' ' .. string.format('%.0f', spent)
  redis.call('HSET', key('floatmarks'), of, table.concat(marks, ','))
end

local answer = {now}
for i = rest, #ARGV do
  local _, debited = floats.booked(ARGV[i], 'live')
  answer[#answer + 1] = string.format('%.0f', debited)
end
return answer
