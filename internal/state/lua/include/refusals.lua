-- refusals: who is at fault when a provider refuses a whole batch: split in halves, put one aside,
-- pause the channel at the third.
-- include: queue, channels

-- One rule for every provider. A batch that surely had no effect because it was refused as a whole,
-- or could not even be prepared, is split in halves that are never remixed, until one recipient is
-- alone. It is rejected if the provider has accepted anybody since the first sending began that
-- refused it. Else the fault may be the account's: the recipient is put aside until the next
-- acceptance, goes alone once more then, and is judged again; the third one that is put aside
-- without an acceptance between pauses the channel. Where a refusal is believed only because the
-- provider does not know the batch, the batch waits in doubt and is sent again as it is: a provider
-- that has taken it after all refuses it once more, and pays nobody twice.
--   refused:<provider>  LIST  entries of recipients that were put aside, the oldest first

-- members_at lists the stretches of members that stand at (status, batch), at most limit members
-- from the skip-th on: {{chunk =, from =, to =}, ...}, and how many members that are.
local function members_at(b, status, skip, limit)
  local list, n = {}, 0
  each_run_at(b, status, function(d, run)
    local from = run.from + math.min(skip, run.to - run.from + 1)
    skip = skip - (from - run.from)
    local to = math.min(run.to, from + limit - n - 1)
    if to >= from then
      list[#list + 1] = {chunk = d, from = from, to = to} -- break: half-member
      n = n + to - from + 1
    end
  end)
  return list, n
end

-- since_refused is when the first sending began that refused the members of a batch.
local function since_refused(b)
  if b.refused_since > 0 then return b.refused_since end
  return b.sent > 0 and b.sent or now
end

-- withheld says whether a recipient of a refused batch must not be sent again: it was cancelled, or
-- another batch shows an effect.
local function withheld(d, pos) return cancelled(d, pos) or paid_elsewhere(d, pos) end

-- withhold returns the members that must not be sent again.
local function withhold(b, status)
  for _, s in ipairs(members_at(b, status, 0, b.n)) do
    for pos = s.from, s.to do
      if withheld(s.chunk, pos) then requeue(s.chunk, pos, pos) end
    end
  end
end

local divide
do
  local function move_to_child(b, status, members, n, id)
    local slices = {}
    for i, s in ipairs(members) do slices[i] = slice_text(s.chunk, s.from, s.to) end
    local half = new_batch(id, b.provider, 'ready', slices, n)
    half.parent, half.refused_since = b.id, since_refused(b)
    for _, s in ipairs(members) do put(s.chunk, s.from, s.to, status, b.id, 'q', id) end
  end

  -- halve makes two child batches, which go first: so a single recipient is found in a dozen
  -- requests, however many members there were.
  local function halve(b, status, n, ids)
    local half = math.ceil(n / 2)
    local first, firsts = members_at(b, status, 0, half)
    local second, seconds = members_at(b, status, half, b.n)
    move_to_child(b, status, first, firsts, ids[1])
    move_to_child(b, status, second, seconds, ids[2])
    redis.call('LPUSH', key('ready', b.provider), ids[2], ids[1])
  end

  -- put_aside lets a recipient that was refused alone wait for the next acceptance: in its batch,
  -- if that stays in doubt, else in a queue. One that was put aside before (in this batch, or it
  -- was drawn alone, so that its batch has no parent) is not counted again: what one recipient
  -- causes is no fault of the account.
  local function put_aside(b, d, pos, status)
    local provider, channel = b.provider, key('channel', b.provider)
    local before = b.asides > 0 or b.parent == '' and b.refused_since > 0
    b.refused_since = since_refused(b)
    if status == 'd' and b.n == 1 then -- break: aside-same
      b.aside, b.asides = now, b.asides + 1
    else
      local location = pending_location(provider)
      put(d, pos, pos, status, b.id, 'q', location)
      redis.call('RPUSH', key('refused', provider),
        entry_of(d, pos, pos, location, b.refused_since))
      redis.call('HSET', channel, 'refused_at', now_text)
    end
    if before then return end -- break: aside-once
    local refusals = redis.call('HINCRBY', channel, 'refusals', 1)
    if refusals >= 3 or half_open(provider) then pause(provider, 'account_fault', 0) end
  end

  -- divide decides what follows for the members of a batch that stand at (status, batch) and surely
  -- had no effect: halves with new ids, or the rule for the one that is alone. Returns what it did:
  -- halved, rejected, put_aside, or '' with no member left. The message is the provider's, where
  -- the batch does not have it yet.
  function divide(b, status, ids, message)
    withhold(b, status) -- break: withheld
    local members, n = members_at(b, status, 0, b.n)
    local did = ''
    if n > 1 then
      halve(b, status, n, ids)
      did = 'halved'
    elseif n == 1 then
      local d, pos = members[1].chunk, members[1].from
      if of_channel(b.provider, 'accepted_at') > since_refused(b) then -- break: accepted-since
        settle(d, pos, 'x', b.id, 'refused', '', message or b.words)
        reattach(d, pos)
        did = 'rejected'
      else
        put_aside(b, d, pos, status)
        did = 'put_aside'
      end
    end
    return did
  end
end

-- note_acceptance takes note that a provider accepted somebody: whoever is put aside goes again.
local function note_acceptance(provider)
  redis.call('HSET', key('channel', provider), 'accepted_at', now_text)
  redis.call('HDEL', key('channel', provider), 'refusals')
  local entry = redis.call('LPOP', key('refused', provider))
  while entry do
    redis.call('RPUSH', key('pending', provider), entry) -- break: aside-again
    entry = redis.call('LPOP', key('refused', provider))
  end
end
