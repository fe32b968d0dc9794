-- floats: what is left at providers: the last known balance, less what was spent since.
-- include: figures

-- floats is a HASH from "currency provider" to the last known balance there, tab separated: minor
-- units; when it was that (ms); what the provider had debited by then, by the book; who said so, ''
-- for the provider itself; and a note. Nothing counts what is spent since: it is the difference to
-- the book.
local floats = {}
do
  local kept = {}

  -- known returns the balance of "currency provider": {minor, at, debited}; false without one.
  function floats.known(of)
    if kept[of] == nil then
      local minor, at, debited = (redis.call('HGET', key('floats'), of) or '')
        :match('^(%d+)\t(%d+)\t(%-?%d+)\t')
      kept[of] = minor and {minor = tonumber(minor), at = at, debited = tonumber(debited)} or false
    end
    return kept[of]
  end

  -- booked returns the recipients and the money of "currency provider" that the book has in the
  -- statuses with a trait: all that spends, or what is live, which the provider surely debited.
  function floats.booked(of, trait)
    local currency, provider = of:match('^(%S+) (.*)$')
    local names, n, sum = {}, 0, 0
    for _, status in pairs(STATUS) do
      if status[trait] then
        names[#names + 1] = provider .. ' ' .. currency .. ' ' .. status.name
      end
    end
    for _, figures in ipairs(redis.call('HMGET', key('book'), unpack(names))) do
      local count, minor = figures_of(figures)
      n, sum = n + count, sum + minor
    end
    return n, sum
  end
end
