-- cancelled: cancel marks, and withdrawing those who carry one.
-- include: moves

local any_marks

-- marked says whether a disbursal carries a cancel mark: its own, its import's or its campaign's.
local function marked(ref, import, campaign)
  if any_marks == nil then any_marks = redis.call('EXISTS', key('cancelled')) == 1 end
  if not any_marks then return false end
  local marks = redis.call('HMGET', key('cancelled'), 'disbursal ' .. ref, 'import ' .. import,
    'campaign ' .. campaign)
  return marks[1] and true -- break: mark-reference
    or (import ~= '' and marks[2] and true)
    or (campaign ~= '' and marks[3] and true) -- break: mark-campaign
    or false
end

-- cancelled says the same of a recipient's.
local function cancelled(d, pos) -- break: cancelled
  if any_marks == false then return false end
  owners_of(d)
  local ref = d.owner[pos] -- break: mark-owner
  d.marks = d.marks or {}
  if d.marks[ref] == nil then d.marks[ref] = marked(ref, d.import, d.campaign) end
  return d.marks[ref]
end

-- by_mark cuts positions where cancelled recipients begin or end: {from, to, cancelled}.
local function by_mark(d, from, to)
  local list, start, mark = {}, from, cancelled(d, from)
  for pos = from + 1, any_marks and to or from do -- break: mark-each
    if cancelled(d, pos) ~= mark then
      list[#list + 1] = {from = start, to = pos - 1, cancelled = mark}
      start, mark = pos, not mark
    end
  end
  list[#list + 1] = {from = start, to = to, cancelled = mark}
  return list
end

local function cancel_run(d, from, to)
  for pos = from, to do
    local _, left, provider = row(d, pos)
    local location = is_batch(left) and '+' .. traits(provider).code .. '0'
    settle(d, pos, 'c', location or left, 'cancelled', '', '')
  end
end
