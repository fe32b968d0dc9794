-- superseded: what is learnt of a recipient in a batch that it has left; second effects.
-- include: moves

-- superseded:* keeps what is learned about a recipient in a batch that it has left: field "chunk
-- position", lines "batch code discount provider-reference", '-' for no discount. While its
-- disbursal is missing the field is "@reference position", with the position there.
local any_superseded

local function has_superseded()
  if any_superseded == nil then any_superseded = redis.call('EXISTS', key('superseded')) == 1 end
  return any_superseded
end

local function superseded(d, pos)
  local list = {}
  if not has_superseded() then return list end
  local text = redis.call('HGET', key('superseded'), d.id .. ' ' .. pos)
  for id, code, discount, reference in (text or ''):gmatch('(%S+) (%S) (%S+) ([^\n]*)\n') do
    list[#list + 1] = {batch = id, status = code, reference = reference,
      discount = discount == '-' and '' or discount}
  end
  return list
end

-- keep_superseded stores the lines and says whether one of them is a second effect.
local function keep_superseded(d, pos, list)
  local field, text, over = d.id .. ' ' .. pos, '', false
  for _, e in ipairs(list) do
    local discount = e.discount == '' and '-' or e.discount
    text = text .. table.concat({e.batch, e.status, discount, e.reference}, ' ') .. '\n'
    over = over or STATUS[e.status].live
  end
  if text == '' then
    redis.call('HDEL', key('superseded'), field)
  else
    redis.call('HSET', key('superseded'), field, text)
    any_superseded = true
  end
  if over then
    return redis.call('SADD', key('overpaid'), field) -- break: overpaid-listed
  end
  redis.call('SREM', key('overpaid'), field)
  return 0
end

local function weight(status) return STATUS[status].rank + (STATUS[status].live and 100 or 0) end

-- reattach puts a recipient whose own effect does not stand where an earlier batch shows more: an
-- effect that stands, or else the higher rank. What the left batch showed is kept as evidence, so
-- that facts come to the same in any order. False if the recipient stays.
local function reattach(d, pos)
  local list, status, location = superseded(d, pos), row(d, pos)
  local best
  for i, e in ipairs(list) do
    -- That it failed there agrees with sending it again: it counts only for who is settled anyway.
    local counts = e.status ~= 'f' or STATUS[status].settled
    if counts and (not best or weight(e.status) > weight(list[best].status)) then best = i end
  end
  local more = best and not STATUS[status].live and weight(list[best].status) > weight(status)
  if not more then return false end
  local e = table.remove(list, best)
  if STATUS[status].rank >= STATUS.a.rank then
    list[#list + 1] = {batch = location, status = status, reference = reference_of(d, pos),
      discount = discount_of(d, pos)}
  end
  keep_superseded(d, pos, list)
  settle(d, pos, e.status, e.batch, 'provider', e.reference, '', e.discount)
  return true
end

-- paid_elsewhere says whether another batch shows, or may still show, an effect of a recipient. A
-- failure there agrees with sending it again.
local function paid_elsewhere(d, pos)
  for _, e in ipairs(superseded(d, pos)) do
    if e.status ~= 'f' then return true end
  end
  return false
end
