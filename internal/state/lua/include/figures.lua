-- figures: what a book says of a status: recipients, money, and discounts.
-- include: keys

-- A book is a HASH: "provider currency status", or "requested" in place of the status, to figures:
-- recipients, minor units, and discounts in ten-thousandths of the currency; with spaces.

-- figures_of reads them; of a field that is not there they are 0.
local function figures_of(text)
  local count, minor, units = (text or '0 0 0'):match('^(%S+) (%S+) (%S+)$')
  return tonumber(count), tonumber(minor), tonumber(units)
end

-- book_of reads a book: by fields {count, minor, units}.
local function book_of(name)
  local book, list = {}, redis.call('HGETALL', name)
  for i = 1, #list, 2 do
    local count, minor, units = figures_of(list[i + 1])
    book[list[i]] = {count = count, minor = minor, units = units}
  end
  return book
end
