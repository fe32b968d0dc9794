package mutation

// Code are breaks of Go: the programs that have one are built anew.
var Code = []Break{
	{
		"submit-reference", "a repetition has another reference",
		"ID: token, Recipients: b.Recipients(),",
		By{Simulation: 3},
	},
	{
		"submit-begin", "begin is skipped",
		"left, err := s.Store.Options().SubmitTimeout, error(nil)",
		By{Simulation: 2},
	},
	{
		"submit-begin", "a refused begin sends all the same",
		`$
if err != nil {
	left, err = time.Second, nil
}`,
		programs,
	},
	{"submit-refused", "refused begins are sent", "left = time.Minute", By{Simulation: 2}},
	{
		"submit-unanswered", "begins without an answer are sent",
		"left = time.Minute",
		By{Simulation: 2},
	},
	{
		"submit-deadline", "the deadline is ignored",
		"wire, cancel := context.WithTimeout(ctx, time.Hour)",
		By{Simulation: 2},
	},
	{
		"submit-send", "an answer is recorded before there is one",
		`answer := providers.Answer{Verdict: airtime.Accepted}
_, _ = s.record(ctx, now, answer)
answer = submission.Send(wire)`,
		programs,
	},
	{
		"record-closed", "an answer is stored once or never",
		"if err != nil || errors.Is(err, state.ErrClosed) {",
		By{Simulation: 3},
	},
	{"job-not-stored", "a job is done before it is held", "return nil", By{Simulation: 9}},
	{
		"classify", "a broken connection counts as unsent",
		"answer := Answer{Verdict: airtime.Unsent, Reason: airtime.ReasonUnreadable}",
		By{Simulation: 3, Programs: true},
	},
	{
		"unsent", "a server error counts as unsent",
		`case reason == airtime.ReasonServerError:
	verdict, pause = airtime.Unsent, reason
$`,
		By{Simulation: 3},
	},
	{
		"line-missing", "who is left out counts as refused",
		"Verdict: airtime.Refused, Reason: airtime.ReasonMissing,",
		By{Simulation: 3},
	},
	{
		"query-failed", "a failed query counts as not known",
		"return providers.ProviderStatus{}, nil",
		By{Simulation: 3},
	},
	{
		"status-failed", "failed counts as successful",
		`"603": airtime.Successful,`,
		By{Simulation: 5},
	},
	{
		"digest-order", "the order makes it other content",
		"if len(recipients) > 0 {",
		By{Simulation: 4},
	},
	{"release-digest", "the digest is not compared", "if false {", By{Simulation: 11}},
	{"conflict", "a conflict is kept from its producer", "return nil", By{Simulation: 9}},
	{
		"confirmed", "a callback is believed",
		"if line.Status = k.Status; ahead && false {",
		By{Simulation: 5},
	},
	{
		"webhook-post", "a result counts as delivered before it is posted",
		`$
_, _ = h.Store.AnswerWebhook(ctx, d, state.WebhookAnswer{Outcome: state.WebhookDelivered})`,
		By{Simulation: 13},
	},
	{
		"erase-parked", "an erasure forgets parked callbacks", "e.inUnanswered, e.inValidated,",
		By{Simulation: 14},
	},
	{"webhook-private", "a webhook may lead inside", "case false:", programs},
}

// Hooks are changes of Go or of a script that break nothing: a test needs them to bring about what
// cannot be brought about from outside.
var Hooks = []Break{
	{"submit-asked", "before begin", "providers.Freeze(\"before begin\")\n$", programs},
	{"submit-send", "after begin", "providers.Freeze(\"after begin\")\n$", programs},
	{"gate-opens", "before write", "$\nFreeze(\"before write\")", programs},
	{"record-answer", "before record", "providers.Freeze(\"before record\")\n$", programs},
	{"schema", "the next layout", "const schema = 2", programs},
	{"parked-limit", "three callbacks are kept", "local most = 3", scenario},
}

var programs = By{Programs: true}
