-- admission: the one gate to the queues: who may be queued now, and who is held, and why.
-- include: duplicates, pending, moves

-- What is asked of a recipient is, in this order: an approval, to wait until its job may be sent,
-- to be no duplicate, and room in the guards of its phone number and in the other ones. The first
-- that is missing holds it, under one of these letters. Release passes what holds it, with all
-- before it; the rest is looked at again. The ways back from a batch are no admission: those
-- recipients are counted already.
local STEP = {A = 1, S = 2, D = 3, V = 4, B = 5}
local admission_of, each_admitted
do
  local known = {}

  -- admission_of reads what Go says is asked of recipients: "bits approval", bits of guards. Those
  -- that refuse are looked at before those that hold.
  function admission_of(text)
    if known[text] then return known[text] end
    local bits, approval = text:match('^(%d+) ?(.*)$')
    local a = {approval = approval, duplicates = {}, phones = {}, budgets = {}, all = {}}
    bits = tonumber(bits)
    for _, guard in ipairs(GUARD_LIST) do
      if bits % 2 == 1 then
        local list = guard.within and a.duplicates or guard.of == 'phone' and a.phones or a.budgets
        table.insert(list, guard.refuse and 1 or #list + 1, guard)
        a.all[#a.all + 1] = guard
        a.refuses = a.refuses or guard.refuse
      end
      bits = math.floor(bits / 2)
    end
    known[text] = a
    return a
  end

  -- full returns the name of the first guard that has no room for n recipients and their money;
  -- nil if all have.
  local function full(guards, d, provider, phone, n, sum)
    for _, guard in ipairs(guards) do
      local field = d.currency .. ' ' .. (phone or holds.subject(guard, d, provider))
      local had_n, had_sum = charges.figure(
        charges.key(guard.name, charges.period(guard.per), phone), field)
      local limit = charges.limit(guard, d.currency, field)
      if guard.count > 0 and had_n + n > guard.count -- break: guard-count
        or limit and had_sum + sum > limit then -- break: guard-limit
        return guard.name
      end
    end
  end

  -- lines_of_charges spells what the guards count a recipient for.
  local function lines_of_charges(asked, d, provider)
    local lines = {}
    for _, guard in ipairs(asked.all) do
      if not guard.within then
        lines[#lines + 1] = table.concat({guard.name, charges.period(guard.per),
          holds.subject(guard, d, provider)}, '\t')
      end
    end
    return table.concat(lines, '\n')
  end

  -- alike calls fn with each stretch of positions of which find returns the same: from, to, that.
  local function alike(from, to, find, fn)
    local start, found = from, find(from)
    for pos = from + 1, to do
      local other = find(pos)
      if other ~= found then
        fn(start, pos - 1, found)
        start, found = pos, other
      end
    end
    fn(start, to, found)
  end

  -- each_admitted looks whether the recipients from..to of a chunk, who go to one provider, may be
  -- queued, and calls fn with each stretch of them: from, to, and what holds it, a letter and the
  -- rule. For who may be queued that is '', and behind it comes what guards have counted them for,
  -- to be kept with charges.note. passed is the step that counts as passed.
  function each_admitted(d, from, to, provider, asked, prints, passed, fn)
    local lines = lines_of_charges(asked, d, provider)

    -- one looks at the guards about one recipient.
    local function one(pos)
      content_of(d)
      local velocity = passed < STEP.V
        and full(asked.phones, d, provider, d.phone[pos], 1, d.amount[pos])
      if velocity then return 'V' .. velocity end
      local budget = passed < STEP.B and full(asked.budgets, d, provider, nil, 1, d.amount[pos])
      if budget then return 'B' .. budget end
      charges.count(d, pos, pos, lines, 1) -- break: charged
      return ''
    end

    local function emit(first, last, hold) fn(first, last, hold, hold == '' and lines or '') end

    -- bounded looks at a stretch at once, and where it does not fit so at each by itself.
    local function bounded(first, last)
      local n, sum = last - first + 1, sum_of(d, first, last)
      if #asked.phones == 0
        and (passed >= STEP.B or not full(asked.budgets, d, provider, nil, n, sum)) then
        charges.count(d, first, last, lines, 1)
        return emit(first, last, '')
      end
      alike(first, last, one, emit)
    end

    if passed < STEP.A and asked.approval ~= '' then -- break: approval-holds
      return emit(from, to, 'A' .. asked.approval)
    end
    if passed < STEP.S and d.not_before > now then return emit(from, to, 'S') end -- break: early
    if passed >= STEP.D or #asked.duplicates == 0 then return bounded(from, to) end
    alike(from, to, function(pos)
      for _, guard in ipairs(asked.duplicates) do
        if paid_before(d, pos, prints, guard.within) then return 'D' .. guard.name end
      end
      return ''
    end, function(first, last, hold)
      if hold == '' then bounded(first, last) else emit(first, last, hold) end
    end)
  end
end
