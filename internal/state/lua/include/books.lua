-- books: books: how many recipients and how much money stand where.
-- include: providers, days, figures

local moves = {}

-- move books recipients from one provider and status to another, with their money and discounts.
local function move(d, before, from, after, to, count, sum, units)
  local group = moves[d.group]
  if not group then
    group = {}
    moves[d.group] = group
  end
  local change = before .. ' ' .. from .. ' ' .. after .. ' ' .. to
  local m = group[change]
  if not m then
    m = {0, 0, 0}
    group[change] = m
  end
  m[1], m[2], m[3] = m[1] + count, m[2] + sum, m[3] + units
end

-- books_of lists the books that a group of chunks is kept in. What a campaign got on one day has a
-- book of its own, which outlives what is forgotten: of it statements are made, and where a
-- campaign stands is the sum of its days.
local function books_of(page, import, campaign)
  local list = {key('book'), key('pagebook', page),
    key('daybook', day_of_page(page) .. ':' .. campaign)} -- break: day-book
  if import ~= '' then list[#list + 1] = key('importbook', import) end
  return list
end

local entries = {} -- By book and field.

-- enter books a count, a sum and discounts in each of the books.
local function enter(books, field, count, sum, units)
  for _, book in ipairs(books) do
    local fields = entries[book] or {}
    local entry = fields[field] or {0, 0, 0}
    entries[book] = fields
    fields[field] = {entry[1] + count, entry[2] + sum, entry[3] + (units or 0)}
  end
end

-- flush_entries changes the books. A book is read and written at once: that is one command for all
-- of its fields.
local function flush_entries()
  for book, fields in pairs(entries) do
    local names = {}
    for field, entry in pairs(fields) do
      if entry[1] ~= 0 or entry[2] ~= 0 or entry[3] ~= 0 then names[#names + 1] = field end
    end
    local texts = #names > 0 and redis.call('HMGET', book, unpack(names)) or {}
    for i, field in ipairs(names) do
      local entry, count, minor, units = fields[field], figures_of(texts[i])
      redis.call('HSET', book, field, string.format('%.0f %.0f %.0f', count + entry[1],
        minor + entry[2], units + entry[3]))
    end
  end
  entries = {}
end

local function flush_moves()
  for group, changes in pairs(moves) do
    local currency, page, import, campaign = group:match('^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
    local books = books_of(page, import, campaign)
    local function add(provider, word, count, sum, units)
      enter(books, provider .. ' ' .. currency .. ' ' .. word, count, sum, units)
    end
    for change, m in pairs(changes) do
      local before, from, after, to = change:match('^(%S+) (%S) (%S+) (%S)$')
      add(before, STATUS[from].name, -m[1], -m[2], -m[3])
      add(after, STATUS[to].name, m[1], m[2], m[3])
      if before ~= after then -- break: book-moves
        add(before, 'requested', -m[1], -m[2])
        add(after, 'requested', m[1], m[2])
      end
    end
  end
  flush_entries()
end

at_end(flush_moves)
