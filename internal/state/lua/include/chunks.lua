-- chunks: disbursals, content, and the rows that say where recipients are.
-- include: providers

local chunks = {}

-- chunk reads a chunk; false if there is none under that id.
local function chunk(id)
  local d = chunks[id]
  if d ~= nil then return d end
  local v = redis.call('HMGET', key('chunk', id), 'head', 'open', 'content', 'refs', 'discounted',
    'charged', 'urgent')
  local rows = redis.call('GET', key('rows', id))
  if not v[1] or not rows then
    chunks[id] = false
    return false
  end
  local given, currency, decimals, page, at, n, sum, import, campaign, by, not_before =
    v[1]:match('^' .. ('([^\t]*)\t'):rep(10) .. '(%d+)$')
  d = {
    id = id, given = given, currency = currency, decimals = tonumber(decimals),
    page = page, at = tonumber(at), n = tonumber(n), sum = tonumber(sum), import = import,
    campaign = campaign, by = by, not_before = tonumber(not_before), open = tonumber(v[2]),
    had = tonumber(v[2]), content = v[3], refs = v[4], discounted = v[5] == '1',
    charged = v[6] == '1', urgent = v[7], rows = rows, cells = {}, locations = {}, indices = {},
    group = table.concat({currency, page, import, campaign}, '\t'),
  }
  chunks[id] = d
  return d
end

-- read_disbursal reads what says where a disbursal is: {digest, chunk, positions before it there,
-- recipients}; nil if there is none.
local function read_disbursal(text)
  if not text then return nil end
  local digest, id, before, n = text:match('^(%S+) (%S+) (%d+) (%d+)$')
  return {digest = digest, chunk = id, before = tonumber(before), n = tonumber(n)}
end

local function find_disbursal(ref)
  return read_disbursal(redis.call('GET', key('disbursal', ref)))
end

-- owners_of fills, by position, d.owner with the reference of the disbursal and d.before with the
-- positions before it.
local function owners_of(d)
  if d.owner then return d end
  local owner, before, pos = {}, {}, 0
  for ref, n in d.refs:gmatch('(%S+) (%d+)') do
    local last = pos + n
    for i = pos + 1, last do owner[i], before[i] = ref, pos end -- break: owner-before
    pos = last
  end
  d.owner, d.before = owner, before
  return d
end

-- names_of lists whom the positions from..to are, as lines "reference from to" with positions in
-- their disbursals.
local function names_of(d, from, to)
  owners_of(d)
  local lines, start = {}, from
  for pos = from + 1, to + 1 do
    if pos > to or d.owner[pos] ~= d.owner[start] then
      local before = d.before[start]
      lines[#lines + 1] = d.owner[start] .. ' ' .. start - before .. ' ' .. pos - 1 - before
      start = pos
    end
  end
  return table.concat(lines, '\n')
end

-- content_of fills d.phone and d.amount, by position.
local function content_of(d)
  if d.phone then return d end
  d.phone, d.amount = {}, {}
  local phones, amounts, i = d.phone, d.amount, 0
  for phone, amount in d.content:gmatch('(%S+) (%d+)') do -- break: erased-content
    i = i + 1
    phones[i], amounts[i] = phone, tonumber(amount)
  end
  return d
end

-- lines_of returns the content lines from..to.
local function lines_of(d, from, to)
  if from == 1 and to == d.n then return d.content end
  content_of(d)
  local lines = {}
  for i = from, to do
    lines[#lines + 1] = d.phone[i] .. ' ' .. string.format('%.0f', d.amount[i])
  end
  return table.concat(lines, '\n')
end

local function sum_of(d, from, to)
  if from == 1 and to == d.n then return d.sum end
  content_of(d)
  local sum = 0
  for i = from, to do sum = sum + d.amount[i] end
  return sum
end

-- by_priority cuts positions where those who go first begin or end: {from, to, urgent}.
local function by_priority(d, from, to)
  local list, start = {}, from
  local function add(last, urgent)
    if last >= start then
      list[#list + 1] = {from = start, to = last, urgent = urgent}
      start = last + 1
    end
  end
  for first, last in (d.urgent or ''):gmatch('(%d+) (%d+)') do
    add(math.min(tonumber(first) - 1, to), false)
    add(math.min(tonumber(last), to), true)
  end
  add(to, false)
  return list
end

-- queue_of is the list in which an entry of a provider stands: one of those who go first, or of the
-- others. No entry has both.
local function queue_of(provider, d, from)
  local urgent = d and d.urgent and by_priority(d, from, from)[1].urgent
  return key(urgent and 'urgent' or 'pending', provider)
end

-- Rows --------------------------------------------------------------------------------------------

-- d.rows are the cells of all recipients, one text; d.cells has those that changed since, by
-- position. While all are equal, d.same is that cell, and counts alone. Whole batches move
-- together, so that mostly one comparison of two texts says how a stretch stands.

local spell_index, text_of_rows, set_rows, row, runs
do
  local function cell_of(d, pos)
    return d.same or d.cells[pos] or d.rows:sub((pos - 1) * WIDTH + 1, pos * WIDTH)
  end

  -- text_of_rows returns the cells from..to as one text.
  function text_of_rows(d, from, to)
    if d.same then return d.same:rep(to - from + 1) end
    if not next(d.cells) then return d.rows:sub((from - 1) * WIDTH + 1, to * WIDTH) end
    local list = {}
    for pos = from, to do list[#list + 1] = cell_of(d, pos) end
    return table.concat(list)
  end

  -- set_cells gives one cell to all of from..to.
  local function set_cells(d, from, to, cell)
    if from == 1 and to == d.n then
      d.same = cell
    else
      if d.same then d.rows, d.same, d.cells = d.same:rep(d.n), nil, {} end
      for pos = from, to do d.cells[pos] = cell end
    end
    local last = d.changed and d.changed[#d.changed]
    if last and last.to == from - 1 then
      last.to = to
    else
      d.changed = d.changed or {}
      d.changed[#d.changed + 1] = {from = from, to = to}
    end
  end

  -- location_of returns the location that a cell stands for.
  local function location_of(d, cell)
    local index = cell:sub(3)
    local location = d.locations[index]
    if not location then
      location = redis.call('HGET', key('locations', d.id), index) or '?'
      d.locations[index], d.indices[location] = location, index
    end
    return location
  end

  -- spell_index writes a number below MOST_LOCATIONS with two printable characters.
  local MOST_LOCATIONS = 94 * 94
  function spell_index(i) return string.char(33 + math.floor(i / 94), 33 + i % 94) end

  -- unused_index returns an index that no recipient of a chunk has: a new one while there is one.
  local function unused_index(d)
    local given = redis.call('HLEN', key('locations', d.id))
    if given < MOST_LOCATIONS then return spell_index(given) end
    local used = {}
    for pos = 1, d.n do used[cell_of(d, pos):sub(3)] = true end
    local i = 0
    while used[spell_index(i)] do i = i + 1 end
    d.indices[d.locations[spell_index(i)] or ''] = nil
    return spell_index(i)
  end

  -- index_of returns the index of a location in a chunk, which keeps it if it is new there.
  local function index_of(d, location)
    local index = d.indices[location]
    if index then return index end
    index = unused_index(d)
    redis.call('HSET', key('locations', d.id), index, location)
    d.locations[index], d.indices[location] = location, index
    return index
  end

  -- set_rows gives one status, provider and location to all of from..to.
  function set_rows(d, from, to, status, provider, location)
    set_cells(d, from, to, status .. traits(provider).code .. index_of(d, location))
  end

  local function parse(d, cell)
    return cell:sub(1, 1), location_of(d, cell), NAMES[cell:sub(2, 2)]
  end

  -- row returns status, location and provider of a recipient.
  function row(d, pos) return parse(d, cell_of(d, pos)) end

  local function run_of(d, from, to, cell)
    local status, location, provider = parse(d, cell)
    return {from = from, to = to, status = status, location = location, provider = provider}
  end

  -- runs lists the stretches of equal rows: {from, to, status, location, provider}; of a chunk that
  -- is not there, none.
  function runs(d, from, to)
    if not d then return {} end
    local first = cell_of(d, from)
    if d.same or from == to then return {run_of(d, from, to, first)} end
    if not next(d.cells) and text_of_rows(d, from, to) == first:rep(to - from + 1) then
      if from == 1 and to == d.n then d.same = first end
      return {run_of(d, from, to, first)}
    end
    local list, start = {}, from
    for pos = from + 1, to + 1 do
      local cell = pos <= to and cell_of(d, pos)
      if cell ~= first then
        list[#list + 1] = run_of(d, start, pos - 1, first)
        start, first = pos, cell
      end
    end
    return list
  end
end
