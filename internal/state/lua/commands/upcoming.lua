-- upcoming: list the next status queries of batches with open recipients, soonest first. Those that
-- are due by now are left out: they are handed out at once.
-- include: providers
-- KEYS[1]: {namespace}:state
-- Returns: {{batch, provider, number of the query, recipients, open ones, sendings, when the first
--   of them began (ms), when it is due (ms)}, ...}

local arg = arguments {
  'most#', -- Most queries.
  'most_looked#', -- Most batches that are looked at.
}
local open = 0
for _, provider in ipairs(redis.call('SMEMBERS', key('providers'))) do
  open = open + redis.call('ZCARD', key('open', provider))
end
local list = {}
if open == 0 then return list end
local entries = redis.call('ZRANGEBYSCORE', key('due'), '(' .. now_text, '+inf', 'WITHSCORES',
  'LIMIT', 0, arg.most_looked)
for i = 1, #entries, 2 do
  if #list == arg.most then break end
  local b = redis.call('HMGET', key('batch', entries[i]), 'provider', 'polls', 'n', 'open',
    'attempt', 'sent')
  if tonumber(b[4] or 0) > 0 then
    list[#list + 1] = {entries[i], b[1], tonumber(b[2] or 0) + 1, tonumber(b[3]), tonumber(b[4]),
      tonumber(b[5] or 0), tonumber(b[6] or 0), tonumber(entries[i + 1])}
  end
end
return list
