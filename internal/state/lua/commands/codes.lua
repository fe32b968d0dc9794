-- codes: agree on the codes of providers that have none of their own. One that had a code before
-- gets it again; another gets the first that nobody ever had.
-- include: providers
-- KEYS[1]: {namespace}:state
-- Returns: their codes; an empty one where none is left

local FREE = 'abcdefghijklmnopqrstuvwxyz0123456789'

local function free()
  for code in FREE:gmatch('.') do
    if not NAMES[code] then return code end
  end
  return ''
end

local function agree(name, callbacks)
  local known = PROVIDERS[name]
  if not known then
    local code = free()
    if code == '' then return code end
    known = {code = code, callbacks = false}
    PROVIDERS[name], NAMES[code] = known, name
  end
  known.callbacks = known.callbacks or callbacks
  return known.code
end

local list = {}
for _, provider in ipairs(records(1, {'name', 'callbacks'})) do
  list[#list + 1] = agree(provider.name, provider.callbacks == '1')
end
codes_sum = codes_of()
keep_codes()
return list
