-- erase: put what stands for an erased phone number where the number stood. Go says what is to be
-- changed, and to what; what is not any more as Go has read it is left for the next call.
-- include: audit, chunks
-- KEYS[1]: {namespace}:state
-- Returns: {'erased'}, or with nothing changed {'open', chunk, position} of a recipient who has not
--   settled, or {'changed'}

local arg, rest = arguments {
  'decision',
  'who',
  'sealed',
  'number', -- What stands for the number.
  'found', -- What is to be erased in all, for the audit.
  'note',
  'more', -- 1 if another call of this erasure follows.
}
local taken = replayed(arg.decision)
if taken then return taken end

-- What is to be changed:
--   settled      the recipients at the positions field of chunk name, who must have settled
--   field        a field of the hash kind:name, '' if it is not there; to '' takes it away
--   text         a string
--   list         a list, its elements joined by line feeds
--   member       a member of a sorted set, which keeps its score
--   entry        field of the entry name of the stream kind: a copy takes the place of the entry
--   entry_gone   the entry name of the stream kind, of which no copy is left
--   fingerprint  in page name, of so many texts as field says: digit and bytes
local edits = records(rest, {'what', 'kind', 'name', 'field', 'old', 'new'})

local function key_of(e) return key(e.kind, e.name ~= '' and e.name or nil) end

-- read has what stands where something is to be changed, as Go spells it.
local read = {}

function read.field(e) return redis.call('HGET', key_of(e), e.field) or '' end

function read.text(e) return redis.call('GET', key_of(e)) or '' end

function read.list(e) return table.concat(redis.call('LRANGE', key_of(e), 0, -1), '\n') end

function read.member(e) return redis.call('ZSCORE', key_of(e), e.old) and e.old or '' end

local found = {} -- Entries by stream and id: their fields and values in turn.

local function fields_at(e)
  local at = e.kind .. ' ' .. e.name
  if found[at] == nil then
    local entry = redis.call('XRANGE', key(e.kind), e.name, e.name)[1]
    found[at] = entry and entry[2] or false
  end
  return found[at]
end

function read.entry(e)
  local fields = fields_at(e)
  for i = 1, fields and #fields or 0, 2 do
    if fields[i] == e.field then return fields[i + 1] end
  end
  return ''
end

function read.entry_gone(e) return fields_at(e) and e.old or '' end

-- write changes it.
local write = {settled = function() end}

function write.field(e)
  if e.new == '' then
    redis.call('HDEL', key_of(e), e.field)
  else
    redis.call('HSET', key_of(e), e.field, e.new)
  end
end

function write.text(e) redis.call('SET', key_of(e), e.new) end

function write.list(e)
  redis.call('DEL', key_of(e))
  for line in e.new:gmatch('[^\n]+') do redis.call('RPUSH', key_of(e), line) end
end

function write.member(e)
  redis.call('ZADD', key_of(e), tonumber(redis.call('ZSCORE', key_of(e), e.old)), e.new)
  redis.call('ZREM', key_of(e), e.old)
end

local copies = {} -- Entries to copy, in their order: stream, id, fields.

function write.entry(e)
  local fields = fields_at(e)
  if not fields.copied then
    fields.copied = true
    copies[#copies + 1] = {kind = e.kind, id = e.name, fields = fields}
  end
  for i = 1, #fields, 2 do
    if fields[i] == e.field then fields[i + 1] = e.new end
  end
end

function write.entry_gone(e) redis.call('XDEL', key(e.kind), e.name) end

-- fingerprint takes as many as there are texts that go away, and adds those of what replaces them:
-- each text has its own, also where two are equal.
function write.fingerprint(e)
  local n, name = tonumber(e.field), key('fingerprints', e.name .. ':' .. e.old:sub(1, 1))
  local prints, bytes, kept, taken = redis.call('GET', name) or '', e.old:sub(2), {}, 0
  for at = 1, #prints, #bytes do
    local one = prints:sub(at, at + #bytes - 1)
    if one == bytes and taken < n then -- break: erased-fingerprint
      taken = taken + 1
    else
      kept[#kept + 1] = one
    end
  end
  redis.call('SET', name, table.concat(kept))
  name = key('fingerprints', e.name .. ':' .. e.new:sub(1, 1))
  redis.call('SET', name, (redis.call('GET', name) or '')
    .. e.new:sub(2):rep(n)) -- break: erased-found
end

-- open_in returns the first of the positions at which a recipient has not settled, nil without any.
local function open_in(d, positions)
  for pos in positions:gmatch('%d+') do
    if not STATUS[row(d, tonumber(pos))].settled then return tonumber(pos) end
  end
end

for _, e in ipairs(edits) do
  if e.what == 'settled' then
    local d = chunk(e.name)
    local pos = d and open_in(d, e.field)
    if pos then return {'open', e.name, pos} end -- break: erase-open
  elseif read[e.what] and read[e.what](e) ~= e.old then -- break: erase-changed
    return {'changed'}
  end
end
for _, e in ipairs(edits) do write[e.what](e) end
for _, copy in ipairs(copies) do
  redis.call('XADD', key(copy.kind), '*', unpack(copy.fields)) -- break: erased-copy
  redis.call('XDEL', key(copy.kind), copy.id) -- break: erased-entry
end

-- The first of the calls is the decision; one that was interrupted is gone on with for a day.
local begun, drafts = key('erasing', arg.number), {}
if redis.call('EXISTS', begun) == 0 then -- break: erase-decided
  drafts[1] = {'erase', arg.number, arg.found .. (arg.note ~= '' and ' ' or '')
    .. detail {'note', arg.note}}
end
if arg.more == '1' then
  redis.call('SET', begun, '1', 'PX', 86400000)
else
  redis.call('DEL', begun) -- break: erase-ends
end
return audited(arg.decision, arg.who, arg.sealed, drafts, {'erased'})
