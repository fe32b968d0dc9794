-- Chunks ------------------------------------------------------------------------------------------

local chunks = {}

-- chunk reads a chunk; false if there is none under that id.
local function chunk(id)
  local d = chunks[id]
  if d ~= nil then return d end
  local v = redis.call('HMGET', key('chunk', id), 'head', 'open', 'content', 'refs', 'discounted')
  if not v[1] or redis.call('EXISTS', key('rows', id)) == 0 then
    chunks[id] = false
    return false
  end
  local given, currency, decimals, page, at, n, sum, import, campaign = v[1]:match(
    '^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
  d = {
    id = id, given = given, currency = currency, decimals = tonumber(decimals),
    page = page, at = tonumber(at), n = tonumber(n), sum = tonumber(sum), import = import,
    campaign = campaign, open = tonumber(v[2]), had = tonumber(v[2]), content = v[3],
    refs = v[4], discounted = v[5] == '1',
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
  for phone, amount in d.content:gmatch('(%d+) (%d+)') do
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

-- Evidence that comes for many is one field; what comes for one is a field of its own, so that it
-- is not written together with everybody else's. d.news holds the lines that are new, by position.

local all_evidence, evidence_of
do
  -- common_text reads the lines that are together; nil if none are.
  local function common_text(d)
    if d.together then return d.text end
    d.text = redis.call('HGET', key('chunk', d.id), 'evidence') or nil
    d.together = d.text and 1 or 0
    return d.text
  end

  -- common_evidence returns the lines that are together.
  local function common_evidence(d)
    if d.common then return d.common end
    d.common = {}
    local text = common_text(d)
    if text then
      for line in (text .. '\n'):gmatch('([^\n]*)\n') do d.common[#d.common + 1] = line end
    end
    for i = #d.common + 1, d.n do d.common[i] = '' end
    return d.common
  end

  -- common_line returns one of them. The first time it only looks for that line: a callback needs
  -- no other.
  local function common_line(d, pos)
    local text = not d.common and not d.looked and common_text(d)
    if not text then return common_evidence(d)[pos] end
    d.looked = true
    local start = 1
    for _ = 2, pos do
      local last = text:find('\n', start, true)
      if not last then return '' end
      start = last + 1
    end
    return text:sub(start, (text:find('\n', start, true) or #text + 1) - 1)
  end

  -- all_evidence returns the lines of all, by position; '' where there is none.
  function all_evidence(d)
    if d.lines then return d.lines end
    d.lines = common_evidence(d)
    -- Beside head, refs, content, open and evidence, if it is there.
    local more = redis.call('HLEN', key('chunk', d.id)) > 4 + d.together
    local fields = more and redis.call('HGETALL', key('chunk', d.id)) or {}
    d.alone = {}
    for i = 1, #fields, 2 do
      local pos = tonumber(fields[i])
      if pos then
        d.lines[pos] = fields[i + 1]
        d.alone[#d.alone + 1] = fields[i]
      end
    end
    for pos, line in pairs(d.news or {}) do d.lines[pos] = line end
    return d.lines
  end

  -- evidence_of returns the line of one recipient.
  function evidence_of(d, pos)
    if d.news and d.news[pos] then return d.news[pos] end
    if d.lines then return d.lines[pos] end
    return redis.call('HGET', key('chunk', d.id), pos) or common_line(d, pos)
  end
end

-- discount_of returns the discount that a provider gave on a recipient, as it is spelt; '' where it
-- gave none.
local function discount_of(d, pos)
  if not d.discounted then return '' end
  return evidence_of(d, pos):match('([^\t]*)$')
end

-- units_of returns a discount in ten-thousandths of the currency: providers give four decimals.
local function units_of(discount)
  return discount == '' and 0 or math.floor(tonumber(discount) * 10000 + 0.5)
end

-- units_in sums the discounts of the recipients from..to.
local function units_in(d, from, to)
  local sum = 0
  for pos = from, d.discounted and to or 0 do sum = sum + units_of(discount_of(d, pos)) end
  return sum
end

-- write_line sets the line of evidence of one recipient.
local function write_line(d, pos, line)
  if not d.news then d.news, d.newer = {}, 0 end
  if not d.news[pos] then d.newer = d.newer + 1 end
  d.news[pos] = line
  if d.lines then d.lines[pos] = line end
end

local function write_evidence(d, pos, reason, reference, message)
  if reason == 'provider' then reason = '.' end
  d.since = d.since or string.format('%.0f', now - d.at)
  write_line(d, pos, d.since .. '\t' .. reason .. '\t' .. reference .. '\t' .. message .. '\t'
    .. discount_of(d, pos))
end

-- reference_of is the id by which a provider knows a recipient; '' while we know none.
local function reference_of(d, pos)
  return evidence_of(d, pos):match('^[^\t]*\t[^\t]*\t([^\t]*)') or ''
end

-- spell_discount sets the discount in the evidence of a recipient.
local function spell_discount(d, pos, discount)
  local line = evidence_of(d, pos)
  d.newly_discounted = d.newly_discounted or not d.discounted
  d.discounted = true
  write_line(d, pos, (line == '' and '\t\t\t\t' or line):match('^(.*\t)') .. discount)
end

-- history_of returns the lines that are new of the history of a chunk, and fills d.been with
-- "position provider" of all.
local function history_of(d)
  if d.history then return d.history end
  d.history, d.been = {}, {}
  for _, line in ipairs(redis.call('LRANGE', key('history', d.id), 0, -1)) do
    local pos, provider = line:match('^(%d+)\t%d+\t([^\t]*)')
    d.been[pos .. ' ' .. provider] = true
  end
  return d.history
end

-- remember_refusal keeps that a provider refused a recipient which goes to another now.
local function remember_refusal(d, pos, provider, id, reason, message)
  local history = history_of(d)
  history[#history + 1] = table.concat({pos, now_text, provider, id, reason, message}, '\t')
  d.been[pos .. ' ' .. provider] = true
end

-- was_at says whether a provider refused a recipient before, or was passed over: nobody returns,
-- whatever rules other processes have.
local function was_at(d, pos, provider)
  history_of(d)
  return d.been[pos .. ' ' .. provider] or false
end

-- The rows d.first..d.last, which a script has read and changed, are d.rows, one text, or else
-- d.cells, by position. Whole batches move together, so that mostly they are all d.same, which
-- takes one comparison to know: making texts of this length is what costs.

local function text_of_rows(d, from, to)
  if d.cells then return table.concat(d.cells, '', from, to) end
  if from == d.first and to == d.last then return d.rows end
  return d.rows:sub((from - d.first) * WIDTH + 1, (to - d.first + 1) * WIDTH)
end

-- load_rows reads the rows from..to, and all of them when others are there already.
local function load_rows(d, from, to)
  if d.first and d.first <= from and d.last >= to then return end
  local seen, first, last = d.first and text_of_rows(d, d.first, d.last), d.first, d.last
  if seen then from, to = 1, d.n end
  local text = redis.call('GETRANGE', key('rows', d.id), (from - 1) * WIDTH, to * WIDTH - 1)
  if seen then
    text = text:sub(1, (first - 1) * WIDTH) .. seen .. text:sub(last * WIDTH + 1)
  end
  d.rows, d.first, d.last, d.cells, d.same = text, from, to, nil, nil
end

local function explode(d)
  if d.cells then return end
  local cells = {}
  for i = d.first, d.last do cells[i] = d.same or text_of_rows(d, i, i) end
  d.cells, d.rows, d.same = cells, nil, nil
end

local function cell_of(d, pos)
  load_rows(d, pos, pos)
  return d.same or d.cells and d.cells[pos] or text_of_rows(d, pos, pos)
end

-- set_rows gives one row to all of from..to. A stretch that changed is {from, to, whether it is one
-- who stays at a place}.
local function set_rows(d, from, to, cell)
  load_rows(d, from, to)
  local count, was = to - from + 1, cell_of(d, from):sub(3)
  if from == d.first and to == d.last then
    d.rows, d.cells, d.same = cell:rep(count), nil, cell
  elseif d.cells or count < (d.last - d.first + 1) / 8 then
    explode(d)
    for i = from, to do d.cells[i] = cell end
  else
    d.rows = text_of_rows(d, d.first, from - 1) .. cell:rep(count)
      .. text_of_rows(d, to + 1, d.last)
    d.same = nil
  end
  local last = d.changed and d.changed[#d.changed]
  if last and last[2] == from - 1 then
    last[2], last[3] = to, nil
  else
    d.changed = d.changed or {}
    d.changed[#d.changed + 1] = {from, to, count == 1 and was == cell:sub(3)}
  end
end

-- row returns status, place and provider of a recipient.
local function row(d, pos)
  local cell = cell_of(d, pos)
  return cell:sub(1, 1), cell:sub(3), NAMES[cell:sub(2, 2)]
end

local function run_of(from, to, cell)
  return {from, to, cell:sub(1, 1), cell:sub(3), NAMES[cell:sub(2, 2)]}
end

-- runs lists the stretches of equal rows: {from, to, status, place, provider}; of a chunk that is
-- not there, none. Whole batches move together, so that mostly there is one, found by one
-- comparison.
local function runs(d, from, to)
  if not d then return {} end
  load_rows(d, from, to)
  if d.same or from == to then return {run_of(from, to, cell_of(d, from))} end
  local list = {}
  if not d.cells then
    local first = cell_of(d, from)
    if text_of_rows(d, from, to) == first:rep(to - from + 1) then
      if from == d.first and to == d.last then d.same = first end
      return {run_of(from, to, first)}
    end
    explode(d)
  end
  local start, cells = from, d.cells
  for i = from + 1, to + 1 do
    if i > to or cells[i] ~= cells[start] then
      list[#list + 1] = run_of(start, i - 1, cells[start])
      start = i
    end
  end
  return list
end
