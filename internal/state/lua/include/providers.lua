-- providers: codes of providers, of those too that no program knows any more.
-- include: layout

-- codes is a HASH from the code of every provider that a program which wrote here knows to its name
-- and whether it reports by callback, 1 or 0. So a provider that is in no settings and no program
-- any more still has its code: it is swept, shown and decided about. CODES is the sum of what this
-- program knows, as codes_of makes it; while it is also that of all that is kept, nothing is read.
-- Two providers never share a code: rows would be misread.
local codes, codes_sum = {}, CODES

local function codes_of()
  local list = {}
  for name, t in pairs(PROVIDERS) do
    codes[t.code] = name .. (t.callbacks and ' 1' or ' 0')
    list[#list + 1] = t.code .. ' ' .. codes[t.code] .. '\n'
  end
  table.sort(list)
  return redis.sha1hex(table.concat(list))
end

if head[6] ~= CODES then
  local kept = redis.call('HGETALL', key('codes'))
  for i = 1, #kept, 2 do
    local code, name, callbacks = kept[i], kept[i + 1]:match('^(%S+) (%d)$')
    local known = PROVIDERS[name]
    if known and known.code ~= code
      or (NAMES[code] or name) ~= name then -- break: code-taken
      return {err = 'TUMALAYOUT code:' .. code .. ':' .. name}
    end
    NAMES[code] = name -- break: code-name
    if not known then
      PROVIDERS[name] = {code = code, resend = 0, overdue_after = 0, rate = 0, burst = 0,
        callbacks = callbacks == '1'} -- break: code-callbacks
    elseif callbacks == '1' then
      known.callbacks = true -- Whoever was found by a callback is taken off that index, too.
    end
  end
  codes_sum = codes_of() -- break: codes-sum
end

local function keep_codes()
  if head[6] == codes_sum then return end
  redis.call('HSET', KEYS[1], 'codes', codes_sum)
  for code, text in pairs(codes) do redis.call('HSET', key('codes'), code, text) end
end
