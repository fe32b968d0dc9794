-- Storing what changed ----------------------------------------------------------------------------

-- conclude derives the state of a batch that was answered from its members, and schedules the two
-- post-settlement checks of a settled batch: reversals come late.
local function conclude(b)
  local was = b.state
  if was ~= 'open' and was ~= 'doubt' and was ~= 'done' and b.open == 0 then return end
  if was == 'ready' or was == 'claimed' or was == 'sending' then return end
  b.state = b.doubtful > 0 and 'doubt' or b.open > 0 and 'open' or 'done'
  if b.state ~= 'done' and b.state ~= was and first_query(b) > 0 then
    -- A member was reattached to it, or was reopened, or left the doubt in which nobody asked.
    local when = was == 'done' and 'LT' or 'NX'
    redis.call('ZADD', key('due'), when, now + first_query(b), b.id) -- break: reopened-due
  end
  if b.state == 'done' and was ~= 'done' then
    schedule(b, traits(b.provider).checked_later and CHECK_DELAYS[1] or 0)
    b.checks = 0
  end
end

-- add_latency counts for operators how long a batch took, in powers of two of a millisecond: from
-- 64 to 2^27, which is more than a day, and 28 for what took longer.
local function add_latency(b, way, since)
  if since == 0 then return end
  local ms = math.max(0, now - since)
  local _, power = math.frexp(ms)
  local field = b.provider .. ' ' .. way .. ' '
  redis.call('HINCRBY', key('times'), field .. math.max(6, math.min(28, power)), 1)
  redis.call('HINCRBY', key('times'), field .. 'ms', ms)
end

-- count_latency keeps which batches are open, the one with the oldest member first, and how long
-- they took. It costs the same for any number of members.
local function count_latency(b)
  local was = b.saved
  for _, slice in ipairs(was.state and {} or slices_of(b)) do
    local d = chunk(slice[1])
    if d and (b.accepted == 0 or d.at < b.accepted) then b.accepted = d.at end
  end
  local open, had = b.open > 0, tonumber(was.open or 0) > 0
  if open and not had then
    redis.call('ZADD', key('open', b.provider), b.accepted > 0 and b.accepted or now, b.id)
  elseif had and not open then
    redis.call('ZREM', key('open', b.provider), b.id)
  end
  if b.recorded > 0 and not was.recorded and b.state ~= 'returned' then
    add_latency(b, 'accepted answered', b.accepted)
  end
  if b.state == 'done' and was.state ~= 'done' then
    add_latency(b, 'accepted settled', b.accepted)
    add_latency(b, 'sent settled', b.sent)
  end
end

local function text_of(b, name)
  if BATCH_FIELDS[name] == '0' then return string.format('%.0f', b[name]) end
  return b[name]
end

local function changed(b)
  for name, default in pairs(BATCH_FIELDS) do
    if text_of(b, name) ~= (b.saved[name] or default) then return true end
  end
  return false
end

local function flush_batch(b)
  if not changed(b) then return end
  conclude(b)
  count_latency(b)
  if b.doubtful > 0 then
    redis.call('ZADD', key('doubt'), 'NX', b.sent > 0 and b.sent or now, b.id) -- break: doubts
  else
    redis.call('ZREM', key('doubt'), b.id)
  end
  if b.open == 0 then redis.call('ZREM', key('overdue'), b.id) end
  if b.state == 'returned'
    and b.saved.state ~= 'returned' then -- break: returned-due
    schedule(b, 0)
  end
  local fields = {}
  for name, default in pairs(BATCH_FIELDS) do
    local value = text_of(b, name)
    if value ~= (b.saved[name] or default) then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  if #fields > 0 then redis.call('HSET', key('batch', b.id), unpack(fields)) end
  local ended = b.state == 'done' or b.state == 'returned'
  if ended ~= (b.saved.state == 'done' or b.saved.state == 'returned') then
    if ended then
      -- A batch that was never sent cannot be heard of again.
      redis.call('PEXPIRE', key('batch', b.id), b.attempt == 0 and 3600000 or RETENTION)
    else
      redis.call('PERSIST', key('batch', b.id))
    end
  end
end

-- flush_rows writes the rows that changed where they are, or all, if that is most of them.
local function flush_rows(d)
  local name, rows = key('rows', d.id), 3 * #d.changed -- A command is as long as some rows.
  for _, run in ipairs(d.changed) do rows = rows + run[2] - run[1] + 1 end
  if rows > d.n then
    load_rows(d, 1, d.n)
    redis.call('SET', name, text_of_rows(d, 1, d.n))
    return
  end
  for _, run in ipairs(d.changed) do
    local text = text_of_rows(d, run[1], run[2])
    redis.call('SETRANGE', name, (run[1] - 1) * WIDTH, run[3] and text:sub(1, 2) or text)
  end
end

-- gather writes all lines of evidence together.
local function gather(d)
  local name = key('chunk', d.id)
  redis.call('HSET', name, 'evidence', table.concat(all_evidence(d), '\n'))
  if #d.alone > 0 then redis.call('HDEL', name, unpack(d.alone)) end
end

-- flush_evidence writes the new lines. Several that come at once go together with the others, when
-- the chunk has settled or many are alone by then. One that comes by itself stays alone: a callback
-- must not bring everybody's lines to the append-only file. For these, Sweep gathers the lines of
-- chunks that have settled, which takes less memory. The lines of a few are always together.
--   scattered  LIST  chunks that have settled with lines alone
local function flush_evidence(d)
  local name = key('chunk', d.id)
  local many = 2 * (redis.call('HLEN', name) + d.newer) > d.n
  local settles = d.open == 0 and d.had > 0
  if d.n < 10 or d.newer > 1 and (many or settles) then return gather(d) end
  for pos, line in pairs(d.news) do redis.call('HSET', name, pos, line) end
  if settles or many and d.open == 0 then redis.call('RPUSH', key('scattered'), d.id) end
end

local function flush_chunk(d)
  if d.changed then flush_rows(d) end
  if d.news then flush_evidence(d) end
  if d.newly_discounted then redis.call('HSET', key('chunk', d.id), 'discounted', 1) end
  if d.open ~= d.had then redis.call('HSET', key('chunk', d.id), 'open', d.open) end
  if d.changed and d.open == 0 then redis.call('HSET', key('chunk', d.id), 'settled', now) end
  if d.history and #d.history > 0 then -- break: history
    redis.call('RPUSH', key('history', d.id), unpack(d.history))
  end
end

-- ids_of lists the provider's ids of a slice, one per line, where it is asked by them.
local function ids_of(b, d, slice)
  if traits(b.provider).asks ~= 'recipient' or b.attempt == 0 then return '' end
  local ids, evidence = {}, all_evidence(d)
  for pos = slice[2], slice[3] do
    ids[#ids + 1] = evidence[pos]:match('^[^\t]*\t[^\t]*\t([^\t]*)') or ''
  end
  return table.concat(ids, '\n')
end

-- describe is what callers learn about a batch.
local function describe(b)
  local slices = {}
  for _, slice in ipairs(slices_of(b)) do
    local d, codes = chunk(slice[1]), {}
    if not d then -- Forgotten since: the positions of the others stay.
      local name = slice[1]:sub(1, 1) == '@' and slice[1]:sub(2) or '?'
      slices[#slices + 1] = {slice[1], '', slice[2], '', ('-'):rep(slice[3] - slice[2] + 1), '', 0,
        '', table.concat({name, slice[2], slice[3]}, ' ')}
    else
      for _, run in ipairs(runs(d, slice[2], slice[3])) do
        codes[#codes + 1] = (run[4] == b.id and run[3] or '-'):rep(run[2] - run[1] + 1)
      end
      slices[#slices + 1] = {d.id, d.currency, slice[2], lines_of(d, slice[2], slice[3]),
        table.concat(codes), d.campaign, d.given == '' and 1 or 0, ids_of(b, d, slice),
        names_of(d, slice[2], slice[3])}
    end
  end
  return {b.id, b.provider, b.state, b.attempt, b.polls, b.parent, b.refused, b.open,
    b.sent > 0 and now - b.sent or 0, b.why, slices, now,
    b.doubtful > 0 and still_out(b) or 0, b.words, b.answered == b.polls and 1 or 0}
end
