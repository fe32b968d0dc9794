-- charges: what guards have counted; it is given back when a recipient surely got nothing.
-- include: chunks, days, floats

-- A guard counts recipients and money, by its subject and by the period of the calendar in which
-- they are queued. What it counts when:
--   charges:<chunk>        HASH  "from to" -> lines of those positions: guard, period, subject
--                                ('*' for the phone number of each); tab separated
-- And what that comes to; each figure is "recipients money":
--   spent:<guard>:<period>         HASH  "currency subject", '*' for all phone numbers together
--   spentby:<guard>:<period>:<xyz> HASH  "currency phone", by the last three digits
--   pagespent:<page>               HASH  guard, period, currency, subject, tab separated: the part
--                                        of a page of it, which verify recounts
--   forgottenspent                 HASH  the same of recipients that were forgotten
-- A guard per balance bounds what is spent by what is left at a provider. Its figures are those of
-- the book, and nothing more is kept of them.
local charges = {}
do
  local BOOK = key('book')
  local HOUR = 3600000
  -- How long the figures of a period are kept, from its first one on.
  local LASTS = {hour = 48 * HOUR, day = 72 * HOUR, week = 240 * HOUR, month = 800 * HOUR}
  local figures, lasting = {}, {} -- By key, and by field; how long a key is kept.
  local periods = {} -- The present ones.

  local function present(per)
    if per == 'balance' then return per end
    if per == 'hour' then return rfc3339(now + offset_of(now)):sub(1, 13) end
    local day = day_of(now) -- break: period-zone
    if per == 'day' then return day end
    if per == 'month' then return day:sub(1, 7) end
    local days = math.floor((now + offset_of(now)) / 24 / HOUR)
    local monday = days - (days + 3) % 7 -- The first of all days was a Thursday.
    return 'w' .. rfc3339(monday * 24 * HOUR):sub(1, 10)
  end

  -- period names the period of the calendar that it is now.
  function charges.period(per)
    periods[per] = periods[per] or present(per)
    return periods[per]
  end

  -- figure returns recipients and money of a figure.
  function charges.figure(name, field)
    local of = figures[name] or {}
    figures[name] = of
    if not of[field] and name == BOOK then -- break: float-booked
      of[field] = {floats.booked(field, 'spends')}
    elseif not of[field] then
      local n, sum = (redis.call('HGET', name, field) or '0 0'):match('^(%S+) (%S+)$')
      of[field] = {tonumber(n), tonumber(sum)}
    end
    return of[field][1], of[field][2]
  end

  -- add adds to a figure. The figures of a period may be gone when something is given back.
  function charges.add(name, field, n, sum, lasts)
    local had_n, had_sum = charges.figure(name, field)
    if n < 0 and lasts and had_n == 0 then return end
    figures[name][field] = {had_n + n, had_sum + sum, true}
    lasting[name] = lasts
  end

  at_end(function()
    for name, of in pairs(figures) do
      local list = {}
      for field, f in pairs(of) do
        if f[3] and name ~= BOOK then
          list[#list + 1], list[#list + 2] = field, string.format('%.0f %.0f', f[1], f[2])
        end
      end
      if #list > 0 then
        redis.call('HSET', name, unpack(list))
        if lasting[name] then redis.call('PEXPIRE', name, lasting[name]) end
      end
    end
  end)

  -- preset takes figures from an earlier dry run, and changed returns them for the next one: lines
  -- "key field recipients money", tab separated.
  function charges.preset(lines)
    for name, field, n, sum in lines:gmatch('(%S+)\t([^\t]*)\t(%S+)\t(%S+)\n') do
      figures[name] = figures[name] or {}
      figures[name][field] = {tonumber(n), tonumber(sum), true}
    end
  end

  function charges.changed()
    local lines = {}
    for name, of in pairs(figures) do
      local whole = name == BOOK or name:find(key('spent', ''), 1, true)
      for field, f in pairs(whole and of or {}) do
        if f[3] then
          lines[#lines + 1] = string.format('%s\t%s\t%.0f\t%.0f\n', name, field, f[1], f[2])
        end
      end
    end
    return table.concat(lines)
  end

  -- limit is the most that a guard lets be spent in a currency; nil for no bound.
  function charges.limit(guard, currency, field)
    if guard.per ~= 'balance' then return guard.limit[currency] end
    local float = floats.known(field)
    return float and float.minor + float.debited -- break: float-limit
  end

  -- key is where a guard counts for a phone number, or for another subject.
  function charges.key(guard, period, phone)
    if period == 'balance' then return BOOK end
    if not phone then return key('spent', guard .. ':' .. period) end
    return key('spentby', guard .. ':' .. period .. ':' .. phone:sub(-3))
  end

  -- count counts the recipients from..to as the lines say; way is 1, or -1 to give back.
  function charges.count(d, from, to, lines, way)
    if lines == '' then return end
    local n, sum = way * (to - from + 1), way * sum_of(d, from, to)
    for guard, period, subject in lines:gmatch('(%S+)\t(%S+)\t([^\n]*)') do
      local lasts = LASTS[GUARDS[guard] and GUARDS[guard].per or 'month']
      charges.add(charges.key(guard, period), d.currency .. ' ' .. subject, n, sum, lasts)
      if subject == '*' then
        content_of(d)
        for pos = from, to do
          local phone = d.phone[pos]
          charges.add(charges.key(guard, period, phone), d.currency .. ' ' .. phone, way,
            way * d.amount[pos], lasts)
        end
      end
    end
  end

  -- parts calls fn with the fields of pagespent that the lines say, and what goes there.
  function charges.parts(d, from, to, lines, fn)
    local n, sum = to - from + 1, sum_of(d, from, to)
    for guard, period, subject in lines:gmatch('(%S+)\t(%S+)\t([^\n]*)') do
      fn(table.concat({guard, period, d.currency, subject}, '\t'), n, sum)
    end
  end

  -- book counts the recipients from..to in the part of their page, or another one.
  function charges.book(d, from, to, lines, way, part)
    charges.parts(d, from, to, lines, function(field, n, sum)
      charges.add(part or key('pagespent', d.page), field, way * n, way * sum)
    end)
  end

  -- spending calls fn with stretches of recipients that count, and their lines.
  function charges.spending(d, fn)
    for _, c in ipairs(charges.of(d)) do
      for _, run in ipairs(runs(d, c.from, c.to)) do
        if STATUS[run.status].spends then fn(run.from, run.to, c.lines) end
      end
    end
  end

  -- forget books what a chunk that is forgotten was counted for.
  function charges.forget(d)
    charges.spending(d, function(from, to, lines)
      charges.book(d, from, to, lines, -1)
      charges.book(d, from, to, lines, 1, key('forgottenspent'))
    end)
  end

  -- of lists what was counted of a chunk's recipients: {from, to, lines}.
  function charges.of(d)
    if d.charges then return d.charges end
    d.charges = {}
    local list = d.charged and redis.call('HGETALL', key('charges', d.id)) or {}
    for i = 1, #list, 2 do
      local from, to = list[i]:match('^(%d+) (%d+)$')
      table.insert(d.charges, {from = tonumber(from), to = tonumber(to), lines = list[i + 1]})
    end
    return d.charges
  end

  -- note keeps what the recipients from..to were counted for.
  function charges.note(d, from, to, lines)
    lines = lines:gsub('[^\t\n]+\tbalance\t[^\n]*\n?', '') -- break: float-noted
    if lines == '' then return end
    table.insert(charges.of(d), {from = from, to = to, lines = lines})
    redis.call('HSET', key('charges', d.id), from .. ' ' .. to, lines)
    if not d.charged then redis.call('HSET', key('chunk', d.id), 'charged', 1) end
    d.charged = true
    charges.book(d, from, to, lines, 1)
  end

  -- missing calls fn with stretches of the recipients from..to that spend and were never counted:
  -- from, to, provider.
  function charges.missing(d, from, to, fn)
    local counted = {}
    for _, c in ipairs(charges.of(d)) do
      for pos = c.from, c.to do counted[pos] = true end
    end
    for _, run in ipairs(runs(d, from, to)) do
      local start = run.from
      for pos = run.from, STATUS[run.status].spends and run.to + 1 or 0 do
        if counted[pos] or pos > run.to then -- break: counted-again
          if pos > start then fn(start, pos - 1, run.provider) end
          start = pos + 1
        end
      end
    end
  end

  -- follow counts the recipients from..to again (1), or gives back what was counted (-1).
  function charges.follow(d, from, to, way)
    for _, c in ipairs(charges.of(d)) do
      local first, last = math.max(from, c.from), math.min(to, c.to)
      if first <= last then
        charges.count(d, first, last, c.lines, way)
        charges.book(d, first, last, c.lines, way)
      end
    end
  end
end
