-- duplicates: an index of payments, by which one is found that was made before.
-- include: chunks

-- A payment is an amount to a phone number. Go spells a print of it, PRINT characters, of which the
-- first chooses one of 64 hashes, so that many are read and written at once. Prints are kept by
-- stretches of 31 days, the longest time that a guard looks back, while any guard does.
--   payments:<31 days>:<character>  HASH  print -> lines "chunk position"
-- Scripts have them as lists, by position.
local split_prints, look_up_payments, note_payments, note_soon, unnote_soon, paid_before
do
  local PRINT, STRETCH = 8, 31 * 86400000
  local known, names = {}, {} -- By stretch: lines by print, and keys by first character.
  local soon = {} -- Of new recipients: the first that has a print, counted from d.sequence on.
  local longest = 0
  for _, guard in ipairs(GUARD_LIST) do longest = math.max(longest, guard.within or 0) end

  local function stretch_of(ms) return math.floor(ms / STRETCH) end
  local function name_of(stretch, print)
    local of, byte = names[stretch], print:byte(1)
    if not of[byte] then of[byte] = key('payments', stretch .. ':' .. print:sub(1, 1)) end
    return of[byte]
  end

  -- split_prints lists the prints of a text, which begins at a position.
  function split_prints(text, from)
    local list, pos = {}, from
    for at = 1, #text, PRINT do
      list[pos], pos = text:sub(at, at + PRINT - 1), pos + 1
    end
    return list
  end

  -- look_up_payments reads who was paid before what these prints stand for.
  function look_up_payments(prints)
    for stretch = stretch_of(now - longest), stretch_of(now) do
      known[stretch], names[stretch] = known[stretch] or {}, names[stretch] or {}
      local lines, asked = known[stretch], {}
      for _, print in pairs(prints) do
        if lines[print] == nil then
          local name = name_of(stretch, print)
          asked[name] = asked[name] or {}
          table.insert(asked[name], print)
          lines[print] = false
        end
      end
      for name, fields in pairs(asked) do
        for i, found in ipairs(redis.call('HMGET', name, unpack(fields))) do
          lines[fields[i]] = found
        end
      end
    end
  end

  -- note_payments keeps that the recipients of a new chunk are paid this.
  function note_payments(d, prints)
    local stretch = stretch_of(d.at)
    local lines, sets, begin = known[stretch], {}, d.id .. ' '
    for pos, print in ipairs(prints) do
      local name = name_of(stretch, print)
      local line = begin .. pos .. '\n'
      lines[print] = lines[print] and lines[print] .. line or line
      local set = sets[name]
      if not set then
        set = {}
        sets[name] = set
      end
      set[#set + 1], set[#set + 2] = print, lines[print]
    end
    for name, set in pairs(sets) do
      redis.call('HSET', name, unpack(set))
      redis.call('PEXPIRE', name, 2 * STRETCH)
    end
  end

  -- note_soon keeps the same for the rest of the script of those who will be a part of a chunk, and
  -- unnote_soon takes it back.
  function note_soon(d, prints)
    for pos, print in ipairs(prints) do soon[print] = soon[print] or d.sequence + pos end
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

  local function made_before(lines, d, pos, within)
    for id, at in lines:gmatch('(%S+) (%d+)\n') do
      local other = chunk(id)
      at = tonumber(at)
      if other and now - other.at < within -- break: duplicate-within
        and first(other, at, d, pos)
        and not row(other, at):find('[xcf]') then -- break: duplicate-ended
        return true
      end
    end
    return false
  end

  -- paid_before says whether a recipient that was accepted before, and not longer ago than within
  -- (ms), is or may be paid the same. It was looked up.
  function paid_before(d, pos, prints, within)
    local print = prints[pos]
    local before = soon[print]
    if before and before < d.sequence + pos then return true end
    for stretch = stretch_of(now - within), stretch_of(now) do
      local lines = known[stretch][print]
      if lines and made_before(lines, d, pos, within) then return true end
    end
    return false
  end
end
