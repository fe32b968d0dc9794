-- fingerprints: an index by which recipients are found: by phone number, or an id of the producer
-- or a provider.
-- include: keys

-- A page has a fingerprint of each such text in it: two bytes of its SHA-1. The four bits of the
-- hash before these say in which of the page's 16 strings it is. Who looks for a text reads one of
-- these strings of each page, and then the pages whose string has the fingerprint; of the others
-- three in a hundred have it, too. They stay until the whole page is forgotten.
--   fingerprints:<page>:<digit>  STRING  fingerprints, one behind the other
-- To hash takes a tenth of the time that a recipient takes Redis. So Go hands over those of texts
-- that come for many: per string its digit, how many, ':', the fingerprints.

-- add_fingerprint adds that of one text, add_fingerprints those that Go hands over.
local add_fingerprint, add_fingerprints
do
  local pages = {} -- Lists of fingerprints by pages and digits.

  local function add(page, digit, fingerprints)
    local digits = pages[page] or {}
    local list = digits[digit] or {}
    pages[page], digits[digit] = digits, list
    list[#list + 1] = fingerprints
  end

  function add_fingerprint(page, text)
    local hash = redis.sha1hex(text)
    local bytes = tonumber(hash:sub(2, 5), 16)
    add(page, hash:sub(1, 1), string.char(math.floor(bytes / 256), bytes % 256))
  end

  function add_fingerprints(page, text)
    local at, width = 1, 2
    while at <= #text do
      local digit, n, first = text:match('^(%x)(%d+):()', at)
      at = first + width * n
      add(page, digit, text:sub(first, at - 1))
    end
  end

  at_end(function()
    for page, digits in pairs(pages) do
      for digit, list in pairs(digits) do
        redis.call('APPEND', key('fingerprints', page .. ':' .. digit), table.concat(list))
      end
    end
  end)
end
