-- describe: what callers learn about a batch.
-- include: evidence, batches

-- ids_of lists the provider's ids of a slice, one per line, where it is asked by them.
local function ids_of(b, d, slice)
  if traits(b.provider).asks ~= 'recipient' or b.attempt == 0 then return '' end
  local ids, evidence = {}, all_evidence(d)
  for pos = slice.from, slice.to do
    ids[#ids + 1] = evidence[pos]:match('^[^\t]*\t[^\t]*\t([^\t]*)') or ''
  end
  return table.concat(ids, '\n')
end

-- describe is what callers learn about a batch.
local function describe(b)
  local slices = {}
  for _, slice in ipairs(slices_of(b)) do
    local d, codes = chunk(slice.chunk), {}
    if not d then -- Forgotten since: the positions of the others stay.
      local name = slice.chunk:sub(1, 1) == '@' and slice.chunk:sub(2) or '?'
      slices[#slices + 1] = {slice.chunk, '', slice.from, '', ('-'):rep(slice.to - slice.from + 1),
        '', 0, '', table.concat({name, slice.from, slice.to}, ' ')}
    else
      for _, run in ipairs(runs(d, slice.from, slice.to)) do
        codes[#codes + 1] = (run.location == b.id and run.status or '-'):rep(run.to - run.from + 1)
      end
      slices[#slices + 1] = {d.id, d.currency, slice.from, lines_of(d, slice.from, slice.to),
        table.concat(codes), d.campaign, d.given == '' and 1 or 0, ids_of(b, d, slice),
        names_of(d, slice.from, slice.to)}
    end
  end
  return {b.id, b.provider, b.state, b.attempt, b.polls, b.parent, b.refused, b.open,
    b.sent > 0 and now - b.sent or 0, b.why, slices, now,
    b.doubtful > 0 and still_out(b) or 0, b.words, b.answered == b.polls and 1 or 0}
end
