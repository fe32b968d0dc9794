-- sending: sending again, and what follows when a claim or a sending lapses.
-- include: queue, channels

-- repeatable says whether a batch may be sent again as it is: all members are in doubt, and none is
-- known to have an effect. A member that was cancelled after the first sending was cancelled too
-- late: it follows the batch.
local function repeatable(b)
  if b.known == 1 or b.doubtful ~= b.n then return false end -- break: resend-part
  for i = 1, b.n do
    local d, pos = member(b, i)
    if not d or paid_elsewhere(d, pos) then return false end -- break: resend-whole
  end
  return true
end

local function make_ready(b)
  b.state = 'ready'
  schedule(b, 0)
  redis.call('RPUSH', key('ready', b.provider), b.id)
end
-- unclaim takes a claimed batch from its holder: its members go back, unless they belong together
-- (what is left of a batch that was refused) or may have been sent before.
local function unclaim(b)
  if b.attempt > 0 then
    b.state = 'doubt'
    schedule(b, 1000)
  elseif b.refused_since > 0 then
    b.state = 'ready'
    redis.call('RPUSH', key('ready', b.provider), b.id)
  else
    requeue_batch(b)
  end
  redis.call('ZREM', key('slots', b.provider), b.id)
end

-- expire_send puts a batch in doubt whose sender did not report back in time.
local function expire_send(b)
  each_run_at(b, 's', function(d, run)
    put(d, run.from, run.to, 's', b.id, 'd', b.id) -- break: silent-rows
    for pos = run.from, b.attempt == 1 and run.to or 0 do
      -- What was said of another sending goes.
      if evidence_of(d, pos) ~= '' then write_evidence(d, pos, 'silent', '', '') end
    end
  end)
  b.state, b.why, b.words = 'open', 'silent', ''
  enter_log(b, 'silent', b.attempt, now_text)
  reset_ramp(b.provider) -- break: silent-ramp
  schedule(b, first_query(b))
  redis.call('ZREM', key('slots', b.provider), b.id)
end
