-- callbacks: what people are told about callbacks.
-- include: journal

-- note_callback takes note of a callback about a recipient in a batch: when it came, the code of
-- what it said, the provider's id there, and what that did. Whoever settled by a callback has the
-- mark of it, and what was said before is no news: a script may run twice.
local function note_callback(b, d, pos, at, said, id, effect)
  local status, location = row(d, pos)
  local settled = location == b.id and status == said and STATUS[said].settled
    and (id == '' or id == reference_of(d, pos))
  if settled and evidence_of(d, pos):find('^%d+c') then return end -- break: callback-marked
  local member = journal.member(b, d, pos)
  local text = b.journal > 0 and redis.call('GET', key('journal', b.id)) or ''
  for index, word in text:gmatch('callback (%d+) %d+ (%S)') do
    if tonumber(index) == member and word == said then return end -- break: callback-once
  end
  journal.enter(b, d, pos, 'callback', string.format('%.0f', at), said, effect)
end
