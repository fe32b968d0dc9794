-- cancel: put the lasting mark on a name and withdraw what is not on the wire.
-- include: queue
-- KEYS[1]: {namespace}:state
-- ARGV[1]: kind: disbursal, import or campaign
-- ARGV[2]: name
-- ARGV[3]: then the chunks of the import or campaign to withdraw now
-- Returns: {withdrawn, too late: on the wire, in doubt, or whatever the provider made of them}

redis.call('HSETNX', key('cancelled'), ARGV[1] .. ' ' .. ARGV[2], now)
local withdrawn, late = 0, 0

local function withdraw(d, from, to)
  for _, run in ipairs(runs(d, from, to)) do
    local holder = run.status == 'q' and is_batch(run.location) and batch(run.location)
    if holder and holder.attempt == 0 then requeue_batch(holder) end
  end
  for _, run in ipairs(runs(d, from, to)) do
    if run.status == 'q' and not is_batch(run.location) then cancel_run(d, run.from, run.to) end
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

local found = ARGV[1] == 'disbursal' and find_disbursal(ARGV[2])
if found then
  withdraw(chunk(found.chunk), found.before + 1, found.before + found.n) -- break: cancel-part
end
for i = 3, #ARGV do
  local d = chunk(ARGV[i])
  if d then withdraw(d, 1, d.n) end
end
return {withdrawn, late}
