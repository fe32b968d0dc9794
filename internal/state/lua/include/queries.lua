-- queries: how often a provider was asked about a batch, and what it answered last.
-- include: batches

-- note_query counts a query that was made, once however often the script runs, and keeps its answer
-- in words; '' if the provider was not asked.
local function note_query(b, number, words)
  number = string.format('%.0f', number)
  if words == '' or b.said:match('^%d+') == number then return end -- break: query-once
  b.asked, b.queries, b.said = now, b.queries + 1, number .. ' ' .. words
end
