-- handout: hand out one named status query: that of a task which shows it, and which a person ran
-- or asynq released at its time. Runs on a full Redis.
-- include: batches
-- KEYS[1]: {namespace}:state
-- Returns: handed (also to the same task again), gone, asked (another query was handed out since),
--   moved (it is due at another time, or not any more) or soon (one was brought forward just now)

local arg = arguments {
  'batch',
  'number#', -- Number of the query.
  'due#', -- When it was due, as the task shows it (ms)
  'lost_after#', -- Ms until a query that was handed out counts as lost.
  -- Ms between two queries that are brought forward: a clock of asynq's that is ahead releases all
  -- tasks early.
  'gap#',
}
allow_oom()
local b, number = batch(arg.batch), arg.number
if not b then return 'gone' end
if b.polls == number then return 'handed' end
if b.polls ~= number - 1 then return 'asked' end -- break: handout-asked
local due = tonumber(redis.call('ZSCORE', key('due'), b.id) or 0)
if due ~= arg.due then return 'moved' end -- break: handout-moved
if due > now then
  if b.hinted <= now and b.hinted + arg.gap > now then
    return 'soon' -- break: handout-soon
  end
  b.hinted = now
end
b.polls = number
schedule(b, arg.lost_after)
return 'handed'
