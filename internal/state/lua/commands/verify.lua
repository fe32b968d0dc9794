-- verify: recount the chunks of one page against its book, or sum the books of all pages: of one
-- day against those of its campaigns, or of all days against the whole.
-- include: evidence, charges
-- KEYS[1]: {namespace}:state
-- Returns: {disbursals, recipients, {drift, as text, ...}}

local arg = arguments {
  'page', -- '' for all pages.
  'day', -- '' for all days.
}
local drift = {}

-- book returns each figure of a book by a name of its own.
local function book(name)
  local list = {}
  for field, figures in pairs(book_of(name)) do
    list[field], list[field .. ' minor'] = figures.count, figures.minor
    list[field .. ' discount'] = figures.units
  end
  return list
end

local function compare(what, counted, booked)
  for field, figure in pairs(counted) do
    if figure ~= (booked[field] or 0) then
      drift[#drift + 1] = string.format('%s: %s is %.0f in the book, counted %.0f',
        what, field, booked[field] or 0, figure)
    end
  end
  for field, figure in pairs(booked) do
    if counted[field] == nil and figure ~= 0 then
      drift[#drift + 1] = string.format('%s: %s is %.0f in the book, counted 0', what, field,
        figure)
    end
  end
end

local function add(counted, field, figure)
  counted[field] = (counted[field] or 0) + figure
end

-- balanced checks that what was requested is the sum over all statuses.
local function balanced(what, figures)
  local rest = {}
  for field, figure in pairs(figures) do
    local provider, currency, status, minor = field:match('^(%S+) (%S+) (%S+)( ?%S*)$')
    if minor ~= ' discount' then -- Nobody requests one.
      add(rest, provider .. ' ' .. currency .. minor, status == 'requested' and figure or -figure)
    end
  end
  for field, figure in pairs(rest) do
    if figure ~= 0 then
      drift[#drift + 1] = string.format('%s: requested and statuses of %s differ by %.0f',
        what, field, figure)
    end
  end
end

-- located counts the disbursals of a chunk, and checks that they are found there.
local function located(d)
  local before, count = 0, 0
  for ref, n in d.refs:gmatch('(%S+) (%d+)') do
    local found = find_disbursal(ref)
    if not found or found.chunk ~= d.id or found.before ~= before or found.n ~= tonumber(n) then
      drift[#drift + 1] = ref .. ' is not found where it is'
    end
    before, count = before + n, count + 1
  end
  if before ~= d.n then drift[#drift + 1] = d.refs:match('^%S+') .. ': recipients are missing' end
  return count
end

local function recount(d, counted)
  local name = 'chunk of ' .. d.refs:match('^%S+')
  content_of(d)
  local open, sum = 0, 0
  for _, run in ipairs(runs(d, 1, d.n)) do
    local status, n, money = STATUS[run.status], run.to - run.from + 1, 0
    if not status then
      drift[#drift + 1] = name .. ': a recipient has no status'
    elseif not run.provider then
      drift[#drift + 1] = name .. ': a recipient has no provider'
    elseif run.location == '?' then
      drift[#drift + 1] = name .. ': a recipient has no location'
    else
      local field = run.provider .. ' ' .. d.currency .. ' '
      for i = run.from, run.to do money = money + (d.amount[i] or 0) end
      add(counted, field .. 'requested', n)
      add(counted, field .. 'requested minor', money)
      add(counted, field .. status.name, n)
      add(counted, field .. status.name .. ' minor', money)
      local units = units_in(d, run.from, run.to)
      if units ~= 0 then add(counted, field .. status.name .. ' discount', units) end
      if not status.settled then open = open + n end
      sum = sum + money
    end
  end
  if #d.rows ~= d.n * WIDTH or #d.phone ~= d.n then
    drift[#drift + 1] = name .. ': recipients are missing'
  end
  if sum ~= d.sum then
    drift[#drift + 1] = string.format('%s: holds %.0f, accepted %.0f', name, sum, d.sum)
  end
  if open ~= d.open then
    drift[#drift + 1] = string.format('%s: %.0f open, counted %.0f', name, d.open, open)
  end
end

local function add_all(counted, figures)
  for field, figure in pairs(figures) do add(counted, field, figure) end
end

-- sum_pages adds the books of the pages of a day, or of all, and of what was forgotten.
local function sum_pages(counted, day)
  for _, page in ipairs(redis.call('ZRANGE', key('pages'), 0, -1)) do
    if not day or day_of_page(page) == day then add_all(counted, book(key('pagebook', page))) end
  end
  add_all(counted, book(key('forgotten', day)))
end

-- spent reads figures of charges: field -> recipients, and field and ' minor' -> money.
local function spent(name, figures)
  local list = redis.call('HGETALL', name)
  for i = 1, #list, 2 do
    local n, sum = list[i + 1]:match('^(%S+) (%S+)$')
    add(figures, list[i], tonumber(n))
    add(figures, list[i] .. ' minor', tonumber(sum))
  end
  return figures
end

-- recount_spent adds what the guards count of a chunk's recipients.
local function recount_spent(d, figures)
  charges.spending(d, function(from, to, lines)
    charges.parts(d, from, to, lines, function(field, n, sum)
      add(figures, field, n)
      add(figures, field .. ' minor', sum)
    end)
  end)
end

-- compare_guards compares what each guard counts in the present period with the sum over the pages.
local function compare_guards()
  local all = spent(key('forgottenspent'), {})
  for _, page in ipairs(redis.call('ZRANGE', key('pages'), 0, -1)) do
    spent(key('pagespent', page), all)
  end
  for _, guard in ipairs(GUARD_LIST) do
    if guard.per and guard.per ~= 'balance' then -- That is the book.
      local period = charges.period(guard.per)
      local mine, before = {}, guard.name .. '\t' .. period .. '\t'
      for field, figure in pairs(all) do
        if field:sub(1, #before) == before then
          mine[field:sub(#before + 1):gsub('\t', ' ', 1)] = figure
        end
      end
      compare('guard ' .. guard.name, mine, spent(charges.key(guard.name, period), {}))
    end
  end
end

local counted, counted_spent, refs, recipients = {}, {}, 0, 0
if arg.page ~= '' then
  for _, id in ipairs(redis.call('LRANGE', key('page', arg.page), 0, -1)) do
    local d = chunk(id)
    if d then
      recount(d, counted)
      recount_spent(d, counted_spent)
      recipients = recipients + d.n
      refs = refs + located(d)
    else
      drift[#drift + 1] = 'chunk ' .. id .. ' is missing'
    end
  end
  compare('page ' .. arg.page, counted, book(key('pagebook', arg.page)))
  balanced('page ' .. arg.page, counted)
  compare('guards of page ' .. arg.page, counted_spent, spent(key('pagespent', arg.page), {}))
elseif arg.day ~= '' then
  local booked = {}
  for _, campaign in ipairs(redis.call('SMEMBERS', key('daycampaigns', arg.day))) do
    local figures = book(key('daybook', arg.day .. ':' .. campaign))
    add_all(booked, figures)
    balanced('campaign "' .. shown(campaign) .. '" on ' .. arg.day, figures)
  end
  sum_pages(counted, arg.day)
  compare('day ' .. arg.day, counted, booked)
else
  sum_pages(counted)
  compare('all pages', counted, book(key('book')))
  compare_guards()
  balanced('all pages', book(key('book')))
end
return {refs, recipients, drift}
