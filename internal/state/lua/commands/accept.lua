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

-- lines_of_all joins texts; one is not made anew, since Redis hashes all that is.
local function lines_of_all(list)
  return list[2] and table.concat(list, '\n') or list[1] or ''
end

-- Only then there are such digests.
local forgetting = redis.call('EXISTS', key('forgotten')) == 1 -- break: digests-known

-- sections lists the recipients of new disbursals of whom the same is asked and who go to one
-- provider: {from, to, code, what is asked}.
local function sections(members)
  local list, pos, last = {}, 0, {}
  local function add(n, code, asked)
    if last.code ~= code or last.asked ~= asked then
      last = {from = pos + 1, code = code, asked = asked}
      append(list, last)
    end
    pos = pos + n
    last.to = pos
  end
  local function add_each(new)
    local i = 0
    for n, asked in (new.lines or new.count .. ' ' .. new.asked .. '\n')
      :gmatch('(%d+) ([^\n]*)\n') do
      for _ = 1, tonumber(n) do
        i = i + 1
        add(1, #new.codes == 1 and new.codes or new.codes:sub(i, i), asked) -- break: stretch-code
      end
    end
  end
  for _, new in ipairs(members) do
    if new.asked and #new.codes == 1 then add(new.n, new.codes, new.asked) else add_each(new) end
  end
  return list
end

-- add_stretch adds recipients of a group who stand alike: {from, to, code, hold, lines, sum}.
local function add_stretch(group, n, sum, code, hold, lines)
  local list, pos = group.stretches, group.admitted
  local last = list[#list] or {}
  if last.code ~= code or last.hold ~= hold or last.lines ~= lines then
    last = {from = pos + 1, code = code, hold = hold, lines = lines, sum = 0}
    append(list, last)
  end
  group.admitted = pos + n
  last.to, last.sum = pos + n, last.sum + sum
end

-- admit looks at the recipients of new disbursals together: where they stand in the group, and what
-- holds them, its letter and rule. It says whether no guard refuses any; else none is counted.
local looked_at = 0 -- Recipients, of all groups.
local function admit(group, members)
  local d = {currency = group.currency, campaign = group.campaign, not_before = group.not_before,
    at = now, n = 0, sum = 0, sequence = looked_at}
  local contents, prints, parts, refuses = {}, {}, {}, false
  for _, new in ipairs(members) do
    d.n, d.sum, d.refs = d.n + new.n, d.sum + new.sum, d.refs or new.ref
    append(contents, new.content)
    for _, print in ipairs(new.prints) do append(prints, print) end
  end
  d.content = lines_of_all(contents)
  looked_at = looked_at + d.n
  note_soon(d, prints)
  for _, section in ipairs(sections(members)) do
    each_admitted(d, section.from, section.to, NAMES[section.code], admission_of(section.asked),
      prints, 0, function(from, to, hold, lines)
        append(parts, {from = from, to = to, code = section.code, hold = hold, lines = lines})
        local guard = hold:find('^[DVB]') and GUARDS[hold:sub(2)]
        for pos = from, guard and guard.refuse and to or 0 do -- break: guard-refuses
          refuses = true
          for _, value in ipairs({d.refs, pos, guard.name}) do append(refused, value) end
        end
      end)
  end
  if refuses then unnote_soon(d) end
  for i = 1, refuses and 0 or #prints do append(group.prints, prints[i]) end
  for _, part in ipairs(parts) do
    if refuses then
      charges.count(d, part.from, part.to, part.lines, -1) -- break: refused-counted
    else
      add_stretch(group, part.to - part.from + 1, sum_of(d, part.from, part.to), part.code,
        part.hold, part.lines)
    end
  end
  return not refuses
end

-- may_refuse says whether a guard that refuses is about any recipient of a disbursal.
local function may_refuse(new)
  if new.asked then return admission_of(new.asked).refuses end
  for asked in new.lines:gmatch('%d+ ([^\n]*)\n') do
    if admission_of(asked).refuses then return true end
  end
  return false
end

-- refusal says why a disbursal is not taken, but for guards.
local function refusal(group, new, text)
  local found = read_disbursal(text)
    or group.taken[new.ref] -- break: taken-at-once
  local known = found and found.digest
    or forgetting and redis.call('GET', key('digest', new.ref))
  if known then return known == new.digest and 'same' or 'conflict' end -- break: known-digest
  if marked(new.ref, group.import, group.campaign) then
    return 'cancelled' -- break: accept-cancelled
  end
  if new.codes == '' then return 'refused' end
end

-- take adds a disbursal to the chunk of its group.
local function take(group, new)
  group.taken[new.ref] = new
  append(group.refs, new.ref .. ' ' .. new.count)
  append(group.digests, new.digest)
  append(group.contents, new.content)
  append(group.ids, new.ids == '' and ('\n'):rep(new.n - 1) or new.ids)
  group.named = group.named or new.ids ~= ''
  if new.urgent ~= '' then group.urgent = true end
  append(group.members, new)
  new.before = group.n
  group.n, group.sum = group.n + new.n, group.sum + new.sum
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
  local refs, rows = lines_of_all(group.refs), {}
  local id = redis.sha1hex(table.concat({group.import, group.campaign, refs,
    lines_of_all(group.digests)}, '\t')):sub(1, 24)
  local page = page_for(group.n)
  local books = books_of(page, group.import, group.campaign)
  local content = lines_of_all(group.contents)
  local d = {id = id, page = page, at = now, currency = group.currency, campaign = group.campaign,
    refs = refs, not_before = group.not_before, n = group.n, sum = group.sum, content = content}
  if group.urgent then note_urgent(d, group.members) end
  local holding = {} -- Providers, by the locations where recipients are held.
  for i, stretch in ipairs(group.stretches) do
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
    append(values, lines_of_all(group.ids))
  end
  redis.call('MSET', unpack(values))
  for _, new in ipairs(group.members) do
    add_fingerprints(page, new.fingerprints) -- break: found-phone
  end
  if #group.prints > 0 then note_payments(d, group.prints) end
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
-- for a disbursal like most, or, with tabs between: what is asked of the recipients, of all "bits
-- approval", else lines "recipients bits approval"; who goes first, a line "from to" for each
-- stretch of positions; and the prints of the payments, where a guard looks for duplicates.
local EACH = 9
local at = rest
while at <= #ARGV do
  local group = {given = ARGV[at], currency = ARGV[at + 1], decimals = ARGV[at + 2],
    import = ARGV[at + 3], campaign = ARGV[at + 4], by = ARGV[at + 5],
    not_before = tonumber(ARGV[at + 6]), n = 0, sum = 0, taken = {}, refs = {}, digests = {},
    contents = {}, ids = {}, prints = {}, members = {}, stretches = {}, admitted = 0}
  local first, last = at + 8, at + EACH * tonumber(ARGV[at + 7]) + 7
  local names = {}
  for i = first, last, EACH do append(names, key('disbursal', ARGV[i])) end
  local known, news, prints = redis.call('MGET', unpack(names)), {}, {}
  for i = first, last, EACH do
    local asked, lines, urgent, paid = '0', nil, '', {}
    if ARGV[i + 8] ~= '' then
      local text
      asked, urgent, text = ARGV[i + 8]:match('^([^\t]*)\t([^\t]*)\t(.*)$')
      if asked:find('\n') then asked, lines = nil, asked end
      paid = split_prints(text, 1)
      for _, print in ipairs(paid) do append(prints, print) end
    end
    append(news, {ref = ARGV[i], digest = ARGV[i + 1], n = tonumber(ARGV[i + 2]),
      count = ARGV[i + 2], -- n as a text, which Lua is slow to spell.
      sum = tonumber(ARGV[i + 3]), content = ARGV[i + 4], codes = ARGV[i + 5], ids = ARGV[i + 6],
      fingerprints = ARGV[i + 7], asked = asked, lines = lines, urgent = urgent, prints = paid})
  end
  if #prints > 0 then look_up_payments(prints) end
  local waiting = {} -- To be looked at together, since no guard can refuse one of them.
  for nth, new in ipairs(news) do
    local word = refusal(group, new, known[nth])
    if not word and may_refuse(new) then
      admit(group, waiting)
      waiting = {}
      word = not admit(group, {new}) and 'refused'
    elseif not word then
      append(waiting, new)
    end
    if not word then take(group, new) end
    append(words, word or 'accepted')
  end
  admit(group, waiting)
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
