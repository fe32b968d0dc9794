-- Books -------------------------------------------------------------------------------------------

local moves = {}

local function move(d, from, to, count, sum)
  local group = moves[d.group]
  if not group then
    group = {}
    moves[d.group] = group
  end
  local m = group[from .. to]
  if not m then
    m = {0, 0}
    group[from .. to] = m
  end
  m[1], m[2] = m[1] + count, m[2] + sum
end

-- books_of lists the books that a group of disbursals is kept in.
local function books_of(page, import, campaign)
  local list = {key('book'), key('pagebook', page)}
  if import ~= '' then list[#list + 1] = key('importbook', import) end
  if campaign ~= '' then list[#list + 1] = key('campaignbook', campaign) end
  return list
end

local function enter(books, field, count, sum)
  for _, book in ipairs(books) do
    if count ~= 0 then redis.call('HINCRBY', book, field, count) end
    if sum ~= 0 then redis.call('HINCRBY', book, field .. ' minor', sum) end
  end
end

local function flush_moves()
  for group, pairs_moved in pairs(moves) do
    local provider, currency, page, import, campaign =
      group:match('^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
    local books, deltas = books_of(page, import, campaign), {}
    for pair, m in pairs(pairs_moved) do
      local from, to = pair:sub(1, 1), pair:sub(2, 2)
      deltas[from] = deltas[from] or {0, 0}
      deltas[to] = deltas[to] or {0, 0}
      deltas[from][1], deltas[from][2] = deltas[from][1] - m[1], deltas[from][2] - m[2]
      deltas[to][1], deltas[to][2] = deltas[to][1] + m[1], deltas[to][2] + m[2]
    end
    for code, delta in pairs(deltas) do
      enter(books, provider .. ' ' .. currency .. ' ' .. STATUS[code].name, delta[1], delta[2])
    end
  end
end
