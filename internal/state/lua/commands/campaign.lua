-- campaign: let a person pause a campaign, resume it, or set its rate. Runs on a full Redis.
-- include: audit, controls
-- KEYS[1]: {namespace}:state
-- Returns: {1 if this changed something, since when a person's pause stands, or stood (ms; 0 for
--   none), by whom, note, the rate before ('' for none)}

local arg = arguments {
  'decision',
  'who',
  'sealed',
  'campaign',
  'what', -- Pause, resume or rate.
  'rate', -- Recipients a second, as a decimal; '' for none.
  'note',
}
allow_oom()
local taken = replayed(arg.decision)
if taken then return taken end

local control, what = controls.bucket(arg.campaign), arg.what
local was = redis.call('HMGET', control, 'paused', 'paused_by', 'paused_note', 'rate')
local before = was[4] or ''

local function answer(changed)
  return {changed, tonumber(was[1] or 0), was[2] or '', was[3] or '', before}
end

local same
if what == 'rate' then
  same = arg.rate == before
else
  same = (what == 'pause') == (was[1] ~= false)
end
if same then return answer(0) end -- break: campaign-again

if what == 'pause' then
  was[1], was[2], was[3] = now_text, arg.who, arg.note
  redis.call('HSET', control, 'paused', now_text, 'paused_by', arg.who, 'paused_note', arg.note)
elseif what == 'resume' then
  redis.call('HDEL', control, 'paused', 'paused_by', 'paused_note')
elseif arg.rate == '' then
  redis.call('HDEL', control, 'rate', 'rate_by', 'rate_note', 'tokens', 'charged')
else
  redis.call('HSET', control, 'rate', arg.rate, 'rate_by', arg.who, 'rate_note', arg.note)
  keep_tokens(control, 0)
end
redis.call('SADD', key('controlled'), arg.campaign)
local per_second = what == 'rate' and (arg.rate == '' and '0' or arg.rate) or ''
local drafts = {{'campaign_' .. what, (shown(arg.campaign)),
  detail {'per_second', per_second, 'note', arg.note}}}
return audited(arg.decision, arg.who, arg.sealed, drafts, answer(1))
