-- erased: what stands for a phone number that was erased.
-- include: keys

-- Where a person has a number erased, 'erased-' and a hash of the number by a key stand in its
-- place, in letters only: so it is no number, for programs and in any text. The key is the field
-- erase_key of {namespace}:state, made with the first erasure; the same number is erased to the
-- same text for ever, so that what comes late about it finds its recipient.

local function is_erased(phone) return phone:sub(1, 7) == 'erased-' end

-- erased_as returns what stands for a number if it was erased, nil while no number was.
local function erased_as(phone)
  local secret = phone ~= '' and redis.call('HGET', KEYS[1], 'erase_key')
  if not secret then return nil end
  if is_erased(phone) then return phone end
  local hash = redis.sha1hex(secret .. redis.sha1hex(secret .. phone)):sub(1, 16)
  return 'erased-' .. hash:gsub('%d', function(digit) return string.char(digit + 103) end)
end
