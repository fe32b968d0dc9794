-- Sheets ------------------------------------------------------------------------------------------

local sheets = {}

-- sheet reads a sheet; false if there is none under that id.
local function sheet(id)
  local d = sheets[id]
  if d ~= nil then return d end
  local v = redis.call('HMGET', key('sheet', id), 'head', 'rows', 'open', 'content', 'refs')
  if not v[1] then
    sheets[id] = false
    return false
  end
  local given, currency, decimals, page, at, n, sum, import, campaign = v[1]:match(
    '^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
  d = {
    id = id, given = given, currency = currency, decimals = tonumber(decimals),
    page = page, at = tonumber(at), n = tonumber(n), sum = tonumber(sum), import = import,
    campaign = campaign, rows = v[2], open = tonumber(v[3]), content = v[4], refs = v[5],
    group = table.concat({currency, page, import, campaign}, '\t'),
  }
  sheets[id] = d
  return d
end

-- read_disbursal reads what says where a disbursal is: {digest, sheet, positions before it there,
-- recipients}; nil if there is none.
local function read_disbursal(text)
  if not text then return nil end
  local digest, id, before, n = text:match('^(%S+) (%S+) (%d+) (%d+)$')
  return {digest = digest, sheet = id, before = tonumber(before), n = tonumber(n)}
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
    for i = pos + 1, last do owner[i], before[i] = ref, pos end
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

-- evidence_of returns the evidence lines of a sheet, by position; '' where there is none.
local function evidence_of(d)
  if d.evidence then return d.evidence end
  d.evidence = {}
  local text = redis.call('HGET', key('sheet', d.id), 'evidence')
  if text then
    for line in (text .. '\n'):gmatch('([^\n]*)\n') do d.evidence[#d.evidence + 1] = line end
  end
  for i = #d.evidence + 1, d.n do d.evidence[i] = '' end
  return d.evidence
end

local function write_evidence(d, pos, reason, reference, message)
  if reason == 'provider' then reason = '.' end
  d.since = d.since or string.format('%.0f', now - d.at)
  evidence_of(d)[pos] = d.since .. '\t' .. reason .. '\t' .. reference .. '\t' .. message
  d.told = true
end

-- reference_of is the id by which a provider knows a recipient; '' while we know none.
local function reference_of(d, pos)
  return evidence_of(d)[pos]:match('^[^\t]*\t[^\t]*\t([^\t]*)') or ''
end

-- words_of is what a provider said about a recipient last.
local function words_of(d, pos)
  return evidence_of(d)[pos]:match('^[^\t]*\t[^\t]*\t[^\t]*\t(.*)$') or ''
end

-- history_of returns the history of a sheet, line by line, and fills d.been with "position
-- provider" of them.
local function history_of(d)
  if d.history then return d.history end
  d.history, d.been = {}, {}
  local text = redis.call('HGET', key('sheet', d.id), 'history')
  for line in (text or ''):gmatch('[^\n]*\n') do
    d.history[#d.history + 1] = line
    local pos, provider = line:match('^(%d+)\t%d+\t([^\t]*)')
    d.been[pos .. ' ' .. provider] = true
  end
  return d.history
end

-- remember_refusal keeps that a provider refused a recipient which goes to another now.
local function remember_refusal(d, pos, provider, id, reason, message)
  local history = history_of(d)
  history[#history + 1] = table.concat({pos, now_text, provider, id, reason, message}, '\t')
    .. '\n'
  d.been[pos .. ' ' .. provider] = true
  d.recalled = true
end

-- was_at says whether a provider refused a recipient before, or was passed over: nobody returns,
-- whatever rules other processes have.
local function was_at(d, pos, provider)
  history_of(d)
  return d.been[pos .. ' ' .. provider] or false
end

local function explode(d)
  if d.cells then return end
  d.cells = {}
  for i = 1, d.n do d.cells[i] = d.rows:sub((i - 1) * WIDTH + 1, i * WIDTH) end
end

local function cell_of(d, pos)
  return d.cells and d.cells[pos] or d.rows:sub((pos - 1) * WIDTH + 1, pos * WIDTH)
end

-- row returns status, place and provider of a recipient.
local function row(d, pos)
  local cell = cell_of(d, pos)
  return cell:sub(1, 1), cell:sub(3), NAMES[cell:sub(2, 2)]
end

local function run_of(from, to, cell)
  return {from, to, cell:sub(1, 1), cell:sub(3), NAMES[cell:sub(2, 2)]}
end

-- runs lists the stretches of equal rows: {from, to, status, place, provider}; of a sheet that is
-- not there, none. Whole batches move together, so that mostly there is one, found by one
-- comparison.
local function runs(d, from, to)
  if not d then return {} end
  if from == to then return {run_of(from, to, cell_of(d, from))} end
  local list = {}
  if not d.cells then
    local first = cell_of(d, from)
    local segment = d.rows
    if from ~= 1 or to ~= d.n then segment = segment:sub((from - 1) * WIDTH + 1, to * WIDTH) end
    if segment == first:rep(to - from + 1) then
      list[1] = run_of(from, to, first)
      return list
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
