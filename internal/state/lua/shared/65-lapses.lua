-- Lapses ----------------------------------------------------------------------------------------

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
  for _, slice in ipairs(slices_of(b)) do
    local d = chunk(slice[1])
    for _, run in ipairs(runs(d, slice[2], slice[3])) do
      if run[3] == 's' and run[4] == b.id then
        put(d, run[1], run[2], 's', b.id, 'd', b.id) -- break: silent-rows
        for pos = run[1], b.attempt == 1 and run[2] or 0 do
          -- What was said of another sending goes.
          if evidence_of(d, pos) ~= '' then write_evidence(d, pos, 'silent', '', '') end
        end
      end
    end
  end
  b.state, b.why, b.words = 'open', 'silent', ''
  reset_ramp(b.provider) -- break: silent-ramp
  schedule(b, first_query(b))
  redis.call('ZREM', key('slots', b.provider), b.id)
end
