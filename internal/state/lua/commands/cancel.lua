-- cancel: put the lasting mark on a name and withdraw what is not on the wire.
-- include: audit, queue
-- KEYS[1]: {namespace}:state
-- Returns: {withdrawn, too late: on the wire, in doubt, or whatever the provider made of them}

local arg, rest = arguments {
  'decision',
  'who',
  'sealed',
  'kind', -- Kind: disbursal, import or campaign.
  'name',
  'note',
}
local taken = replayed(arg.decision)
if taken then return taken end

-- Who cancels what is cancelled decides nothing new: it goes on with the decision before.
local mark = arg.kind .. ' ' .. arg.name
local decides = redis.call('HEXISTS', key('cancelled'), mark) == 0
redis.call('HSETNX', key('cancelled'), mark, now)
local withdrawn, late = 0, 0

local function withdraw(d, from, to)
  for _, run in ipairs(runs(d, from, to)) do
    local holder = run.status == 'q' and is_batch(run.location) and batch(run.location)
    if holder and holder.attempt == 0 then requeue_batch(holder) end
  end
  for _, run in ipairs(runs(d, from, to)) do
    if (run.status == 'q' or run.status == 'h') and not is_batch(run.location) then
      cancel_run(d, run.from, run.to) -- break: cancel-held
    end
  end
  for _, run in ipairs(runs(d, from, to)) do
    local n = run.to - run.from + 1
    if run.status == 'c' then
      withdrawn = withdrawn + n
    elseif run.status ~= 'x' then
      late = late + n
    end
  end
end

local found = arg.kind == 'disbursal' and find_disbursal(arg.name)
if found then
  withdraw(chunk(found.chunk), found.before + 1, found.before + found.n) -- break: cancel-part
end
for i = rest, #ARGV do -- Chunks of the import or campaign, to withdraw now.
  local d = chunk(ARGV[i])
  if d then withdraw(d, 1, d.n) end
end

-- counted is how many recipients the book of an import or campaign has, and how many are queued or
-- held.
local function counted()
  local counts = {requested = 0, queued = 0, held = 0}
  for field, figures in pairs(book_of(key(arg.kind .. 'book', arg.name))) do
    local status = field:match('%S+$')
    if counts[status] then counts[status] = counts[status] + figures.count end
  end
  return counts.requested, counts.queued, counts.held
end

local drafts = {}
if decides then
  local list = {'kind', arg.kind, 'withdrawn', withdrawn, 'too_late', late, 'note', arg.note}
  if arg.kind ~= 'disbursal' then
    local requested, queued, held = counted()
    list = {'kind', arg.kind, 'recipients', requested, 'queued', queued, 'held', held, 'note',
      arg.note}
  end
  drafts[1] = {'cancel', (shown(arg.name)), detail(list)}
end
return audited(arg.decision, arg.who, arg.sealed, drafts, {withdrawn, late})
