-- duplicates: an index of payments, by which one is found that was made before.
-- include: chunks

-- A payment is an amount to a phone number. Go spells a print of it, PRINT characters: four that
-- choose a hash, and the field in it. Prints are kept by stretches of 31 days, the longest time
-- that a guard looks back, while any guard does.
--   payments:<31 days>:<four>  HASH  field -> lines "chunk position"
local note_payment, paid_before, prints_from
do
  local PRINT, STRETCH = 9, 31 * 86400000
  local just_now = {}

  -- prints_from puts prints that begin at a position where they are among those of all.
  function prints_from(pos, prints)
    return prints == '' and '' or ('.'):rep(PRINT * (pos - 1)) .. prints
  end

  -- place returns the key and the field of the payment of a recipient.
  local function place(ms, prints, pos)
    local first = (pos - 1) * PRINT
    return key('payments', math.floor(ms / STRETCH) .. ':' .. prints:sub(first + 1, first + 4)),
      prints:sub(first + 5, first + PRINT)
  end

  -- note_payment keeps that a recipient is paid this. Before it has a chunk, in this script only.
  function note_payment(d, pos, prints)
    if not d.id then
      just_now[prints:sub((pos - 1) * PRINT + 1, pos * PRINT)] = true
      return
    end
    local name, field = place(d.at, prints, pos)
    local lines = redis.call('HGET', name, field) or ''
    redis.call('HSET', name, field, lines .. d.id .. ' ' .. pos .. '\n')
    redis.call('PEXPIRE', name, 2 * STRETCH)
  end

  -- first says whether one payment was accepted before the other.
  local function first(other, at, d, pos)
    if other.id == d.id then return at < pos end
    return other.at <= d.at
  end

  -- paid_before says whether a recipient that was accepted before, and not longer ago than within
  -- (ms), is or may be paid the same.
  function paid_before(d, pos, prints, within)
    if just_now[prints:sub((pos - 1) * PRINT + 1, pos * PRINT)] then return true end
    for ago = 0, STRETCH, STRETCH do
      local name, field = place(now - ago, prints, pos)
      local lines = redis.call('HGET', name, field) or ''
      for id, at in lines:gmatch('(%S+) (%d+)\n') do
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
