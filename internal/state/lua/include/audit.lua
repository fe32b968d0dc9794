-- audit: the decisions of people and producers, in a chain of hashes.
-- include: providers

-- The stream audit has an entry for each. Its hash covers the entry and the hash before it; the
-- last one, the head, is the field audit of {namespace}:state. Redis's Lua has no SHA-256. So a
-- verb that decides is called twice: at first it comes to its end, writes nothing and returns its
-- entries as drafts. Go masks the numbers in them and seals them with their hashes. Then it comes
-- to the same end, and writes all at once. Where the drafts differ, or the head is another because
-- of a decision in between, it returns drafts again. The arguments of such a verb begin with:
--   decision  new id of this decision, by which a replay is recognised
--   who       who decides
--   sealed    '' at first; later a line "head at sum", what the drafts came with, and a line for
--             each entry: who, what, name, detail and hash, tab separated

local NO_HASH, SEALED_FOR = ('0'):rep(64), 5000

-- replayed returns the reply to a decision that was taken already, nil if it was not.
local function replayed(decision)
  local kept = redis.call('GET', key('decision', decision))
  return kept and cjson.decode(kept)[1] or nil -- break: audit-replay
end

-- detail writes names and values in turn as logfmt, without those whose value is ''.
local function detail(list)
  local words = {}
  for i = 1, #list, 2 do
    local value = tostring(list[i + 1])
    if value:find('[%s"=]') then value = '"' .. value:gsub('["\\]', '\\%0') .. '"' end
    if value ~= '' then words[#words + 1] = list[i] .. '=' .. value end
  end
  return table.concat(words, ' ')
end

-- audited ends a verb that decides: drafts has {what, name, detail} for each entry. It returns the
-- reply, or the drafts if they are not sealed.
local function audited(decision, who, sealed, drafts, reply)
  if #drafts == 0 then return reply end
  local texts = {who}
  for i, draft in ipairs(drafts) do texts[i + 1] = table.concat(draft, '\n') end
  local head = redis.call('HGET', KEYS[1], 'audit') or NO_HASH
  local sum = redis.sha1hex(table.concat(texts, '\n'))
  local before, at, sealed_sum, entries = sealed:match('^(%x+) (%d+) (%x+)\n(.*)$')
  if before ~= head -- break: audit-head
    or sealed_sum ~= sum -- break: audit-drafts
    or math.abs(now - at) > SEALED_FOR then -- break: audit-time
    redis.drop()
    endings = {}
    return {'drafts', head, now, at_text(), sum, drafts}
  end
  local hash
  for by, what, name, about, own in entries:gmatch('(.-)\t(.-)\t(.-)\t(.-)\t(%x+)\n') do
    redis.call('XADD', key('audit'), '*', 'who', by, 'what', what, 'name', name, 'detail', about,
      'at', rfc3339(tonumber(at)), 'hash', own)
    hash = own
  end
  redis.call('HSET', KEYS[1], 'audit', hash)
  redis.call('SET', key('decision', decision), cjson.encode({reply}), 'PX', 3600000)
  return reply
end
