-- keys: keys and records, the time, arguments by name, names and amounts as people see them.
-- include: plan

-- Every script begins with the tables that Go writes from its own data: STATUS (by code: name,
-- rank, settled, in_flight, live, and yields_to, the codes of what replaces it) and PROVIDERS (by
-- name: code, asks, checked_later, resend, callbacks, ramps_up, overdue_after, rate, burst). Then
-- come the files that the verb includes, each once and behind those that it includes itself, the
-- verb, and end.lua.
--
-- KEYS[1] is always {namespace}:state. All keys share its hash tag, so one key routes a script; a
-- verb finds out which chunks and batches it touches only while it runs, and names them here.
--
-- Two kinds of record carry the state:
--   chunk:<id>  HASH head, refs, content, open, settled, evidence, discounted, charged, urgent,
--       and fields of positions
--       The recipients of disbursals that were accepted together and are alike in provider as
--       given, currency, import, campaign and producer. A position counts within the chunk, from 1.
--       head      provider as given, currency, decimals, page, accepted (ms), recipients, sum,
--                 import, campaign, who submitted it ('' for unknown), when it may be sent (ms; 0
--                 for at once); tab separated, never changes
--       refs      one line "reference recipients" per disbursal, never changes
--       content   one line "phone amount" per recipient, in minor units; it changes only where a
--                 phone number is erased: see lua/include/erased.lua
--       evidence  one line per recipient: ms since accepted, reason ('.' for provider), provider
--                 reference, message, discount as a decimal; tab separated. Behind the ms stands
--                 'c' where a callback brought it, and the ms since that came, if any
--       discounted  1 once a discount is among the evidence
--       urgent    one line "from to" per stretch of positions of those who go first
--       charged   1 once guards have counted one of the recipients
--       <n>       the line of position n where it came alone: it counts, not the one in evidence,
--                 and goes there when several come at once, or some time after all have settled
--   rows:<id>  STRING a cell per recipient, WIDTH characters: status code, provider code and the
--       index of the location. It is changed in place: a script's effects reach the append-only
--       file and the replicas, and one callback must not bring a thousand cells there.
--   locations:<id>  HASH index -> location. An index stays what it is as long as a cell has it.
--   recipientids:<id>  STRING one line per recipient, the producer's own id of it, '' for none;
--       only where a recipient has one
--   history:<id>  LIST one line per refusal that was failed over: position, at, provider, batch,
--       reason, message; tab separated
--   batch:<id>  HASH, see BATCH_FIELDS; journal:<id>  STRING, see journal.lua
-- And disbursal:<reference> STRING "digest chunk before recipients" says where a disbursal is:
-- behind so many positions of that chunk.
-- What a producer of the HTTP inlet calls a reference or a campaign is kept as producer, MARK,
-- name: no other inlet can write MARK, so that nobody reaches what is another's.
-- The location is where a recipient is: the id of its batch; or '+', the provider's code and the
-- number of its pending entry; or '=', the provider's code and why it is held, a letter and the
-- name of an approval or guard: see lua/include/admission.lua.

local WIDTH = 4
local MARK = '\31'
local prefix = KEYS[1]:sub(1, -6)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now_text = string.format('%.0f', now)

local function key(kind, name)
  if name then return prefix .. kind .. ':' .. name end
  return prefix .. kind
end

-- traits are what Go says about a provider, or the state about one that Go does not know.
local NAMES, NO_TRAITS = {}, {code = '?', resend = 0, overdue_after = 0, rate = 0, burst = 0}
for name, t in pairs(PROVIDERS) do NAMES[t.code] = name end
local function traits(provider) return PROVIDERS[provider] or NO_TRAITS end -- break: traits

local arguments, records
do
  local function as_it_is(text) return text end

  -- fields_of reads a list of names; one that ends in # is of a number.
  local function fields_of(names)
    local fields = {}
    for i, name in ipairs(names) do
      local number = name:match('^(.*)#$')
      fields[i] = {name = number or name, read = number and tonumber or as_it_is}
    end
    return fields
  end

  -- arguments returns the first arguments of a verb by their names, and the index of the one
  -- behind.
  function arguments(names)
    local values = {}
    for i, field in ipairs(fields_of(names)) do values[field.name] = field.read(ARGV[i]) end
    return values, #names + 1
  end

  -- records returns the arguments from the first on as a list of values by their names.
  function records(first, names)
    local list, fields = {}, fields_of(names)
    for before = first - 1, #ARGV - #names, #names do
      local values = {}
      for i, field in ipairs(fields) do values[field.name] = field.read(ARGV[before + i]) end
      list[#list + 1] = values
    end
    return list
  end
end

-- allow_oom is called by the verbs that must run on a full Redis: see lua/include/end.lua.
local runs_when_full = false
local function allow_oom() runs_when_full = true end

-- at_end has a function plan what was collected, when the verb has returned.
local endings = {}
local function at_end(ending) endings[#endings + 1] = ending end

-- owned splits a name: the producer whose own it is, or false, and how that one says it.
local function owned(name)
  local at = name:find(MARK, 1, true)
  if not at then return false, name end
  return name:sub(1, at - 1), name:sub(at + 1)
end

-- shown is how people see a name, and the producer whose own it is, or false.
local function shown(name)
  local producer, own = owned(name)
  return producer and producer .. '/' .. own or name, producer
end

-- Time and money as results spell them ----------------------------------------------------------

local function rfc3339(ms)
  local s = math.floor(ms / 1000)
  local days, rest = math.floor(s / 86400), s % 86400
  local z = days + 719468 -- Days since 0000-03-01; the usual civil-from-days computation.
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month,
    doy - math.floor((153 * mp + 2) / 5) + 1, math.floor(rest / 3600),
    math.floor(rest % 3600 / 60), rest % 60, ms % 1000)
end

local text_of_now
local function at_text()
  text_of_now = text_of_now or rfc3339(now)
  return text_of_now
end

local decimals_of = {} -- By decimals and minor units: many get the same amount.

local function decimal(minor, decimals)
  if decimals == 0 then return string.format('%d', minor) end
  local texts = decimals_of[decimals] or {}
  decimals_of[decimals] = texts
  if not texts[minor] then
    local unit, format = 10 ^ decimals, '%d.%0' .. decimals .. 'd'
    texts[minor] = string.format(format, math.floor(minor / unit), minor % unit)
  end
  return texts[minor]
end
