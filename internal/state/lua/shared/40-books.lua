-- Books -------------------------------------------------------------------------------------------

local moves = {}

-- move books recipients from one provider and status to another.
local function move(d, before, from, after, to, count, sum)
  local group = moves[d.group]
  if not group then
    group = {}
    moves[d.group] = group
  end
  local change = before .. ' ' .. from .. ' ' .. after .. ' ' .. to
  local m = group[change]
  if not m then
    m = {0, 0}
    group[change] = m
  end
  m[1], m[2] = m[1] + count, m[2] + sum
end

-- books_of lists the books that a group of sheets is kept in.
local function books_of(page, import, campaign)
  local list = {key('book'), key('pagebook', page)}
  if import ~= '' then list[#list + 1] = key('importbook', import) end
  if campaign ~= '' then list[#list + 1] = key('campaignbook', campaign) end
  return list
end

local entries = {} -- By book and field.

-- enter books a count and a sum in each of the books.
local function enter(books, field, count, sum)
  for _, book in ipairs(books) do
    local fields = entries[book] or {}
    local entry = fields[field] or {0, 0}
    entries[book], fields[field] = fields, {entry[1] + count, entry[2] + sum}
  end
end

-- flush_entries changes the books. A book is read and written at once: that is one command for all
-- of its figures.
local function flush_entries()
  for book, fields in pairs(entries) do
    local names, steps = {}, {}
    for field, entry in pairs(fields) do
      if entry[1] ~= 0 then
        names[#names + 1], steps[#steps + 1] = field, entry[1]
      end
      if entry[2] ~= 0 then
        names[#names + 1], steps[#steps + 1] = field .. ' minor', entry[2]
      end
    end
    local figures = #names > 0 and redis.call('HMGET', book, unpack(names)) or {}
    for i, figure in ipairs(figures) do
      redis.call('HSET', book, names[i], string.format('%.0f', (figure or 0) + steps[i]))
    end
  end
  entries = {}
end

local function flush_moves()
  for group, changes in pairs(moves) do
    local currency, page, import, campaign = group:match('^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
    local books = books_of(page, import, campaign)
    local function add(provider, word, count, sum)
      enter(books, provider .. ' ' .. currency .. ' ' .. word, count, sum)
    end
    for change, m in pairs(changes) do
      local before, from, after, to = change:match('^(%S+) (%S) (%S+) (%S)$')
      add(before, STATUS[from].name, -m[1], -m[2])
      add(after, STATUS[to].name, m[1], m[2])
      if before ~= after then
        add(before, 'requested', -m[1], -m[2])
        add(after, 'requested', m[1], m[2])
      end
    end
  end
  flush_entries()
end
