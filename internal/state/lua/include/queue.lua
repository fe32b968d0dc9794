-- queue: bring recipients that were surely not sent back to a queue, or to the next provider.
-- include: cancelled, pending, superseded

-- queue_at returns a run of recipients that surely were not sent to the queue of a provider, or to
-- where an earlier batch shows them, or out, if they have been cancelled meanwhile.
local function queue_at(d, from, to, provider, head)
  for _, part in ipairs(by_mark(d, from, to)) do
    local first, last = part.from, part.to
    if part.cancelled then
      cancel_run(d, first, last)
    else
      local location = pending_location(provider)
      for _, run in ipairs(runs(d, first, last)) do
        put(d, run.from, run.to, run.status, run.location, 'q', location)
      end
      push_pending(d, first, last, location, head) -- break: requeued
    end
  end
  if has_superseded() then
    for pos = from, to do reattach(d, pos) end
  end
end

-- requeue returns a run to the head of the queue that it came from.
local function requeue(d, from, to)
  local _, _, provider = row(d, from)
  queue_at(d, from, to, provider, true)
end

-- failover moves a run that one provider surely does not pay to the queue of the next.
local function failover(d, from, to, next, reason, message)
  local _, location, provider = row(d, from)
  for pos = from, to do
    remember_refusal(d, pos, provider, is_batch(location) and location or '', reason, message)
  end
  queue_at(d, from, to, next, false) -- break: failover-next
end

-- requeue_batch gives the members of a batch back that has never begun to send.
local function requeue_batch(b)
  redis.call('ZREM', key('slots', b.provider), b.id)
  redis.call('LREM', key('ready', b.provider), 0, b.id)
  b.state = 'returned'
  each_run_at(b, 'q', function(d, run) requeue(d, run.from, run.to) end)
end
