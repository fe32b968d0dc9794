-- days: days of the calendar, in the time zone of the settings.
-- include: keys

-- Redis has no time zones, so Go gives the zone of the settings as ZONE: from when on (ms) which
-- offset to UTC (ms) holds, in order; the first one holds before, too. The day of a recipient is
-- decided when it is accepted and kept in the name of its page: another zone moves nobody.

-- offset_of returns the offset to UTC that holds at an instant (ms).
local function offset_of(ms)
  local offset = ZONE[1][2]
  for _, change in ipairs(ZONE) do
    if change[1] > ms then break end
    offset = change[2] -- break: zone-changes
  end
  return offset
end

-- day_of returns the day of an instant, as 2026-11-30.
local function day_of(ms) return rfc3339(ms + offset_of(ms)):sub(1, 10) end

-- day_of_page returns the day of which a page is.
local function day_of_page(page) return page:match('^[^.]*') end
