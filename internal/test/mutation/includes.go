package mutation

// included are breaks of what scripts include.
var included = []Break{
	// include/plan.lua
	{"popped", "who was popped is lost", "p.at, p.popped = p.at + 1, p.popped + 2", scenario},

	// include/keys.lua
	{
		"traits", "a key is repeated after it has expired",
		"for _, t in pairs(PROVIDERS) do t.resend = 100 * t.resend end $",
		By{Simulation: 3},
	},

	// include/providers.lua
	{"code-taken", "a code is given to another provider", "then", scenario},
	{"code-name", "a code that only the state knows is not read", "", scenario},
	{
		"code-callbacks", "a provider that only the state knows has no index",
		"callbacks = false}", scenario,
	},
	{"codes-sum", "a program forgets what it does not know", "codes_of()", scenario},

	// include/audit.lua
	{"audit-replay", "a decision is taken again when it is repeated", "return nil", scenario},
	{"audit-head", "two decisions follow the same one", "if not before", scenario},
	{"audit-drafts", "a decision is kept as it was to be", "", scenario},
	{"audit-time", "a decision has the time when it began", "then", scenario},

	// include/chunks.lua
	{
		"owner-before", "positions count within the disbursal",
		"for i = pos + 1, last do owner[i], before[i] = ref, 0 end", scenario,
	},

	// include/batches.lua
	{"by-reference", "a forgotten disbursal is not found again", "", scenario},

	// include/evidence.lua
	{"callback-mark", "whatever a callback changes has its mark", "local here = true", scenario},

	// include/journal.lua, include/callbacks.lua, include/queries.lua
	{"journal-bound", "a journal has no bound", "if not line then return end", scenario},
	{"journal-kept", "a journal stays for ever", "", scenario},
	{"journal-past", "where somebody stood before is forgotten", "", scenario},
	{"callback-marked", "what settled somebody is told twice", "", scenario},
	{"callback-once", "the same callback is told again and again", "", scenario},
	{
		"query-once", "a query that is stored twice counts twice",
		"if words == '' then return end", scenario,
	},

	// include/books.lua
	{
		"book-moves", "what is handed on stays in the books",
		"if false then",
		By{Simulation: 7, Verbs: 61},
	},

	{"day-book", "the book of a day is not kept", "}", scenario},
	{
		"day-book", "campaigns of a day share a book",
		"key('daybook', day_of_page(page) .. ':')}", scenario,
	},

	// include/days.lua
	{"zone-changes", "the first offset of a time zone holds for ever", "", scenario},

	// include/indexes.lua
	{"out-left", "who has settled stays on the way", "", scenario},
	{"ids-days", "ids are searched for today only", "for day = today(), today() do", scenario},
	{
		"decided-days", "a decision counts for ever",
		"for day = today(), today() - 99, -1 do", scenario,
	},
	{"decided-once", "a decision is taken for two", "if true then", scenario},

	// include/moves.lua, and what stands on it
	{"blocked-back", "who was blocked is lost", "", By{Verbs: 46}},
	{
		"booked", "who is given back is booked twice",
		"for _ = 1, status == 'q' and 2 or 1 do $ end",
		By{Verbs: 1},
	},
	{"booked", "a move is not booked", "", By{Simulation: 7}},
	{"doubt-numbers", "numbers stay in doubt", "", By{Verbs: 38}},
	{
		"doubt-numbers", "doubts stay at the provider before",
		"if old == 'd' then mark_doubt(d, after, from, to, -1) end", scenario,
	},
	{"result-name", "results name the first disbursal", "name(d.owner[1])", scenario},
	{"learns-id", "ids are not learnt", "", By{Callbacks: 1, Scenario: true}},
	{
		"result-correction", "results are not published",
		"if old ~= status and settles then",
		By{Verbs: 111},
	},
	{
		"once", "a result is published twice",
		"for _ = 1, 2 do $ end",
		By{Simulation: 6, Verbs: 10},
	},
	{"once", "a result is not published", "", By{Simulation: 6}},
	{"keeps-id", "who names no id takes away the one that is known", "", scenario},
	{"result-id", "a result lacks the producer's id", "values[n + 7] = ''", scenario},
	{"found-reference", "a provider's id has no fingerprint", "", scenario},
	{"found-together", "ids that come together have no fingerprints", "", scenario},
	{
		"found-again", "an id that comes again has two fingerprints",
		"indexed = fingerprints", scenario,
	},
	{"mark-reference", "the cancel mark is ignored", "return false", By{Verbs: 26}},
	{"mark-campaign", "the cancel mark of a campaign is ignored", "", By{Verbs: 29}},
	{
		"cancelled", "cancelled recipients are given back",
		"$ if true then return false end",
		By{Simulation: 10},
	},
	{"mark-owner", "a mark counts for the chunk", "local ref = d.owner[d.n - 2]", scenario},
	{
		"mark-each", "the cancelled come back with the others",
		"for pos = from + 1, from do", scenario,
	},
	{"overpaid-listed", "overpaid is not listed", "return 1", By{Verbs: 168}},
	{"requeued", "who is given back is not pending", "", By{Simulation: 1, Verbs: 8}},
	{
		"failover-next", "who is handed on stays",
		"queue_at(d, from, to, provider, false)",
		By{Verbs: 61},
	},
	{"newer", "rank is ignored", "return old ~= status", By{Simulation: 5, Verbs: 81}},
	{"newer", "who is in doubt hears nothing", "if old ~= 'd' then $ end", By{Simulation: 5}},
	{"late-id", "the id of an earlier sending is not learnt", "", scenario},
	{"two-ids", "two ids are one payment", "if location == b.id then", scenario},
	{
		"other-effect", "effects on earlier batches are ignored",
		"if true then return 0, 0 end",
		By{Verbs: 38},
	},

	// include/channels.lua
	{"pause-stays", "an earlier request ends the pause", "", By{Verbs: 747, Scenario: true}},
	{"half-open-ends", "a half-open channel never closes", "", By{Verbs: 21}},
	{"ramp-full", "a part of a batch ramps up", "then", scenario},
	{"ramp-reset", "the ramp is never reset", "", By{Verbs: 80}},
	{
		"careful-left", "who comes later goes alone, too",
		"redis.call('HSET', key('channel', provider), 'careful', left)", scenario,
	},
	{"probe-size", "a probe is of full size", "", By{Verbs: 57}},
	{"careful-size", "batches grow after a refusal for one", "", scenario},
	{"ramp-some", "all ramp up", "if true then", scenario},
	{"tokens-clock", "tokens wait for the clock before", "if false then", scenario},
	{
		"tokens-burst", "tokens are saved without end",
		"return tonumber(v[1] or burst) + since * rate / 1000", scenario,
	},
	{"wakeup-probe", "somebody is called while a probe is out", "", By{Verbs: 20}},
	{"wakeup-tokens", "somebody is called without a token", "", By{Verbs: 2844}},
	{
		"wakeup-lost", "a lost trigger is waited for",
		"if notified_at > 0 then return 0 end",
		By{Simulation: 8},
	},
	{
		"waiting-since", "each trigger has the time of all",
		"redis.call('HSET', key('channel', provider), 'waiting', now)", scenario,
	},
	{
		"checks", "who is asked by recipient is looked at late",
		"return CHECK_DELAYS[b.checks + 1] or 0", scenario,
	},
	{"resend-part", "resend of a part", "if b.known == 1 then return false end", scenario},
	{
		"resend-whole", "one cancel strands the others",
		"if not d or cancelled(d, pos) then return false end", scenario,
	},

	// include/sending.lua
	{"silent-rows", "silence sends again", "requeue(d, run.from, run.to)", By{Simulation: 3}},
	{"silent-ramp", "silence does not reset the ramp", "", scenario},

	// include/refusals.lua
	{
		"half-member", "halves lose a member",
		"list[#list + 1] = {chunk = d, from = from, to = skip == 0 and from < to and to - 1 or to}",
		By{Verbs: 543},
	},
	{"aside-same", "who is aside goes again under another reference", "if false then", scenario},
	{"aside-once", "one recipient pauses a channel", "", scenario},
	{"withheld", "halves keep the cancelled", "", By{Verbs: 67, Scenario: true}},
	{
		"accepted-since", "an acceptance before the refusal counts",
		"if of_channel(b.provider, 'accepted_at') > 0 then",
		By{Verbs: 81},
	},
	{"aside-again", "nobody put aside goes again", "", By{Verbs: 80}},

	// include/batches.lua, include/evidence.lua and include/schedule.lua
	{"reopened-due", "who is reopened is not asked about", "", By{Verbs: 57}},
	{"doubts", "who is in doubt is not listed", "", By{Simulation: 9}},
	{"returned-due", "what came back leaves the schedule", "then", scenario},
	{"history", "who is handed on has no history", "if false then", By{Verbs: 61}},

	// end/flush.lua
	{"numbers-kept", "locations are given out twice", "", scenario},
	{"codes-kept", "codes are not kept", "", scenario},

	// include/webhooks.lua
	{"webhook-retry", "a retry of a delivery is lost", "", scenario},
}
