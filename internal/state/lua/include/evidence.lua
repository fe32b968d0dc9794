-- evidence: what providers said of recipients: evidence, discounts, refusals before a failover.
-- include: chunks, fingerprints

-- Evidence that comes for many is one field; what comes for one is a field of its own, so that it
-- is not written together with everybody else's. d.news holds the lines that are new, by position.

local all_evidence, evidence_of
do
  -- common_text reads the lines that are together; nil if none are.
  local function common_text(d)
    if d.together then return d.text end
    d.text = redis.call('HGET', key('chunk', d.id), 'evidence') or nil
    d.together = d.text and 1 or 0
    return d.text
  end

  -- common_evidence returns the lines that are together.
  local function common_evidence(d)
    if d.common then return d.common end
    d.common = {}
    local text = common_text(d)
    if text then
      for line in (text .. '\n'):gmatch('([^\n]*)\n') do d.common[#d.common + 1] = line end
    end
    for i = #d.common + 1, d.n do d.common[i] = '' end
    return d.common
  end

  -- common_line returns one of them. The first time it only looks for that line: a callback needs
  -- no other.
  local function common_line(d, pos)
    local text = not d.common and not d.looked and common_text(d)
    if not text then return common_evidence(d)[pos] end
    d.looked = true
    local start = 1
    for _ = 2, pos do
      local last = text:find('\n', start, true)
      if not last then return '' end
      start = last + 1
    end
    return text:sub(start, (text:find('\n', start, true) or #text + 1) - 1)
  end

  -- all_evidence returns the lines of all, by position; '' where there is none. Behind it,
  -- d.had_lines says whether any were there before this script.
  function all_evidence(d)
    if d.lines then return d.lines end
    d.lines = common_evidence(d)
    -- Beside head, refs, content, open and evidence, if it is there.
    local more = redis.call('HLEN', key('chunk', d.id)) > 4 + d.together
    local fields = more and redis.call('HGETALL', key('chunk', d.id)) or {}
    d.alone = {}
    for i = 1, #fields, 2 do
      local pos = tonumber(fields[i])
      if pos then
        d.lines[pos] = fields[i + 1]
        d.alone[#d.alone + 1] = fields[i]
      end
    end
    d.had_lines = d.together + #d.alone > 0
    for pos, line in pairs(d.news or {}) do d.lines[pos] = line end
    return d.lines
  end

  -- evidence_of returns the line of one recipient.
  function evidence_of(d, pos)
    if d.news and d.news[pos] then return d.news[pos] end
    if d.lines then return d.lines[pos] end
    return redis.call('HGET', key('chunk', d.id), pos) or common_line(d, pos)
  end
end

-- discount_of returns the discount that a provider gave on a recipient, as it is spelt; '' where it
-- gave none.
local function discount_of(d, pos)
  if not d.discounted then return '' end
  return evidence_of(d, pos):match('([^\t]*)$')
end

-- units_of returns a discount in ten-thousandths of the currency: providers give four decimals.
local function units_of(discount)
  return discount == '' and 0 or math.floor(tonumber(discount) * 10000 + 0.5)
end

-- units_in sums the discounts of the recipients from..to.
local function units_in(d, from, to)
  local sum = 0
  for pos = from, d.discounted and to or 0 do sum = sum + units_of(discount_of(d, pos)) end
  return sum
end

-- write_line sets the line of evidence of one recipient.
local function write_line(d, pos, line)
  if not d.news then d.news, d.newer = {}, 0 end
  if not d.news[pos] then d.newer = d.newer + 1 end
  d.news[pos] = line
  if d.lines then d.lines[pos] = line end
end

-- reference_of is the id by which a provider knows a recipient; '' while we know none.
local function reference_of(d, pos)
  local line = evidence_of(d, pos)
  return line ~= '' and line:match('^[^\t]*\t[^\t]*\t([^\t]*)') or ''
end

-- mark_of is 'c' where d.callback, the callback that the script is about, says where a recipient
-- stands now, with how long it has waited for that (ms).
local function mark_of(d, pos)
  local callback = d.callback
  if callback.pos ~= pos then return '' end
  local status, location = row(d, pos)
  local here = callback.status == status and callback.batch == location -- break: callback-mark
  if not here then return '' end
  return 'c' .. (callback.at < now and string.format('%.0f', now - callback.at) or '')
end

-- write_evidence sets reason, reference and message of a recipient, who stands there from now, or
-- since then; indexed says that the reference has its fingerprint already.
local function write_evidence(d, pos, reason, reference, message, since, indexed)
  if not indexed and reference ~= '' and reference ~= reference_of(d, pos) then
    add_fingerprint(d.page, reference) -- break: found-reference
  end
  if reason == 'provider' then reason = '.' end
  d.since = d.since or string.format('%.0f', now - d.at)
  since = since or d.callback and d.since .. mark_of(d, pos) or d.since
  write_line(d, pos, since .. '\t' .. reason .. '\t' .. reference .. '\t' .. message .. '\t'
    .. discount_of(d, pos))
end

-- spell_discount sets the discount in the evidence of a recipient.
local function spell_discount(d, pos, discount)
  local line = evidence_of(d, pos)
  d.newly_discounted = d.newly_discounted or not d.discounted
  d.discounted = true
  write_line(d, pos, (line == '' and '\t\t\t\t' or line):match('^(.*\t)') .. discount)
end

-- history_of returns the lines that are new of the history of a chunk, and fills d.been with
-- "position provider" of all.
local function history_of(d)
  if d.history then return d.history end
  d.history, d.been = {}, {}
  for _, line in ipairs(redis.call('LRANGE', key('history', d.id), 0, -1)) do
    local pos, provider = line:match('^(%d+)\t%d+\t([^\t]*)')
    d.been[pos .. ' ' .. provider] = true
  end
  return d.history
end

-- remember_refusal keeps that a provider refused a recipient which goes to another now.
local function remember_refusal(d, pos, provider, id, reason, message)
  local history = history_of(d)
  history[#history + 1] = table.concat({pos, now_text, provider, id, reason, message}, '\t')
  d.been[pos .. ' ' .. provider] = true
end

-- was_at says whether a provider refused a recipient before, or was passed over: nobody returns,
-- whatever rules other processes have.
local function was_at(d, pos, provider)
  history_of(d)
  return d.been[pos .. ' ' .. provider] or false
end

-- gather writes all lines of evidence together.
local function gather(d)
  local name = key('chunk', d.id)
  redis.call('HSET', name, 'evidence', table.concat(all_evidence(d), '\n'))
  if #d.alone > 0 then redis.call('HDEL', name, unpack(d.alone)) end
end

do
  -- flush_rows writes the cells that changed where they are, or all, if that is shorter: a command
  -- is as long as twenty cells.
  local function flush_rows(d)
    local name, cells = key('rows', d.id), 20 * #d.changed
    for _, stretch in ipairs(d.changed) do cells = cells + stretch.to - stretch.from + 1 end
    if cells > d.n + 20 then
      redis.call('SET', name, text_of_rows(d, 1, d.n))
      return
    end
    for _, stretch in ipairs(d.changed) do
      redis.call('SETRANGE', name, (stretch.from - 1) * WIDTH,
        text_of_rows(d, stretch.from, stretch.to))
    end
  end

  -- flush_evidence writes the new lines. Several that come at once go together with the others,
  -- when the chunk has settled or many are alone by then. One that comes by itself stays alone: a
  -- callback must not bring everybody's lines to the append-only file. For these, Sweep gathers the
  -- lines of chunks that have settled, which takes less memory. The lines of a few are together.
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

  at_end(function()
    for _, d in pairs(chunks) do
      if d then flush_chunk(d) end
    end
  end)
end
