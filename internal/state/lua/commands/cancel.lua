-- cancel: put the lasting mark on a name and withdraw what is not on the wire.
-- include: queue
-- KEYS[1]: {namespace}:state
-- Returns: {withdrawn, too late: on the wire, in doubt, or whatever the provider made of them}

local arg, rest = arguments {
  'kind', -- Kind: disbursal, import or campaign.
  'name',
}
redis.call('HSETNX', key('cancelled'), arg.kind .. ' ' .. arg.name, now)
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

local found = arg.kind == 'disbursal' and find_disbursal(arg.name)
if found then
  withdraw(chunk(found.chunk), found.before + 1, found.before + found.n) -- break: cancel-part
end
for i = rest, #ARGV do -- Chunks of the import or campaign, to withdraw now.
  local d = chunk(ARGV[i])
  if d then withdraw(d, 1, d.n) end
end
return {withdrawn, late}
