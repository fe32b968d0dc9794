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
  for group, changes in pairs(moves) do
    local currency, page, import, campaign = group:match('^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$')
    local books, deltas = books_of(page, import, campaign), {}
    local function add(provider, word, count, sum)
      local field = provider .. ' ' .. currency .. ' ' .. word
      local delta = deltas[field] or {0, 0}
      deltas[field] = {delta[1] + count, delta[2] + sum}
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
    for field, delta in pairs(deltas) do enter(books, field, delta[1], delta[2]) end
  end
end
