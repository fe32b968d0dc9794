-- journal: what people are told of a batch that the evidence of its members does not say.
-- include: batches, evidence

--   journal:<batch>  STRING  lines in their order, bounded; it goes with the batch. Members count
--       from 0.
--     "callback member ms status effect"  a callback: when it came, the code of what it said ('-'
--         for a word that is not known), and what that did: moved, nothing, or asked, where a query
--         decides. One that settled its recipient is marked in the evidence instead; one that says
--         the same again is in neither.
--     "was member ms status batch evidence"  where a settled member stood until it was corrected,
--         when that was, and its line of evidence then, without words: a number may be in them

local journal = {}

-- member is the index of a recipient among the members of a batch.
function journal.member(b, d, pos)
  for _, slice in ipairs(slices_of(b)) do
    if slice.chunk == d.id and slice.from <= pos and pos <= slice.to then
      return slice.offset + pos - slice.from
    end
  end
end

-- enter adds a line about a recipient, unless the journal is full.
function journal.enter(b, d, pos, what, ...)
  local member = journal.member(b, d, pos)
  local line = member and table.concat({what, member, ...}, ' ') .. '\n'
  if not line or b.journal + #line > 4000 + 64 * b.n then return end -- break: journal-bound
  redis.call('APPEND', key('journal', b.id), line)
  b.journal = b.journal + #line
end

-- past keeps where the recipients from..to stood, who are corrected.
function journal.past(d, from, to, old, left, location)
  local b = batch(is_batch(location) and location or left)
  for pos = from, b and to or 0 do
    local line = evidence_of(d, pos):gsub('^([^\t]*\t[^\t]*\t[^\t]*\t)[^\t]*', '%1')
    journal.enter(b, d, pos, 'was', now_text, old, left, line)
  end
end
