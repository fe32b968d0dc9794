package mutation

import "slices"

// Scripts are breaks of the scripts in internal/state/lua: what a careless change could do, one
// disaster each.
var Scripts = slices.Concat(verbs, erasing, holds, campaigns, priorities, floats,
	included)

var scenario = By{Scenario: true}

// verbs are breaks of one verb each.
var verbs = []Break{
	// accept.lua
	{
		"digests-known", "digests of the forgotten are not looked at",
		"local forgetting = false", scenario,
	},
	{"taken-at-once", "a reference is taken twice at once", "", scenario},
	{
		"known-digest", "other content is taken for the same",
		"if known then return 'same' end",
		By{Simulation: 4, Verbs: 10},
	},
	{"known-digest", "a reference is taken twice", "", By{Simulation: 4, Verbs: 1}},
	{"accept-cancelled", "accept takes the cancelled", "", By{Simulation: 10}},
	{
		"stretch-code", "all recipients go to the first provider",
		"add(1, new.codes:sub(1, 1), asked)", scenario,
	},
	{"page-day", "a page is of several days", "or page == '' then", scenario},
	{"submitted-several", "the first submitter stands for all", "elseif false then", scenario},
	{"producer-listed", "disbursals of a producer are not listed", "", scenario},
	{"found-phone", "numbers and ids have no fingerprints", "", scenario},
	{"recall-position", "what was remembered goes to the neighbour", "reattach(d, i)", scenario},
	{"recall", "what was remembered is not recalled", "", scenario},

	// begin.lua
	{"begin-moved", "begin does not look at the state", "", By{Verbs: 5}},
	{"begin-holder", "begin does not look at the holder", "then", scenario},
	{"begin-stopped", "a person's pause lets what was claimed begin", "if false then", scenario},
	{"begin-late", "begin after the window", "", By{Callbacks: 221, Scenario: true}},
	{
		"begin-changed", "begin repeats what is known meanwhile",
		"if false then",
		By{Simulation: 2, Verbs: 329},
	},
	{"begin-rows", "begin leaves them queued", "", By{Simulation: 2}},
	{"begin-unanswered", "the first of two sendings is forgotten", "", scenario},

	// callback.lua
	{"reported-at", "a duplicate is told when it comes", "local reported_at = now", scenario},
	{"phone-amount", "the amount is not looked at", "", scenario},
	{"phone-currency", "the currency is not looked at", "", scenario},
	{
		"phone-alone", "a number that is out twice is matched",
		"if #out == 0 or #lost > 0 then return end",
		By{Callbacks: 9, Scenario: true},
	},
	{
		"phone-alone", "a person's decision is no doubt",
		"if #out ~= 1 then return end",
		By{Callbacks: 12, Scenario: true},
	},
	{
		"phone-alone", "the first of two decisions is meant",
		"if #out + #lost == 0 then return end", scenario,
	},
	{
		"phone-alone", "a person's word is final",
		"if #out ~= 1 or #lost > 0 then return end",
		By{Callbacks: 12, Scenario: true},
	},
	{"phone-in-doubt", "who is not in doubt is matched", "b = batch(one.location)", scenario},
	{"phone-before", "what was kept before is matched", "", scenario},
	{"id-stranger", "the id of another number is believed", "", scenario},
	{"phone-shared", "a shared account is matched by number", "then", scenario},
	{
		"drop-handed", "what is confirmed as less stays for ever",
		"local handed = STATUS[code] or STATUS.q", scenario,
	},
	{
		"drop-handed", "a better word is dropped by a worse one",
		"local handed = retried and STATUS[arg.handed_status] or nil", scenario,
	},
	{"drop-better", "a better word is dropped", "if false then", scenario},
	{"drop-counted", "kept ones are dropped in silence", "", scenario},
	{
		"give-up-asked", "what cannot be asked about is given up",
		"return give_up(victim)", scenario,
	},
	{"parked-age", "kept ones are dropped early", "if age > DAY then", scenario},
	{"parked-age", "kept callbacks are dropped", "if true then", By{Simulation: 9}},
	{
		"parked-stays", "a kept one is lost",
		`drop()
if false then`,
		scenario,
	},
	{"parked-rank", "a worse word replaces what is kept", "if true then", scenario},
	{"parked-rank", "what fits nobody is not kept", "if false then", By{Simulation: 9}},
	{"parked-room", "nobody is given up", "", scenario},
	{"parked-since", "a duplicate makes it younger", "string.format('%.0f', now),", scenario},
	{
		"unknown-word", "an unknown word is kept",
		"if code == '' and arg.apply == '1' then", scenario,
	},
	{"unconfirmed", "what is to be confirmed is applied", "", scenario},
	{
		"stranger-flag", "another number is not flagged",
		"if not d then return park(0) end", scenario,
	},
	{"amount-flag", "another amount is not flagged", "local strange = 0", scenario},
	{"asked-again", "what is worked on again is not asked about", "", scenario},
	{
		"asked-again", "who cannot be asked is asked",
		"if b.reopened then schedule(b, first_query(b)) end", scenario,
	},
	{"drop-applied", "a kept one that was applied stays", "", scenario},

	// cancel.lua
	{
		"cancel-part", "a cancel withdraws the chunk",
		"withdraw(chunk(found.chunk), 1, chunk(found.chunk).n)", scenario,
	},

	// channels.lua
	{"pause-ago", "a pause began when it is looked at", "0,", scenario},

	// claim.lua
	{"claim-charge", "the rate is not charged", "", By{Verbs: 2844}},
	{"claim-replay", "claim forgets its token", "if false then", By{Verbs: 1}},
	{
		"claim-replay", "a replay is charged",
		`$
charge(provider, tokens)`,
		scenario,
	},
	{"claim-serves", "a worker that asks in vain does not serve", "", scenario},
	{"claim-stopped", "a person's pause is claimed through", "", scenario},
	{"claim-slots", "claim sends more requests at once", "", By{Simulation: 2, Verbs: 298}},
	{"probe-alone", "two probes at once", "", By{Verbs: 20}},
	{
		"half-waits", "a half probes its own pause",
		"if ready then return hand_out(ready) end", scenario,
	},
	{"claim-in-doubt", "claim takes numbers in doubt", "local doubt = false", By{Verbs: 46}},
	{"claim-seen", "claim takes a number twice", "if blocked then", By{Verbs: 46}},
	{"claim-sees", "a batch takes a number twice from one chunk", "", scenario},
	{"claim-one-owner", "a chunk is never picked from", "", scenario},
	{"claim-cancelled", "claim takes the cancelled", "if false then", By{Simulation: 10}},
	{"aside-joins", "who was refused alone goes with others", "if false then", By{Verbs: 1126}},
	{
		"claim-queued", "claim takes who is not queued",
		"if true then",
		By{Simulation: 1, Verbs: 111},
	},
	{"aside-draws", "who was refused alone draws others", "", scenario},
	{
		"claim-puts-back", "who was popped goes to the end",
		"redis.call('RPUSH', back[i][1], back[i][2])", scenario,
	},
	{"claim-rows", "a claim leaves them in the queue", "", By{Simulation: 1}},

	// due.lua
	{"due-again", "a lost query is not handed out again", "schedule(b, 0)", By{Simulation: 8}},

	// forget.lua
	{"producer-forgotten", "a forgotten chunk stays with its producer", "", scenario},
	{
		"forget-book", "forget books all rows at one provider",
		"local field = next(PROVIDERS) .. ' ' .. d.currency .. ' '", scenario,
	},
	{
		"forget-digest", "only the first one's digest is kept",
		"local name = key('digest', d.refs:match('^%S+'))", scenario,
	},
	{"forget-open", "a chunk is retired with an open one", "then", scenario},
	{"forget-day", "what is forgotten leaves no day", "local gone = {key('forgotten')}", scenario},
	{"forget-listed", "what is forgotten stays listed", "", scenario},

	// handout.lua
	{"handout-asked", "a query is handed out by its name again", "", scenario},
	{"handout-moved", "a query that has moved is handed out by its name", "", scenario},
	{"handout-soon", "queries are brought forward without end", "", scenario},

	// hint.lua
	{"hint-sending", "a hint schedules what is out", "then", scenario},
	{"hint-ready", "a hint forgets what came back", "or b.state == 'returned'", scenario},
	{"hint-gap", "every hint is a query", "local at = now", scenario},
	{"hint-sooner", "hints put queries off", "", scenario},
	{"hint-later", "hints use up the looks", "", scenario},

	// duecallbacks.lua
	{"parked-lease", "a kept one is handed out at once again", "local again = 0", scenario},

	// observe.lua
	{
		"member-lines", "neighbours are told the first one's news",
		"lines[#lines + 1] = lines[1] or line", scenario,
	},
	{"neighbours", "news of neighbours goes astray", "if its ~= d then break end", scenario},
	{"overdue-listed", "who is overdue is not listed", "", By{Simulation: 9}},
	{"returned-asked", "what came back stays on the schedule", "if false then", scenario},
	{"returned-unanswered", "no answer about what came back is one", "delay = 0", scenario},

	// queuepause.lua
	{"queue-seen", "a pause of a queue that is over is kept", "", scenario},

	// record.lua
	{
		"stale", "record of an older attempt frees the slot",
		`$
redis.call('ZREM', key('slots', provider), id)`,
		By{Verbs: 179},
	},
	{"restored-refs", "a forgotten chunk is looked for by itself", "", scenario},
	{"record-replay", "record is not told when repeated", "if false then", By{Verbs: 5}},
	{"stale", "record of an older attempt counts", "local stale = false", By{Verbs: 104}},
	{"restored-began", "a restored batch was sent just now", "local began = now", scenario},
	{"restored-before", "a restored repetition was the first", "local before = 0", scenario},
	{
		"restored-sent", "a restored repetition has forgotten the first",
		"b.sent = began - before", scenario,
	},
	{"restored-sent", "a restored batch was sent never", "", scenario},
	{"restored-deadline", "a restored batch has no guard", "", scenario},
	{"restored-deadline", "a restored batch is not known at once", "", scenario},
	{"record-slot", "record keeps the slot", "", By{Verbs: 5}},
	{
		"record-first", "record returns from a second attempt",
		"local first = true",
		By{Simulation: 3, Verbs: 46, Callbacks: 1718},
	},
	{"for-one", "one alone in doubt is no storm", "", scenario},
	{"doubt-id", "the id of a doubt is not learnt", "", scenario},
	{
		"failover-first", "a refusal goes on from a second sending",
		"",
		By{Verbs: 1738, Scenario: true},
	},
	{"failover-back", "who was refused goes back", "then", scenario},
	{"refusal-id", "the id of a refusal is not learnt", "", scenario},
	{
		"unsent-first", "record returns what is unknown the first time",
		"elseif v.verdict ~= 'rejected' and first then",
		By{Verbs: 26},
	},
	{
		"unsent-first", "record returns what is unknown",
		"elseif v.verdict ~= 'rejected' then",
		By{Simulation: 3},
	},
	{
		"unsent-first", "an unknown is handed on",
		`elseif v.verdict == 'unknown' and first and redis.call('SCARD', key('providers')) > 1 then
for next in pairs(PROVIDERS) do
local _, location = row(d, from)
local there = redis.call('SISMEMBER', key('providers'), next) == 1
if location == id and next ~= provider and there then
failover(d, from, to, next, v.reason, v.message)
end
end
$`,
		By{Simulation: 3},
	},
	{
		"doubt-unclear", "unclear lines are no storm",
		"if not exceptional then $ end",
		By{Verbs: 26, Scenario: true},
	},
	{"doubt-unclear", "a refused repetition is unclear", "unclear = unclear + n", scenario},
	{"duplicate-known", "resend of what is known", "", scenario},
	{
		"refused-again", "who was aside is never judged again",
		"if first then b.refused = 1 else b.known = 1 end", scenario,
	},
	{"refused-again", "a refused repetition is halved", "b.refused = 1", By{Simulation: 3}},
	{"parked-due", "a kept one is not tried when its id is learnt", "", scenario},
	{"resend-due", "a doubt is not scheduled for its resend", "schedule(b, 0)", scenario},
	{"stale-news", "an earlier attempt is news", "if false then", By{Verbs: 179, Scenario: true}},
	{"channel-duplicate", "a recognised repetition is unclear", "elseif false then", scenario},
	{"channel-for-one", "a request refused for one is a storm", "elseif false then", scenario},
	{"channel-why", "a storm of lines has no reason", "count_failure(provider, '')", scenario},
	{"record-ramp", "batches ramp up by doubts", "if false then", By{Verbs: 80}},
	{"record-ramp", "a recognised repetition falls", "if counts.doubt > 0 then", scenario},

	// reroute.lua
	{"reroute-open", "reroute empties open channels", "", By{Verbs: 329}},
	{"reroute-stopped", "a person's pause lets others move", "", scenario},
	{
		"reroute-back", "who was refused is rerouted back",
		"if pos > to then",
		By{Verbs: 381, Scenario: true},
	},
	{"reroute-there", "reroute takes who is elsewhere", "", By{Verbs: 191}},
	{"reroute-claimed", "reroute takes who is claimed", "then", scenario},

	// resend.lua
	{"resend-guard", "a key is repeated before the guard", "local free = 0", By{Simulation: 3}},
	{"resend-late", "resend after the window", "", scenario},
	{"resend-early", "resend within the guard", "if false then", scenario},

	// resolve.lua
	{
		"decided-position", "a person decides about the neighbour",
		"return chunk(found.chunk), index + 1", scenario,
	},
	{"decided-status", "a person may decide what has moved", "", By{Verbs: 46}},
	{"decided-batch", "a person's word is about any batch", "", By{Verbs: 9}},
	{"decided-attempt", "a person's word is about any attempt", "", By{Verbs: 5}},
	{"decided-noted", "a decision is not noted", "", By{Callbacks: 12, Scenario: true}},

	// resolveunknown.lua
	{
		"unknown-returned", "what came back and is not known stays",
		"if b.state == 'done' then", scenario,
	},
	{"unknown-again", "a repeated answer takes a hint away", "if asked then", scenario},
	{
		"unknown-guard", "who is not known is sent again before the guard",
		"",
		By{Simulation: 3, Verbs: 179},
	},
	{
		"unknown-early", "not known sends again at once",
		"if false then",
		By{Simulation: 3, Verbs: 38},
	},
	{"unknown-early", "an answer counts from when it came", "if now < free then", scenario},
	{"unknown-divides", "an unknown is halved", "if true then", By{Simulation: 3}},

	// stranded.lua
	{"stranded-queued", "stale entries are stranded", "if true then", By{Verbs: 168}},
	{"stranded-named", "who was named is stranded", "if true then", By{Verbs: 29}},
	{"stranded-most", "parts are of so many entries", "while at < #entries do", scenario},
	{"stranded-stale", "live entries are trimmed", "stale = at", By{Verbs: 16}},
	{"stranded-stale", "who still waits is lost", "if not live then stale = at end", scenario},
	{"stranded-part", "a part in between loses the head", "for _ = 1, stale do", scenario},
	{"stranded-head", "who has left is read again", "", scenario},
	{"stranded-next", "the next part begins too late", "local next = from + at", scenario},

	// sweep.lua
	{
		"sweep-silent", "sweep returns what was sent",
		`elseif b.state == 'sending' then requeue_batch(b) b.state = 'claimed' unclaim(b)
$`,
		By{Verbs: 46},
	},
	{"sweep-silent", "nobody is taken to be silent", "elseif false then", By{Simulation: 9}},
	{
		"sweep-expires", "what a dead worker had begun to send is taken for unsent",
		`for _, slice in ipairs(slices_of(b)) do
  requeue(chunk(slice.chunk), slice.from, slice.to)
end
redis.call('ZREM', key('slots', provider), id)`,
		programs,
	},
	{"sweep-claimed", "a claim never lapses", "", By{Simulation: 1, Verbs: 81}},

	// validate.lua
	{"asked-before", "a repeated question is refused", "", scenario},
	{"validated-day", "a payment is validated again after days", "", scenario},
	{"validated-amount", "any amount is validated", "then", scenario},
	{
		"validated-once", "a payment is validated twice",
		"if true then",
		By{Callbacks: 10, Scenario: true},
	},
	{
		"validated-once", "only the first of two is validated",
		"if asked(field) then return 0 else", scenario,
	},

	// webhookanswer.lua
	{"webhook-missed", "what was trimmed undelivered is not counted", "", scenario},
	{"webhook-gone", "an endpoint that wants no more stays on", "", scenario},
	{"webhook-gives-up", "a delivery is never given up", "if true then", scenario},

	// webhookdispatch.lua
	{"webhook-lost", "a lost delivery stays out", "", By{Simulation: 13, Scenario: true}},
	{"webhook-slots", "an endpoint gets more than its slots", "hand_out(result)", scenario},
	{"webhook-cursor", "results are read twice", "if arg.last ~= '' then", scenario},
	{
		"webhook-kept", "what was read for an endpoint is not kept", "",
		By{Simulation: 13, Scenario: true},
	},

	// webhooktry.lua
	{"webhook-off", "an endpoint that is off gets results", "if false then", scenario},
	{"webhook-held", "two processes deliver at once", "if false then", scenario},
}
