-- Disbursals --------------------------------------------------------------------------------------

local disbursals = {}

local function disbursal(ref)
  local d = disbursals[ref]
  if d ~= nil then return d end
  local v = redis.call('HMGET', key('disbursal', ref), 'head', 'rows', 'open', 'content')
  if not v[1] then
    disbursals[ref] = false
    return false
  end
  local given, currency, decimals, page, at, n, sum, import, campaign = v[1]:match(
    '^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
  d = {
    ref = ref, given = given, currency = currency, decimals = tonumber(decimals),
    page = page, at = tonumber(at), n = tonumber(n), sum = tonumber(sum), import = import,
    campaign = campaign, rows = v[2], open = tonumber(v[3]), content = v[4],
    group = table.concat({currency, page, import, campaign}, '\t'),
  }
  disbursals[ref] = d
  return d
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

-- evidence_of returns the evidence lines of a disbursal, by position; '' where there is none.
local function evidence_of(d)
  if d.evidence then return d.evidence end
  d.evidence = {}
  local text = redis.call('HGET', key('disbursal', d.ref), 'evidence')
  if text then
    for line in (text .. '\n'):gmatch('([^\n]*)\n') do d.evidence[#d.evidence + 1] = line end
  end
  for i = #d.evidence + 1, d.n do d.evidence[i] = '' end
  return d.evidence
end

local function write_evidence(d, pos, reason, reference, message)
  evidence_of(d)[pos] = now_text .. '\t' .. reason .. '\t' .. reference .. '\t' .. message
  d.told = true
end

-- history_of returns the history of a disbursal, line by line, and fills d.been with "position
-- provider" of them.
local function history_of(d)
  if d.history then return d.history end
  d.history, d.been = {}, {}
  local text = redis.call('HGET', key('disbursal', d.ref), 'history')
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

-- row returns status, place and provider of a recipient.
local function row(d, pos)
  local cell = d.cells and d.cells[pos] or d.rows:sub((pos - 1) * WIDTH + 1, pos * WIDTH)
  return cell:sub(1, 1), cell:sub(3), NAMES[cell:sub(2, 2)]
end

local function run_of(from, to, cell)
  return {from, to, cell:sub(1, 1), cell:sub(3), NAMES[cell:sub(2, 2)]}
end

-- runs lists the stretches of equal rows: {from, to, status, place, provider}. Whole batches move
-- together, so that mostly there is one, found by one comparison.
local function runs(d, from, to)
  if from == to then
    local cell = d.cells and d.cells[from] or d.rows:sub((from - 1) * WIDTH + 1, from * WIDTH)
    return {run_of(from, to, cell)}
  end
  local list = {}
  if not d.cells then
    local first = d.rows:sub((from - 1) * WIDTH + 1, from * WIDTH)
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
