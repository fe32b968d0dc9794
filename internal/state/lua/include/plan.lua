-- plan: redis.call, which plans what a script writes, and writes it at the end at once.

-- Redis does not roll a script back: one that fails half-way has written half. So redis.call is
-- ours from here on. A command that writes is only planned; one that reads sees what is planned. At
-- the end of every script, lua/include/end.lua has perform write what is planned, at once and with
-- no decision left that could fail. Whatever fails before that has written nothing.
--
-- Only what the scripts need is here: a command that writes and is not below fails, and so does one
-- that reads a whole key of which something is planned. Both fail before anything is written.

-- perform writes what is planned, behind a first command that Redis refuses, or nothing; planned
-- says whether anything is.
local redis, perform, planned = (function(real)
  local call = real.call
  local plans, order = {}, {} -- By key, and in the order of their first changes.
  local texts = {} -- Strings by key; false for one that is deleted.

  -- A plan is about one key:
  --   deleted   true if it is deleted before anything else here
  --   map, of   what members get, false for none; and what kind of key it is
  --   popped    elements taken off the head of a list; ahead, at, more: those that were read of it
  --             already, how far they are popped, and how many are read next
  --   head, tail, gone    elements that it got since, and those taken out by their value
  --   log       what entries of a stream have in common, and what each has for itself
  --   cut       ids of entries that are taken off a stream
  --   ranges    parts of a string: offset and text
  --   appended  texts that a string gets at its end
  --   expiry    ms, or 0 for a key that is to stay
  local function plan_of(name)
    local p = plans[name]
    if not p then
      p = {name = name}
      plans[name] = p
      order[#order + 1] = p
    end
    return p
  end

  -- Hashes, sets and sorted sets are maps: from fields to texts, from members to true or to scores.
  local HASH = {read = 'HGET', count = 'HLEN', set = 'HSET', drop = 'HDEL'}
  local SET = {read = 'SISMEMBER', count = 'SCARD', set = 'SADD', drop = 'SREM'}
  local ZSET = {read = 'ZSCORE', count = 'ZCARD', set = 'ZADD', drop = 'ZREM'}

  local function spell(value)
    return type(value) == 'number' and string.format('%.17g', value) or value
  end

  local function stored(of, name, member)
    local value = call(of.read, name, member)
    return value ~= 0 and value
  end

  local function read(of, name, member)
    local p = plans[name]
    if p then
      local value = p.map and p.map[spell(member)]
      if value ~= nil then return value end
      if p.deleted then return false end
    end
    return stored(of, name, member)
  end

  local function put(of, name, member, value)
    local p = plans[name] or plan_of(name)
    if not p.map then p.map, p.of = {}, of end
    p.map[spell(member)] = spell(value)
  end

  local function drop(of, name, ...)
    for _, member in ipairs({...}) do put(of, name, member, false) end
  end

  local function size(of, name)
    local p = plans[name]
    if not p then return call(of.count, name) end
    local n = p.deleted and 0 or call(of.count, name)
    for member, value in pairs(p.map or {}) do
      local had = not p.deleted and stored(of, name, member)
      n = n + (value and 1 or 0) - (had and 1 or 0)
    end
    return n
  end

  -- Lists ----------------------------------------------------------------------------------------

  local function list_of(name)
    local p = plan_of(name)
    if not p.head then
      p.popped, p.ahead, p.at, p.more = 0, {}, 0, 1
      p.head, p.tail, p.gone = {}, {}, {}
    end
    return p
  end

  local function pop(p)
    if #p.head > 0 then return table.remove(p.head) end
    while not p.deleted do
      if p.at == #p.ahead then
        p.ahead, p.at = call('LRANGE', p.name, p.popped, p.popped + p.more - 1), 0
        p.more = math.min(2 * p.more, 128)
        if #p.ahead == 0 then break end
      end
      p.at, p.popped = p.at + 1, p.popped + 1 -- break: popped
      if not p.gone[p.ahead[p.at]] then return p.ahead[p.at] end
    end
    return table.remove(p.tail, 1) or false
  end

  -- push_head puts what was popped last back where it was, if it is that.
  local function push_head(p, value)
    if #p.head == 0 and p.at > 0 and p.ahead[p.at] == value then
      p.at, p.popped = p.at - 1, p.popped - 1
    else
      p.head[#p.head + 1] = value
    end
  end

  local function take_out(list, value)
    for i = #list, 1, -1 do
      if list[i] == value then table.remove(list, i) end
    end
  end

  local function length(name)
    local p = plans[name]
    if not p then return call('LLEN', name) end
    list_of(name)
    local n = #p.head + #p.tail
    if p.deleted then return n end
    n = n + call('LLEN', name) - p.popped
    if next(p.gone) then
      for _, value in ipairs(call('LRANGE', name, p.popped, -1)) do
        if p.gone[value] then n = n - 1 end
      end
    end
    return n
  end

  -- Commands -------------------------------------------------------------------------------------

  local ours = {}

  function ours.HGET(name, field) return read(HASH, name, field) end
  function ours.HEXISTS(name, field) return read(HASH, name, field) and 1 or 0 end
  function ours.HLEN(name) return size(HASH, name) end
  function ours.HDEL(name, ...) drop(HASH, name, ...) end

  function ours.HMGET(name, ...)
    local p = plans[name]
    local list = p and p.deleted and {} or call('HMGET', name, ...)
    if not p then return list end
    for i, field in ipairs({...}) do
      local value = p.map and p.map[spell(field)]
      if value ~= nil then list[i] = value else list[i] = list[i] or false end
    end
    return list
  end

  function ours.HSET(name, ...)
    local list = {...}
    for i = 1, #list, 2 do put(HASH, name, list[i], list[i + 1]) end
  end

  function ours.HSETNX(name, field, value)
    if not read(HASH, name, field) then put(HASH, name, field, value) end
  end

  function ours.HINCRBY(name, field, step)
    local sum = tonumber(read(HASH, name, field) or 0) + step
    put(HASH, name, field, string.format('%.0f', sum))
    return sum
  end

  function ours.SADD(name, member, more)
    if more then error('SADD of several is not planned') end
    if read(SET, name, member) then return 0 end
    put(SET, name, member, true)
    return 1
  end

  function ours.SREM(name, ...) drop(SET, name, ...) end
  function ours.SISMEMBER(name, member) return read(SET, name, member) and 1 or 0 end
  function ours.SCARD(name) return size(SET, name) end

  -- when says which of the members that are there already, or are not, get the score: XX, NX or LT.
  function ours.ZADD(name, when, score, member, more)
    if more then error('ZADD of several is not planned') end
    if not member then return put(ZSET, name, score, when) end
    local had = read(ZSET, name, member)
    if when == 'XX' and not had or when == 'NX' and had
      or when == 'LT' and had and tonumber(had) <= score then return end
    put(ZSET, name, member, score)
  end

  function ours.ZREM(name, ...) drop(ZSET, name, ...) end
  function ours.ZSCORE(name, member) return read(ZSET, name, member) end
  function ours.ZCARD(name) return size(ZSET, name) end

  function ours.LPOP(name) return pop(list_of(name)) end

  function ours.LPUSH(name, ...)
    local p = list_of(name)
    for _, value in ipairs({...}) do push_head(p, value) end
  end

  function ours.RPUSH(name, ...)
    local p = list_of(name)
    for _, value in ipairs({...}) do p.tail[#p.tail + 1] = value end
  end

  function ours.LREM(name, _, value)
    local p = list_of(name)
    take_out(p.head, value)
    take_out(p.tail, value)
    p.gone[value] = true
  end

  function ours.LLEN(name) return length(name) end

  function ours.GET(name)
    if texts[name] ~= nil then return texts[name] end
    local p = plans[name]
    if p and p.ranges then error('GET of ' .. name .. ', of which something is planned') end
    return call('GET', name)
  end

  function ours.MGET(...)
    local list = call('MGET', ...)
    if not next(texts) then return list end
    for i, name in ipairs({...}) do
      if texts[name] ~= nil then list[i] = texts[name] end
    end
    return list
  end

  function ours.SET(name, value, _, expiry)
    texts[name] = spell(value)
    if expiry then plan_of(name).expiry = expiry end
  end

  function ours.SETRANGE(name, offset, text)
    local known = texts[name]
    if known then
      texts[name] = known:sub(1, offset) .. text .. known:sub(offset + #text + 1)
      return
    end
    local p = plan_of(name)
    p.ranges = p.ranges or {}
    p.ranges[#p.ranges + 1] = {offset, text}
  end

  function ours.APPEND(name, text)
    local p = plan_of(name)
    p.appended = p.appended or {}
    p.appended[#p.appended + 1] = text
  end

  function ours.MSET(...)
    local list = {...}
    for i = 1, #list, 2 do texts[list[i]] = spell(list[i + 1]) end
  end

  -- entries plans XADDs of words that entries have in common, but for those at some indices. It
  -- returns the list to whose end the values at these indices go, entry by entry; none may be nil.
  local function entries(words, indices)
    local p = plans[words[2]] or plan_of(words[2])
    p.log = p.log or {}
    local last = p.log[#p.log]
    if not last or last.words ~= words then
      last = {words = words, indices = indices, values = {}}
      p.log[#p.log + 1] = last
    end
    return last.values
  end

  -- An entry counts by its own values: one that stands alone has its first word for that.
  function ours.XADD(...) entries({'XADD', ...}, {1})[1] = 'XADD' end

  function ours.XDEL(name, id)
    local p = plan_of(name)
    p.cut = p.cut or {}
    p.cut[#p.cut + 1] = id
  end

  function ours.PEXPIRE(name, ms) plan_of(name).expiry = ms end
  function ours.PERSIST(name) plan_of(name).expiry = 0 end

  function ours.DEL(name)
    if plans[name] then
      for part in pairs(plans[name]) do
        if part ~= 'name' then plans[name][part] = nil end
      end
    end
    plan_of(name).deleted = true
    texts[name] = false
  end

  function ours.EXISTS(name)
    local p = plans[name]
    if texts[name] or p and p.log then return 1 end
    if not p then return call('EXISTS', name) end
    local n = p.map and size(p.of, name) or p.head and length(name)
      or not p.deleted and call('EXISTS', name) or 0
    return math.min(1, n)
  end

  -- These read a whole key, or no key.
  local READS = {TIME = true, HGETALL = true, ZRANGE = true, ZRANGEBYSCORE = true,
    ZREVRANGE = true, LRANGE = true, SMEMBERS = true, XRANGE = true}

  local shown = {sha1hex = real.sha1hex, entries = entries}

  function shown.call(command, name, ...)
    local own = ours[command]
    if own then return own(name, ...) end
    if not READS[command] then error(command .. ' is not planned: see lua/include/plan.lua') end
    if plans[name] then error(command .. ' of ' .. name .. ', of which something is planned') end
    if name then return call(command, name, ...) end
    return call(command)
  end

  -- info is what INFO says of a section, where Redis has the command.
  function shown.info(section)
    local text = real.pcall('INFO', section)
    return type(text) == 'string' and text or ''
  end

  -- drop forgets what is planned.
  function shown.drop() plans, order, texts = {}, {}, {} end

  -- Writing --------------------------------------------------------------------------------------

  local MOST = 2000 -- Arguments of one command.

  -- pour gives many values to a command, some at a time.
  local function pour(command, name, list)
    for first = 1, #list, MOST do
      call(command, name, unpack(list, first, math.min(first + MOST - 1, #list)))
    end
  end

  local function write_map(p)
    local of, sets, drops = p.of, {}, {}
    for member, value in pairs(p.map) do
      if not value then
        drops[#drops + 1] = member
      elseif of == HASH then
        sets[#sets + 1] = member
        sets[#sets + 1] = value
      else
        if of == ZSET then sets[#sets + 1] = value end
        sets[#sets + 1] = member
      end
    end
    pour(of.drop, p.name, drops)
    pour(of.set, p.name, sets)
  end

  local function write_list(p)
    if p.popped > 0 then call('LPOP', p.name, p.popped) end
    for value in pairs(p.gone) do call('LREM', p.name, 0, value) end
    pour('LPUSH', p.name, p.head)
    pour('RPUSH', p.name, p.tail)
  end

  -- write_entries writes what entries has planned.
  local function write_entries(planned)
    local words, indices, values = planned.words, planned.indices, planned.values
    local each = #indices
    for before = 0, #values - each, each do
      for i = 1, each do words[indices[i]] = values[before + i] end
      call(unpack(words))
    end
  end

  local function write_texts()
    local list = {}
    for name, text in pairs(texts) do
      local p = plans[name]
      if text and p and p.expiry then
        call('SET', name, text, 'PX', p.expiry)
      elseif text then
        list[#list + 1] = name
        list[#list + 1] = text
      end
    end
    for first = 1, #list, MOST do
      call('MSET', unpack(list, first, math.min(first + MOST - 1, #list)))
    end
  end

  local function planned() return #order > 0 or next(texts) ~= nil end

  local function perform(...)
    if not planned() then return end
    call(...)
    for _, p in ipairs(order) do
      if p.deleted then call('DEL', p.name) end
      if p.map then write_map(p) end
      if p.head then write_list(p) end
      for _, planned in ipairs(p.log or {}) do write_entries(planned) end
      if p.cut then pour('XDEL', p.name, p.cut) end
      for _, range in ipairs(p.ranges or {}) do call('SETRANGE', p.name, range[1], range[2]) end
      if p.appended then call('APPEND', p.name, table.concat(p.appended)) end
      if p.expiry and not texts[p.name] then
        if p.expiry == 0 then call('PERSIST', p.name) else call('PEXPIRE', p.name, p.expiry) end
      end
    end
    write_texts()
  end

  return shown, perform, planned
end)(redis)
