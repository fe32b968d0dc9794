-- blocked: entries that wait because their phone number is in doubt at the provider.
-- include: chunks

-- block lays an entry of one recipient aside for as long as the number is in doubt at the provider:
-- HASH blocked:<provider> has number -> n, and "number i" -> its i-th entry for i = 1..n; ZSET
-- blockedsince:<provider> has the same entries by when their recipients were accepted (ms).
local function block(provider, phone, entry, accepted)
  local blocked = key('blocked', provider)
  local n = redis.call('HINCRBY', blocked, phone, 1)
  redis.call('HSET', blocked, phone .. ' ' .. n, entry)
  redis.call('ZADD', key('blockedsince', provider), accepted, entry)
end

local mark_doubt
do
  -- unblock puts the entries of a number behind the pending ones, of which the next sweep tells the
  -- workers: at the head they could keep Claim from everybody else.
  local function unblock(provider, phone)
    local blocked = key('blocked', provider)
    local n = tonumber(redis.call('HGET', blocked, phone) or 0)
    for i = 1, n do
      local field = phone .. ' ' .. i
      local entry = redis.call('HGET', blocked, field)
      local id, from = entry:match('^(%S+) (%d+)')
      local queue = queue_of(provider, chunk(id), tonumber(from))
      redis.call('RPUSH', queue, entry) -- break: blocked-back
      redis.call('HDEL', blocked, field)
      redis.call('ZREM', key('blockedsince', provider), entry)
    end
    if n > 0 then redis.call('HDEL', blocked, phone) end
  end

  -- mark_doubt counts in how many batches numbers are in doubt at a provider.
  function mark_doubt(d, provider, from, to, step)
    content_of(d)
    local phones = key('doubtphones', provider)
    local any = step < 0 and redis.call('EXISTS', key('blocked', provider)) == 1
    for i = from, to do
      if redis.call('HINCRBY', phones, d.phone[i], step) <= 0 then
        redis.call('HDEL', phones, d.phone[i])
        if any then unblock(provider, d.phone[i]) end
      end
    end
  end
end
