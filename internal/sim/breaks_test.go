package sim_test

import "strings"

// aBreak is a deliberate break: one edit of a script, or of a file of Go.
type aBreak struct {
	name string
	// invariant is the number of the design's invariant that it offends.
	invariant int
	// where is the verb whose script is broken (empty where every script has the line), or the file.
	where    string
	old, new string
}

func (b aBreak) inGo() bool { return strings.HasSuffix(b.where, ".go") }

// breaks are what a careless change could do, one disaster each, by invariant.
var breaks = []aBreak{
	{
		"claim takes who is not queued", 1, "claim",
		"if run[3] == 'q' and run[4] == place then look", "if true then look",
	},
	{
		"a claim leaves them in the queue", 1, "claim",
		"put(t[1], run[1], run[2], 'q', run[4], 'q', token)", "",
	},
	{
		"who is given back is not pending", 1, "", "push_pending(d, first, last, place, head)\n    end",
		"end",
	},
	{
		"a claim never lapses", 1, "sweep", "unclaim(b)\n    returned", "returned",
	},
	{
		"claim sends more requests at once", 2, "claim",
		"if redis.call('ZCARD', out) >= slots then", "if false then",
	},
	{
		"begin leaves them queued", 2, "begin",
		"put(d, run[1], run[2], run[3], b.id, 's', b.id)", "",
	},
	{
		"begin repeats what is known meanwhile", 2, "begin", "if not whole then", "if false then",
	},
	{
		"begin is skipped", 2, submitFile,
		"left, err := s.Store.BeginSend(ctx, b, token)",
		"left, err := s.Store.Options().SubmitTimeout, error(nil)",
	},
	{
		"refused begins are sent", 2, submitFile,
		"return state.Recorded{}, nil // It moved on: somebody else decides about it.",
		"left = time.Minute",
	},
	{
		"begins without an answer are sent", 2, submitFile,
		"return state.Recorded{}, err // Perhaps begun; the sweep will ask the provider.",
		"left = time.Minute",
	},
	{
		"the deadline is ignored", 2, submitFile,
		"wire, cancel := context.WithDeadline(ctx, deadline)",
		"wire, cancel := context.WithTimeout(ctx, time.Hour)",
	},
	{
		"record returns what is unknown", 3, "record",
		"elseif v.verdict == 'unsent' and first then", "elseif v.verdict ~= 'rejected' then",
	},
	{
		"record returns from a second attempt", 3, "record",
		"local first = attempt == 1", "local first = true",
	},
	{
		"silence sends again", 3, "sweep",
		"put(d, run[1], run[2], 's', b.id, 'd', b.id)", "requeue(d, run[1], run[2])",
	},
	{"not known sends again at once", 3, "resolveunknown", "if asked_at < free then", "if false then"},
	{
		"who is not known is sent again before the guard", 3, "resolveunknown",
		"if b.refused == 0 then since = math.max(", "if false then since = math.max(",
	},
	{
		"a key is repeated before the guard", 3, "resend",
		"local free = b.deadline + GUARD", "local free = 0",
	},
	{
		"a key is repeated after it has expired", 3, "", "resend = 240000", "resend = 24000000",
	},
	{
		"an unknown is handed on", 3, "record",
		"  elseif v.verdict == 'unsent' and first then",
		`  elseif v.verdict == 'unknown' and first and redis.call('SCARD', key('providers')) > 1 then
    for _, next in ipairs({'africastalking', 'lipad', 'quicksms', 'sozuri'}) do
      local there = redis.call('SISMEMBER', key('providers'), next) == 1
      local _, place = row(d, from)
      if place == id and next ~= provider and there then
        failover(d, from, to, next, v.reason, v.message)
      end
    end
  elseif v.verdict == 'unsent' and first then`,
	},
	{
		"an unknown is halved", 3, "resolveunknown",
		"if b.refused == 1 then\n  decision", "if true then\n  decision",
	},
	{
		"a refused repetition is halved", 3, "record",
		"if first or b.asides > 0 then b.refused = 1 else b.known = 1 end", "b.refused = 1",
	},
	{
		"an answer is stored once or never", 3, submitFile,
		"if errors.Is(err, redis.ErrClosed) {", "if err != nil || errors.Is(err, redis.ErrClosed) {",
	},
	{
		"a repetition has another reference", 3, submitFile,
		"ID: b.ID, Recipients: b.Recipients(),", "ID: token, Recipients: b.Recipients(),",
	},
	{
		"a broken connection counts as unsent", 3, "internal/providers/classify.go",
		"answer := Answer{Verdict: airtime.Unknown,", "answer := Answer{Verdict: airtime.Unsent,",
	},
	{
		"a server error counts as unsent", 3, "internal/providers/classify.go",
		"case reason == airtime.ReasonCredentials, reason ==",
		"case reason == airtime.ReasonServerError, reason == airtime.ReasonCredentials, reason ==",
	},
	{
		"who is left out counts as refused", 3, "internal/providers/sozuri/answer.go",
		"Verdict: airtime.Unknown, Reason: airtime.ReasonMissing,",
		"Verdict: airtime.Refused, Reason: airtime.ReasonMissing,",
	},
	{
		"a failed query counts as not known", 3, "internal/providers/lipad/lipad.go",
		"default:\n\t\tnothing.Err = fmt.Errorf(\"batch %s: HTTP %d\", batchID, r.Status)",
		"default:\n\t\treturn providers.ProviderStatus{}, nil",
	},
	{
		"a reference is taken twice", 4, "accept",
		"if known then return known == new.digest and 'same' or 'conflict' end", "",
	},
	{
		"other content is taken for the same", 4, "accept",
		"return known == new.digest and 'same' or 'conflict'", "return 'same'",
	},
	{
		"the order makes it other content", 4, "internal/state/accept.go",
		"if !slices.IsSortedFunc(recipients, byPhone) {",
		"if !slices.IsSortedFunc(recipients, byPhone) && codes == nil {",
	},
	{
		"rank is ignored", 5, "",
		"return rank > had or (newer and old ~= status)", "return old ~= status",
	},
	{
		"who is in doubt hears nothing", 5, "",
		"return rank > had or (newer and old ~= status)",
		"return old ~= 'd' and (rank > had or (newer and old ~= status))",
	},
	{
		"a callback is believed", 5, "internal/callback/confirm.go",
		"if !found || !line.Status.Valid() || ahead {",
		"if line.Status = k.Status; ahead && false {",
	},
	{
		"failed counts as successful", 5, "internal/providers/lipad/wire.go",
		"airtime.Failed, ", "airtime.Successful, ",
	},
	{
		"a result is not published", 6, "",
		"publish(d, pos, provider, status, place, corrects, reason, reference, message)", "",
	},
	{
		"a result is published twice", 6, "",
		"publish(d, pos, provider, status, place, corrects, reason, reference, message)",
		"for _ = 1, 2 do publish(d, pos, provider, status, place, corrects, reason, reference, " +
			"message) end",
	},
	{
		"a move is not booked", 7, "",
		"move(d, before, old, after, status, count, sum_of(d, from, to), units_in(d, from, to))",
		"",
	},
	{
		"what is handed on stays in the books", 7, "", "if before ~= after then\n        add",
		"if false then\n        add",
	},
	{
		"a lost trigger is waited for", 8, "",
		"if notified_at <= now and now - notified_at < 2000 then return 0 end",
		"if notified_at > 0 then return 0 end",
	},
	{
		"a lost query is not handed out again", 8, "due", "schedule(b, tonumber(ARGV[2]))",
		"schedule(b, 0)",
	},
	{
		"nobody is taken to be silent", 9, "sweep",
		"elseif b.state == 'sending' then", "elseif b.state == 'never' then",
	},
	{
		"who is in doubt is not listed", 9, "",
		"redis.call('ZADD', key('doubt'), 'NX', b.sent > 0 and b.sent or now, b.id)", "",
	},
	{
		"who is overdue is not listed", 9, "observe",
		"redis.call('ZADD', key('overdue'), 'NX', now, b.id)", "",
	},
	{
		"kept callbacks are dropped", 9, "callback", "if age > DAYS * DAY then", "if true then",
	},
	{
		"what fits nobody is not kept", 9, "callback",
		"if not kept_code or STATUS[kept_code].rank <= STATUS[code].rank then", "if false then",
	},
	{
		"a job is done before it is held", 9, "internal/tasks/accept.go",
		"outcomes, err := a.Inlet.Accept(ctx, disbursals)\n\tif err != nil {\n\t\treturn err",
		"outcomes, err := a.Inlet.Accept(ctx, disbursals)\n\tif err != nil {\n\t\treturn nil",
	},
	{
		"a conflict is kept from its producer", 9, "internal/state/accept.go",
		"return fmt.Errorf(\"disbursal %s: %w\", d.Reference, ErrConflict)", "return nil",
	},
	{
		"cancelled recipients are given back", 10, "", "local function cancelled(d, pos)\n",
		"local function cancelled(d, pos)\n  if true then return false end\n",
	},
	{
		"claim takes the cancelled", 10, "claim",
		"if part[3] then\n      cancel_run(d, part[1], part[2])",
		"if false then\n      cancel_run(d, part[1], part[2])",
	},
	{
		"accept takes the cancelled", 10, "accept",
		"if marked(new.ref, group.import, group.campaign) then return 'cancelled' end",
		"",
	},
}

const submitFile = "internal/tasks/submit.go"
