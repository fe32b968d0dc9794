-- fingerprints: an index by which recipients are found: by phone number, or an id of the producer
-- or a provider.
-- include: keys

-- A page has a fingerprint of each such text in it: two bytes of its SHA-1. The four bits of the
-- hash before these say in which of the page's 16 strings it is. Who looks for a text reads one of
-- these strings of each page, and then the pages whose string has the fingerprint; of the others
-- three in a hundred have it, too. They stay until the whole page is forgotten.
--   fingerprints:<page>:<digit>  STRING  fingerprints, one behind the other

-- add_fingerprint adds that of one text. They are collected by their pages and digits first.
local add_fingerprint
do
  local pages = {}

  function add_fingerprint(page, text)
    local digits, hash = pages[page], redis.sha1hex(text)
    if not digits then
      digits = {}
      pages[page] = digits
    end
    local digit, bytes = hash:byte(1), tonumber(hash:sub(2, 5), 16)
    local list = digits[digit]
    if not list then
      list = {}
      digits[digit] = list
    end
    list[#list + 1] = math.floor(bytes / 256)
    list[#list + 1] = bytes % 256
  end

  at_end(function()
    for page, digits in pairs(pages) do
      for digit, list in pairs(digits) do
        local name = key('fingerprints', page .. ':' .. string.char(digit))
        for first = 1, #list, 2000 do
          redis.call('APPEND', name, string.char(unpack(list, first,
            math.min(first + 1999, #list))))
        end
      end
    end
  end)
end
