-- accept: take new disbursals, all or none of each, as one chunk per group: rows, pending entries,
-- indexes and books. A reference that is known with the same digest is left as it is; with another
-- it is a conflict. Who must not be sent yet is held.
-- include: cancelled, admission, superseded, channels
-- KEYS[1]: {namespace}:state
-- Returns: {one word per disbursal: accepted, same, conflict, cancelled, refused}, {provider,
--   wakeup, ...}, {reference, position, guard, ...} of whom guards refuse, {letter and rule,
--   currency, recipients, money, ...} of who is held, and of a dry run what guards have counted

local arg, rest = arguments {
  'slots#', -- Requests that may be on the wire per provider.
  'dry_run', -- 1 to write nothing, and to say what would be.
  'counted', -- Of a dry run: what guards have counted in those before it.
}
local words, touched, refused, held = {}, {}, {}, {}
charges.preset(arg.counted)

-- page_for gives the page that a chunk is booked on: what verify recounts at once, all of one day.
local v = redis.call('HMGET', KEYS[1], 'page', 'page_chunks', 'page_recipients')
local page, on_page, load = v[1] or '', tonumber(v[2] or 0), tonumber(v[3] or 0)
local today = day_of(now)
local function page_for(recipients)
  if on_page >= 1000 or load >= 10000
    or day_of_page(page) ~= today then -- break: page-day
    page = today .. '.' .. string.format('%d', (page:match('%d+$') or 0) + 1)
    on_page, load = 0, 0
    redis.call('ZADD', key('pages'), now, page)
    redis.call('SADD', key('days'), today)
  end
  on_page, load = on_page + 1, load + recipients
  return page
end

local function append(list, value)
  list[#list + 1] = value
end

-- Only then there are such digests.
local forgetting = redis.call('EXISTS', key('forgotten')) == 1 -- break: digests-known

-- sections lists the recipients of a disbursal of whom the same is asked and who go to one
-- provider: {from, to, code, what is asked}.
local function sections(new)
  if new.admissions == '' and #new.codes == 1 then
    return {{from = 1, to = new.n, code = new.codes, asked = '0'}}
  end
  local list, last = {}, 0
  for n, asked in (new.admissions == '' and new.n .. ' 0\n' or new.admissions)
    :gmatch('(%d+) ([^\n]*)\n') do
    local from, to = last + 1, last + n
    for pos = from, to do
      local code = #new.codes == 1 and new.codes
        or new.codes:sub(pos, pos) -- break: stretch-code
      local section = list[#list]
      if section and section.to >= from and section.code == code then
        section.to = pos
      else
        append(list, {from = pos, to = pos, code = code, asked = asked})
      end
      if #new.codes == 1 then -- The others stand alike.
        list[#list].to = to
        break
      end
    end
    last = to
  end
  return list
end

-- admit looks at the recipients of a new disbursal: new.parts has those who stand alike, with the
-- letter and rule that hold them; nil if all do and nothing is asked, as of most. It says whether
-- guards refuse any; then nobody is counted.
local function admit(group, new)
  local nothing = new.admissions == '' and group.not_before <= now
  if nothing and new.prints == '' and #new.codes == 1 then return true end
  new.parts = {}
  local d = {currency = group.currency, campaign = group.campaign, refs = new.ref,
    not_before = group.not_before, at = now, n = new.n, sum = new.sum, content = new.content}
  local refuses = false
  for _, section in ipairs(sections(new)) do
    local function keep(from, to, hold, lines)
      append(new.parts, {n = to - from + 1, code = section.code, hold = hold, lines = lines,
        sum = sum_of(d, from, to), from = from, to = to})
      local guard = hold:find('^[DVB]') and GUARDS[hold:sub(2)]
      for pos = from, guard and guard.refuse and to or 0 do -- break: guard-refuses
        refuses = true
        for _, value in ipairs({new.ref, pos, guard.name}) do append(refused, value) end
      end
    end
    if nothing then
      keep(section.from, section.to, '', '') -- Nothing is asked of anyone.
    else
      each_admitted(d, section.from, section.to, NAMES[section.code], admission_of(section.asked),
        new.prints, 0, keep)
    end
  end
  for _, part in ipairs(refuses and new.parts or {}) do
    charges.count(d, part.from, part.to, part.lines, -1) -- break: refused-counted
  end
  if refuses then return false end
  for pos = 1, new.prints ~= '' and new.n or 0 do note_payment(d, pos, new.prints) end
  return true
end

local function refusal(group, new, text)
  local found = read_disbursal(text)
    or group.taken[new.ref] -- break: taken-at-once
  local known = found and found.digest
    or forgetting and redis.call('GET', key('digest', new.ref))
  if known then return known == new.digest and 'same' or 'conflict' end -- break: known-digest
  if marked(new.ref, group.import, group.campaign) then
    return 'cancelled' -- break: accept-cancelled
  end
  if new.codes == '' or not admit(group, new) then return 'refused' end
end

-- take adds a disbursal to the chunk of its group.
local function take(group, new)
  group.taken[new.ref] = new
  append(group.refs, new.ref .. ' ' .. new.count)
  append(group.digests, new.digest)
  append(group.contents, new.content)
  append(group.ids, new.ids == '' and ('\n'):rep(new.n - 1) or new.ids)
  group.named = group.named or new.ids ~= ''
  if new.prints ~= '' then append(group.prints, new.prints) end
  if new.urgent ~= '' then group.urgent = true end
  append(group.members, new)
  new.before = group.n
  group.n, group.sum = group.n + new.n, group.sum + new.sum
end

-- stretches lists who of a group stands alike: {from, to, code, hold, lines, sum}.
local function stretches(group)
  local list, pos, last = {}, 0, {}
  local function add(n, sum, code, hold, lines)
    if last.code ~= code or last.hold ~= hold or last.lines ~= lines then
      last = {from = pos + 1, sum = 0, code = code, hold = hold, lines = lines}
      append(list, last)
    end
    pos = pos + n
    last.to, last.sum = pos, last.sum + sum
  end
  for _, new in ipairs(group.members) do
    for _, part in ipairs(new.parts or {}) do
      add(part.n, part.sum, part.code, part.hold, part.lines)
    end
    if not new.parts then add(new.n, new.sum, new.codes, '', '') end
  end
  return list
end

-- note_submitter keeps who submitted first to a campaign, and whether others did.
local function note_submitter(campaign, by)
  local name = key('campaign', campaign)
  local first = redis.call('HGET', name, 'submitted_by')
  if not first then
    redis.call('HSET', name, 'submitted_by', by)
    redis.call('ZADD', key('campaigns'), now, campaign)
  elseif first ~= by then -- break: submitted-several
    redis.call('HSET', name, 'several', 1)
  end
end

-- note_urgent keeps who of a new chunk goes first.
local function note_urgent(d, members)
  local lines = {}
  for _, new in ipairs(members) do
    for from, to in new.urgent:gmatch('(%d+) (%d+)') do
      append(lines, string.format('%d %d', new.before + from, new.before + to))
    end
  end
  d.urgent = table.concat(lines, '\n')
  redis.call('HSET', key('chunk', d.id), 'urgent', d.urgent) -- break: urgent-kept
end

-- write stores a group as a new chunk and queues its recipients. The id comes from what it holds: a
-- Redis that has forgotten it gives the same one again.
local function write(group)
  local refs, rows = table.concat(group.refs, '\n'), {}
  local id = redis.sha1hex(table.concat({group.import, group.campaign, refs,
    table.concat(group.digests, '\n')}, '\t')):sub(1, 24)
  local page = page_for(group.n)
  local books = books_of(page, group.import, group.campaign)
  local content = table.concat(group.contents, '\n')
  local d = {id = id, page = page, at = now, currency = group.currency, campaign = group.campaign,
    refs = refs, not_before = group.not_before, n = group.n, sum = group.sum, content = content}
  if group.urgent then note_urgent(d, group.members) end
  local holding = {} -- Providers, by the locations where recipients are held.
  for i, stretch in ipairs(stretches(group)) do
    local provider, count = NAMES[stretch.code], stretch.to - stretch.from + 1
    local location, field = '=' .. stretch.code .. stretch.hold, provider .. ' ' .. group.currency
    local index, status = spell_index(i - 1), stretch.hold == '' and 'q' or 'h'
    if status == 'q' then
      location = pending_location(provider)
      touched[provider] = true
      push_pending(d, stretch.from, stretch.to, location)
      charges.note(d, stretch.from, stretch.to, stretch.lines) -- break: charge-noted
    else
      holding[location] = provider
      holds.log(d, stretch.from, stretch.to, stretch.hold)
      for _, value in ipairs({stretch.hold, group.currency, count, stretch.sum}) do
        append(held, value)
      end
    end
    rows[i] = (status .. stretch.code .. index):rep(count)
    redis.call('HSET', key('locations', id), index, location)
    enter(books, field .. ' requested', count, stretch.sum)
    enter(books, field .. ' ' .. STATUS[status].name, count, stretch.sum)
  end
  if next(holding) then holds.index(d, holding) end
  redis.call('HSET', key('chunk', id), 'head', table.concat({group.given, group.currency,
    group.decimals, page, now_text, group.n, string.format('%.0f', group.sum), group.import,
    group.campaign, group.by, string.format('%.0f', group.not_before)}, '\t'), 'refs', refs,
    'content', content, 'open', group.n)
  local values = {key('rows', id), table.concat(rows)}
  for _, new in ipairs(group.members) do
    append(values, key('disbursal', new.ref))
    append(values, table.concat({new.digest, id, new.before, new.count}, ' '))
  end
  if group.named then
    append(values, key('recipientids', id))
    append(values, table.concat(group.ids, '\n'))
  end
  redis.call('MSET', unpack(values))
  for _, new in ipairs(group.members) do
    add_fingerprints(page, new.fingerprints) -- break: found-phone
  end
  local prints = table.concat(group.prints)
  for pos = 1, prints ~= '' and group.n or 0 do note_payment(d, pos, prints) end
  redis.call('RPUSH', key('page', page), id)
  if group.import ~= '' then redis.call('RPUSH', key('importchunks', group.import), id) end
  if group.campaign ~= '' then
    redis.call('RPUSH', key('campaignchunks', group.campaign), id)
    redis.call('SADD', key('campaigndays', group.campaign), today)
    note_submitter(group.campaign, group.by)
  end
  redis.call('SADD', key('daycampaigns', today), group.campaign)
  local producer = owned(group.members[1].ref)
  if producer then
    redis.call('RPUSH', key('producerchunks', producer), id) -- break: producer-listed
  end
  return id
end

-- recall gives back what is known about members by their references: this Redis forgot the
-- disbursals, but was told of their sending.
local function recall(group, id)
  local d = chunk(id)
  for _, new in ipairs(group.members) do
    for i = 1, new.n do
      local list = superseded({id = '@' .. new.ref}, i)
      if #list > 0 then
        keep_superseded({id = '@' .. new.ref}, i, {})
        keep_superseded(d, new.before + i, list)
        reattach(d, new.before + i) -- break: recall-position
      end
    end
  end
end

-- Behind the arguments, per group of disbursals that are alike, eight values: provider as given,
-- currency, decimals, import, campaign, who submitted them ('' for unknown), from when on they may
-- be sent (ms; 0 for at once), and the number of disbursals. And EACH per disbursal: reference,
-- digest, recipients, sum, content, the codes of the providers that they go to: one for all, or one
-- for each; none for a disbursal that rules are against, which is looked up and not taken. Then the
-- ids of the recipients, one a line ('' where none has one); the fingerprints of them all; and ''
-- for a disbursal like most, or, with tabs between: what is asked of the recipients, lines
-- "recipients bits approval"; who goes first, a line "from to" for each stretch of positions; and
-- the prints of the payments, where a guard looks for duplicates.
local EACH = 9
local at = rest
while at <= #ARGV do
  local group = {given = ARGV[at], currency = ARGV[at + 1], decimals = ARGV[at + 2],
    import = ARGV[at + 3], campaign = ARGV[at + 4], by = ARGV[at + 5],
    not_before = tonumber(ARGV[at + 6]), n = 0, sum = 0, taken = {}, refs = {}, digests = {},
    contents = {}, ids = {}, prints = {}, members = {}}
  local first, last = at + 8, at + EACH * tonumber(ARGV[at + 7]) + 7
  local names = {}
  for i = first, last, EACH do append(names, key('disbursal', ARGV[i])) end
  local known = redis.call('MGET', unpack(names))
  for i = first, last, EACH do
    local admissions, urgent, prints = '', '', ''
    if ARGV[i + 8] ~= '' then
      admissions, urgent, prints = ARGV[i + 8]:match('^([^\t]*)\t([^\t]*)\t(.*)$')
    end
    local new = {ref = ARGV[i], digest = ARGV[i + 1], n = tonumber(ARGV[i + 2]),
      count = ARGV[i + 2], -- n as a text, which Lua is slow to spell.
      sum = tonumber(ARGV[i + 3]), content = ARGV[i + 4], codes = ARGV[i + 5], ids = ARGV[i + 6],
      fingerprints = ARGV[i + 7], admissions = admissions, urgent = urgent, prints = prints}
    local word = refusal(group, new, known[(i - first) / EACH + 1])
    if not word then take(group, new) end
    append(words, word or 'accepted')
  end
  if group.n > 0 then
    local id = write(group)
    if has_superseded() then recall(group, id) end -- break: recall
  end
  at = last + 1
end
redis.call('HSET', KEYS[1], 'page', page, 'page_chunks', on_page, 'page_recipients', load)

local answer = {words, wakeups(touched, arg.slots), refused, held}
if arg.dry_run == '1' then
  answer[5] = charges.changed()
  redis.drop()
  endings = {}
end
return answer
