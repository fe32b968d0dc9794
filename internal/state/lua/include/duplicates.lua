-- duplicates: an index of payments, by which one is found that was made before.
-- include: chunks

-- A payment is an amount to a phone number. Go spells a print of it, PRINT characters, of which the
-- first chooses one of 64 hashes, so that many are read and written at once. Prints are kept by
-- stretches of 31 days, the longest time that a guard looks back, while any guard does.
--   payments:<31 days>:<character>  HASH  print -> lines "chunk position"
local look_up_payments, note_payments, note_soon, unnote_soon, paid_before, prints_from
do
  local PRINT, STRETCH = 8, 31 * 86400000
  local known, names = {}, {} -- By stretch: lines by print, and keys by first character.
  local soon = {} -- Of new recipients: the first that has a print, counted from d.sequence on.
  local longest = 0
  for _, guard in ipairs(GUARD_LIST) do longest = math.max(longest, guard.within or 0) end

  local function stretch_of(ms) return math.floor(ms / STRETCH) end
  local function print_at(prints, pos) return prints:sub((pos - 1) * PRINT + 1, pos * PRINT) end
  local function name_of(stretch, print)
    local of, character = names[stretch], print:sub(1, 1)
    if not of[character] then of[character] = key('payments', stretch .. ':' .. character) end
    return of[character]
  end

  -- prints_from puts prints that begin at a position where they are among those of all.
  function prints_from(pos, prints)
    return prints == '' and '' or ('.'):rep(PRINT * (pos - 1)) .. prints
  end

  -- look_up_payments reads who was paid before what these prints stand for.
  function look_up_payments(prints)
    for stretch = stretch_of(now - longest), stretch_of(now) do
      known[stretch], names[stretch] = known[stretch] or {}, names[stretch] or {}
      local lines, asked = known[stretch], {}
      for pos = 1, #prints / PRINT do
        local print = print_at(prints, pos)
        if lines[print] == nil then
          local name = name_of(stretch, print)
          asked[name] = asked[name] or {}
          table.insert(asked[name], print)
          lines[print] = false
        end
      end
      for name, list in pairs(asked) do
        for i, text in ipairs(redis.call('HMGET', name, unpack(list))) do lines[list[i]] = text end
      end
    end
  end

  -- note_payments keeps that the recipients of a new chunk are paid this.
  function note_payments(d, prints)
    local stretch = stretch_of(d.at)
    local lines, written = known[stretch], {}
    for pos = 1, #prints / PRINT do
      local print = print_at(prints, pos)
      local name = name_of(stretch, print)
      written[name] = true
      lines[print] = (lines[print] or '') .. d.id .. ' ' .. pos .. '\n'
      redis.call('HSET', name, print, lines[print])
    end
    for name in pairs(written) do redis.call('PEXPIRE', name, 2 * STRETCH) end
  end

  -- note_soon keeps the same for the rest of the script of those who will be a part of a chunk, and
  -- unnote_soon takes it back.
  function note_soon(d, prints)
    for pos = 1, #prints / PRINT do
      local print = print_at(prints, pos)
      soon[print] = soon[print] or d.sequence + pos
    end
  end

  function unnote_soon(d)
    for print, at in pairs(soon) do
      if at > d.sequence then soon[print] = nil end
    end
  end

  -- first says whether one payment was accepted before the other.
  local function first(other, at, d, pos)
    if other.id == d.id then return at < pos end
    return other.at <= d.at
  end

  -- paid_before says whether a recipient that was accepted before, and not longer ago than within
  -- (ms), is or may be paid the same. It was looked up.
  function paid_before(d, pos, prints, within)
    local print = print_at(prints, pos)
    local before = soon[print]
    if before and before < d.sequence + pos then return true end
    for stretch = stretch_of(now - within), stretch_of(now) do
      for id, at in (known[stretch][print] or ''):gmatch('(%S+) (%d+)\n') do
        local other = chunk(id)
        at = tonumber(at)
        if other and now - other.at < within -- break: duplicate-within
          and first(other, at, d, pos)
          and not row(other, at):find('[xcf]') then -- break: duplicate-ended
          return true
        end
      end
    end
    return false
  end
end
