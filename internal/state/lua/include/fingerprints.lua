-- fingerprints: an index by which recipients are found: by phone number, or an id of the producer
-- or a provider.
-- include: keys

-- A page has a fingerprint of each such text in it: two bytes of its SHA-1. The four bits of the
-- hash before these say in which of the page's 16 strings it is. Who looks for a text reads one of
-- these strings of each page, and then the pages whose string has the fingerprint; of the others
-- three in a hundred have it, too. They stay until the whole page is forgotten.
--   fingerprints:<page>:<digit>  STRING  fingerprints, one behind the other

-- add_fingerprint adds that of one text.
local function add_fingerprint(page, text)
  local hash = redis.sha1hex(text)
  local bytes = tonumber(hash:sub(2, 5), 16)
  redis.call('APPEND', key('fingerprints', page .. ':' .. hash:sub(1, 1)),
    string.char(math.floor(bytes / 256), bytes % 256))
end
