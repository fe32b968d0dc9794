-- record: store what a sending came to. Runs on a full Redis.
-- include: merge, refusals
-- KEYS[1]: {namespace}:state
-- Returns: {'recorded' or 'stale', accepted, rejected, returned, in doubt, {provider, wakeup, ...}}

local arg, rest = arguments {
  'batch',
  'attempt#',
  'provider',
  'slices', -- Slices of the batch, by chunks, to restore it if this Redis has forgotten it.
  'references', -- The same by references, for the case that it has forgotten a chunk, too.
  'accepted_status', -- Status code of an accepted recipient.
  'verdict', -- Verdict of all that follow not by position: accepted, rejected, unsent, unknown.
  'reason', -- Its reason.
  'message', -- Its message.
  'pause_reason', -- Reason to pause the channel, or ''.
  'retry_after#', -- Ms that the provider asked us to wait, or 0.
  'first_query#', -- Ms until the first status query; 0 if the provider cannot be asked.
  'slots#', -- Requests that may be on the wire.
  'began_ago#', -- Ms since the sending began.
  'timeout#', -- Ms that the request might take.
  'first_child', -- Id of a first child batch, should the batch be halved.
  'second_child', -- Id of the second.
  'wire', -- How the request ended, for people.
}
local id, attempt, provider = arg.batch, arg.attempt, arg.provider
allow_oom()
local b = batch(id)
local restored = not b
if restored then
  b = new_batch(id, provider, 'sending', {arg.slices}, 0)
  local whole = true
  for _, slice in ipairs(slices_of(b)) do
    b.n = b.n + slice.to - slice.from + 1
    whole = whole and chunk(slice.chunk)
  end
  if not whole then b.slices, b.cut = arg.references, nil end -- break: restored-refs
end
if b.recorded == attempt then -- break: record-replay
  local replay = {'recorded'}
  for figure in b.result:gmatch('%d+') do replay[#replay + 1] = tonumber(figure) end
  replay[6] = wakeups({[provider] = true}, arg.slots)
  return replay
end

local accepted_code = arg.accepted_status
local whole = {verdict = arg.verdict, reason = arg.reason, reference = '', message = arg.message,
  next = '', discount = '', other = ''}
-- Exceptions from that, by position. Next is the provider that takes the recipient should it be
-- rejected, other the amount that the provider named should it not be what was sent; '' is none.
local exceptions, exceptional = {}, #ARGV >= rest
for i = rest, #ARGV, 8 do -- Often a thousand: records takes twice as long.
  exceptions[ARGV[i] + 1] = {verdict = ARGV[i + 1], reason = ARGV[i + 2], reference = ARGV[i + 3],
    message = ARGV[i + 4], next = ARGV[i + 5], discount = ARGV[i + 6], other = ARGV[i + 7]}
end

-- Returned with this attempt not begun: this Redis has forgotten the sending.
local stale = attempt < b.attempt or b.state == 'returned' and attempt == b.attempt -- break: stale
-- A Redis that has forgotten the sending may have put its members elsewhere.
local forgotten = restored or b.attempt < attempt
if forgotten then
  -- When it was sent decides what may follow, so the sender brings it along. Of a repetition nobody
  -- knows when the first one was: no third one within the time that the provider recognises it.
  local began = now - arg.began_ago -- break: restored-began
  local before = attempt > 1 and traits(provider).resend or 0 -- break: restored-before
  if b.sent == 0 then b.sent = began - before end -- break: restored-sent
  b.deadline = math.max(b.deadline, began + arg.timeout) -- break: restored-deadline
end
if not stale then
  b.attempt = attempt
  -- Only now: the slot may belong to a later attempt, whose sweep depends on it.
  redis.call('ZREM', key('slots', provider), id) -- break: record-slot
end
-- Only while a batch has had one sending does "not sent" say that nothing was.
local first = attempt == 1 -- break: record-first
local counts = {accepted = 0, rejected = 0, returned = 0, doubt = 0}
local touched, handed = {[provider] = true}, 0
-- unclear counts those in doubt of whom the answer says nothing; why is the reason of a doubt: that
-- of all rather than that of one.
local unclear, why = 0, ''
-- for_one says that the provider refused the request for one of several, perhaps after it had paid
-- others.
local for_one = whole.verdict == 'unknown' and whole.reason == 'batch_refused'
  and b.n > 1 -- break: for-one
-- refused counts those of a request that the provider refused as a whole before any effect.
local refused = 0

-- claim_back takes members that a Redis which forgot the sending has put elsewhere, or let somebody
-- cancel.
local function claim_back(d, from, to)
  for pos = from, to do
    local status, location = row(d, pos)
    if status == 'q' and location ~= id and is_batch(location) and batch(location) then
      requeue_batch(batch(location))
      status, location = row(d, pos)
    end
    if status == 'q' then
      put(d, pos, pos, 'q', location, 's', id)
    elseif status == 'c' then
      settle(d, pos, 's', id, 'silent', '', '')
    end
  end
end

-- note_doubt keeps what was said of those in doubt: the batch has what was said of all of them,
-- the evidence what was said of one. What it says of another sending goes.
local function note_doubt(d, from, to, v)
  local own = v ~= whole and v.reference .. v.message .. v.discount ~= ''
  for pos = from, to do
    if own and (first or v.reference ~= '') or first and evidence_of(d, pos) ~= '' then
      write_evidence(d, pos, v.reason, v.reference, v.message)
      if v.discount ~= '' then set_discount(d, pos, v.discount) end
      -- It can be asked about by that id.
      note_id(d, pos, provider, id, v.reference) -- break: doubt-id
    end
  end
end

local function judge_run(d, from, to, status, v)
  local n = to - from + 1
  if v.verdict == 'accepted' then
    counts.accepted = counts.accepted + n
    if STATUS[accepted_code].settled or v.reference ~= '' or v.discount ~= '' then
      for pos = from, to do
        settle(d, pos, accepted_code, id, v.reason, v.reference, v.message, v.discount)
      end
    else
      put(d, from, to, status, id, accepted_code, id)
    end
  elseif v.verdict == 'rejected' and v.next ~= ''
    and first -- break: failover-first
    and not was_at(d, from, v.next) then -- break: failover-back
    counts.returned, handed = counts.returned + n, handed + n
    touched[v.next] = true
    for pos = from, to do note_id(d, pos, provider, id, v.reference) end -- break: refusal-id
    failover(d, from, to, v.next, v.reason, v.message)
  elseif v.verdict == 'rejected' and first and b.refused == 0 then
    counts.rejected = counts.rejected + n
    for pos = from, to do settle(d, pos, 'x', id, v.reason, v.reference, v.message) end
    for pos = from, to do reattach(d, pos) end
  elseif v.verdict == 'unsent' and v.reason == 'batch_refused' and first then
    refused = refused + n
    if status ~= 's' then put(d, from, to, status, id, 's', id) end
  elseif v.verdict == 'unsent' and first then -- break: unsent-first
    counts.returned = counts.returned + n
    requeue(d, from, to)
  else
    counts.doubt = counts.doubt + n
    if v.verdict == 'unknown' then unclear = unclear + n end -- break: doubt-unclear
    if why == '' or v == whole then why = v.reason end
    -- An earlier sending arrived.
    if v.reason == 'duplicate' then b.known = 1 end -- break: duplicate-known
    if status ~= 'd' then put(d, from, to, status, id, 'd', id) end
    note_doubt(d, from, to, v)
  end
end

-- accepted_again merges an acceptance of a recipient that has moved on.
local function accepted_again(d, pos, v)
  merge(d, pos, b, accepted_code, v.reason, v.reference, v.message, v.discount)
end

local function judge(d, from, to, v)
  for pos = from, v.other ~= '' and to or 0 do dispute(d, pos, b, 'amount', v.other) end
  if stale then
    if v.verdict == 'accepted' then
      for pos = from, to do accepted_again(d, pos, v) end
    end
    return
  end
  for _, run in ipairs(runs(d, from, to)) do
    local elsewhere = run.status == 'q' or run.status == 'c'
    if forgotten and elsewhere then claim_back(d, run.from, run.to) end
  end
  for _, run in ipairs(runs(d, from, to)) do
    if run.location == id and (run.status == 's' or run.status == 'd') then
      judge_run(d, run.from, run.to, run.status, v)
    elseif v.verdict == 'accepted' then
      counts.accepted = counts.accepted + run.to - run.from + 1
      for pos = run.from, run.to do accepted_again(d, pos, v) end
    end
  end
end

-- A later attempt may be refused because an earlier one arrived: that is known, never halved. Who
-- was aside is judged like at first.
if not stale and whole.verdict == 'rejected' and whole.reason == 'batch_refused' then
  if first or b.asides > 0 then b.refused = 1 else b.known = 1 end -- break: refused-again
end

-- remember keeps what is known about members whose disbursal this Redis has forgotten, too; Accept
-- applies it when the disbursal comes again.
local function remember(slice)
  for pos = slice.from, slice.to do
    local v = exceptions[slice.offset + pos - slice.from + 1] or whole
    local surely_not = first and (v.verdict == 'unsent'
      or (v.verdict == 'rejected' and b.refused == 0))
    if not surely_not then
      local list = superseded({id = slice.chunk}, pos)
      local code = v.verdict == 'accepted' and accepted_code or 'd'
      list[#list + 1] = {batch = id, status = code, reference = v.reference,
        discount = v.discount}
      keep_superseded({id = slice.chunk}, pos, list)
    end
  end
end

for _, slice in ipairs(slices_of(b)) do
  local d = chunk(slice.chunk)
  if not d and restored then remember(slice) end
  if d and not exceptional then
    judge(d, slice.from, slice.to, whole)
  elseif d then
    for pos = slice.from, slice.to do
      judge(d, pos, pos, exceptions[slice.offset + pos - slice.from + 1] or whole)
    end
  end
end

if refused > 0 then
  local did = divide(b, 's', {arg.first_child, arg.second_child}, whole.message)
  local rejected = did == 'rejected' and 1 or 0 -- It was alone: the others have been withheld.
  counts.rejected = counts.rejected + rejected
  counts.returned = counts.returned + refused - rejected
end

-- What came too early is tried again now that we know whom the provider's ids name.
if redis.call('EXISTS', key('parkeddue')) == 1 then
  for _, v in pairs(exceptions) do
    if v.reference ~= '' then
      local name = provider .. ' ' .. v.reference
      redis.call('ZADD', key('parkeddue'), 'XX', now, name) -- break: parked-due
    end
  end
end

if not stale then
  local gone = counts.returned == b.n
  b.state, b.recorded = gone and 'returned' or 'open', attempt
  b.why, b.words = why, why ~= '' and whole.message or ''
  b.result = table.concat({counts.accepted, counts.rejected, counts.returned, counts.doubt}, ' ')
  enter_log(b, 'answered', attempt, now_text, whole.verdict,
    whole.reason == '' and '-' or whole.reason, b.result, arg.wire)
  redis.call('LREM', key('ready', provider), 0, id)
  if counts.doubt == b.n and b.known == 0 and traits(provider).resend > 0 then
    -- The moment when it may be repeated.
    schedule(b, math.max(1, still_out(b))) -- break: resend-due
  else
    schedule(b, arg.first_query)
  end
  if counts.accepted > 0 then
    b.known = 1
    note_acceptance(provider)
  end
end
local judged = counts.accepted + counts.rejected + handed
if stale then -- break: stale-news
  -- What an older attempt met is old news about the channel.
elseif arg.pause_reason ~= '' then
  pause(provider, arg.pause_reason, arg.retry_after)
elseif whole.reason == 'duplicate' then -- break: channel-duplicate
  resume(provider) -- The provider works; what is in doubt is an earlier sending.
elseif for_one then -- break: channel-for-one
  take_care(provider)
elseif unclear > 0 and judged + counts.returned == 0 then
  count_failure(provider, why) -- break: channel-why
elseif judged > 0 then
  resume(provider)
end
if not stale and not for_one then ease(provider, judged + counts.doubt) end
if counts.doubt > 0 and whole.reason ~= 'duplicate' then -- break: record-ramp
  reset_ramp(provider)
elseif judged > 0 then
  ramp_up(provider, judged)
end
return {stale and 'stale' or 'recorded', counts.accepted, counts.rejected, counts.returned,
  counts.doubt, wakeups(touched, arg.slots)}
