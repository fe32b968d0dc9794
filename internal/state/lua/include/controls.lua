-- controls: campaigns that people pause or slow down.
-- include: pending, channels

-- HASH control:<campaign> has what people have decided about a campaign:
--   paused, paused_by, paused_note    since when it is paused (ms), who and why
--   rate, rate_by, rate_note          recipients a second that may be drawn, who and why
--   tokens, charged                   what the rate leaves, and when that was counted (ms)
-- LIST withheld:<provider>:<campaign> has the entries of recipients whom Claim has set aside for
-- that: at the head of the queue they would keep it from everybody else. SET controlled has the
-- campaigns of which there is either; without it, nothing here is looked at.
local controls = {}
do
  -- SAVED is for how many seconds of no use a rate saves tokens.
  local SAVED = 2
  local any
  local known = {} -- By campaign.

  function controls.bucket(campaign) return key('control', campaign) end
  function controls.withheld(provider, campaign)
    return key('withheld', provider .. ':' .. campaign)
  end

  local function control(campaign)
    if campaign == '' then return nil end
    if any == nil then any = redis.call('EXISTS', key('controlled')) == 1 end
    if not any then return nil end
    local c = known[campaign]
    if not c then
      local bucket = controls.bucket(campaign)
      local v = redis.call('HMGET', bucket, 'paused', 'rate')
      local rate = tonumber(v[2])
      c = {paused = v[1], tokens = rate and tokens_in(bucket, rate, math.max(1, SAVED * rate))}
      known[campaign] = c
    end
    return c
  end

  -- room is how many recipients of a campaign may be drawn now.
  function controls.room(campaign)
    local c = control(campaign)
    if not c then return math.huge end
    if c.paused then return 0 end -- break: campaign-paused
    return c.tokens and math.floor(c.tokens) or math.huge
  end

  -- spend takes note that recipients of a campaign are drawn.
  function controls.spend(campaign, n)
    local c = control(campaign)
    if not c or not c.tokens then return end
    c.tokens = c.tokens - n
    keep_tokens(controls.bucket(campaign), c.tokens) -- break: campaign-charge
  end

  -- stop says whether a batch that was never sent has members of a paused campaign.
  function controls.stop(b)
    local found = false
    if b.attempt > 0 then return false end
    each_run_at(b, 'q', function(d)
      local c = control(d.campaign)
      found = found or c and c.paused and true
    end)
    return found
  end

  function controls.withhold(provider, d, entry)
    redis.call('RPUSH', controls.withheld(provider, d.campaign), entry) -- break: campaign-withheld
  end
end
