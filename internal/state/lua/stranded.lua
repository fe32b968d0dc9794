-- stranded: list who waits in the queue of a paused provider and was sent there by routing.
-- KEYS[1]: {namespace}:state
-- ARGV[1]: provider
-- ARGV[2]: place of the first entry to look at, from 0
-- ARGV[3]: most entries to look at
-- Returns: {entries looked at, ms that the pause has lasted, reason, {{reference, position,
--   currency, campaign, lines}, ...}}; nothing but zeros if the channel is not paused

local provider = ARGV[1]
if paused_for(provider) <= 0 then return {0, 0, '', {}} end
local from = tonumber(ARGV[2])
local entries = redis.call('LRANGE', key('pending', provider), from, from + tonumber(ARGV[3]) - 1)
local list = {}
for _, entry in ipairs(entries) do
  local ref, first, last, place = entry:match('^(%S+) (%d+) (%d+) (%S+)$')
  local d = disbursal(ref)
  if d and d.given == '' then
    for _, run in ipairs(runs(d, tonumber(first), tonumber(last))) do
      if run[3] == 'q' and run[4] == place then
        list[#list + 1] = {ref, run[1], d.currency, d.campaign, lines_of(d, run[1], run[2])}
      end
    end
  end
end
local channel = redis.call('HMGET', key('channel', provider), 'paused_since', 'pause_reason')
return {#entries, now - tonumber(channel[1] or now), channel[2] or '', list}
