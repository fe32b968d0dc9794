package state_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// TestMain also lets rapid make long runs, because disasters take many steps, and keeps it from
// leaving files behind: it prints the seed of a failure, enough to repeat it (-rapid.seed).
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.steps": "80", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(proctest.Suite{M: m}.Run())
}

// testProviders are what production has, and one more whose rate is bounded.
var testProviders = []providers.Capabilities{
	{Name: "lipad", Code: 'L', Asks: providers.AskByBatch, OverdueAfter: 24 * time.Hour},
	{Name: "quicksms", Code: 'Q', RampsUp: true},
	{
		Name: "africastalking", Code: 'A', Asks: providers.AskByRecipient, Callbacks: true, RampsUp: true,
		ResendWithin: 4 * time.Minute, OverdueAfter: 24 * time.Hour,
	},
	{Name: "sozuri", Code: 'S', Callbacks: true, RampsUp: true, OverdueAfter: 72 * time.Hour},
	{Name: "joint", Code: 'J', Callbacks: true, Shared: true},
	{
		Name: "metered", Code: 'M', Asks: providers.AskByBatch,
		Rate: providers.Rate{PerSecond: 2, Burst: 3},
	},
}

// open opens a store in a namespace of its own on the shared Redis.
func open(t testing.TB, change func(*state.Options)) *state.Store {
	t.Helper()
	url, namespace := redistest.Shared(t)
	o := optionsAt(url)
	o.Namespace = namespace
	if change != nil {
		change(&o)
	}
	return openWith(t, o)
}

// optionsAt are the options for a Redis, with the test providers.
func optionsAt(url string) state.Options {
	return state.Options{Options: redisconn.Options{URL: url}, Providers: testProviders}
}

// openWith opens a store that is closed when the test ends.
func openWith(t testing.TB, o state.Options) *state.Store {
	t.Helper()
	s, err := state.Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// disbursal makes one of n recipients who get 10, 11, 12… shillings.
func disbursal(ref string, n int) state.Disbursal {
	d := state.Disbursal{Reference: ref, Provider: "lipad", Currency: "KES"}
	for i := range n {
		d.Recipients = append(d.Recipients, airtime.Recipient{
			Phone:  airtime.MSISDNFromE164(fmt.Sprintf("2547%08d", i)),
			Amount: airtime.Money{Minor: int64(1000 + 100*i), Currency: "KES"},
		})
	}
	return d
}

// shifted makes a disbursal whose phone numbers begin at the first-th, so that it shares none with
// others.
func shifted(ref string, first, n int) state.Disbursal {
	d := disbursal(ref, first+n)
	d.Recipients = d.Recipients[first:]
	return d
}

func token() string { return uuid.Must(uuid.NewV7()).String() }

// accept accepts disbursals and wants all to be new.
func accept(t testing.TB, s *state.Store, list ...state.Disbursal) {
	t.Helper()
	got, err := s.Accept(context.Background(), list)
	require.NoError(t, err)
	for _, outcome := range got.Outcomes {
		require.Equal(t, state.Accepted, outcome)
	}
}

// claim claims the next batch.
func claim(t testing.TB, s *state.Store, limit int) (*state.Batch, string) {
	t.Helper()
	holder := token()
	got, err := s.Claim(context.Background(), "lipad", holder, limit)
	require.NoError(t, err)
	require.NotNil(t, got.Batch, "idle: %s", got.Idle)
	return got.Batch, holder
}

// idle claims and wants there to be nothing to send.
func idle(t testing.TB, s *state.Store, why state.Idle) state.Claim {
	t.Helper()
	got, err := s.Claim(context.Background(), "lipad", token(), 1000)
	require.NoError(t, err)
	require.Nil(t, got.Batch)
	require.Equal(t, why, got.Idle)
	return got
}

// begin claims and begins the next batch.
func begin(t testing.TB, s *state.Store) *state.Batch {
	t.Helper()
	b, holder := claim(t, s, 1000)
	left, err := s.BeginSend(context.Background(), b, holder)
	require.NoError(t, err)
	require.Positive(t, left)
	return b
}

// verdict is what an answer says of the member at a position, and who takes it if it is refused.
type verdict struct {
	Position          int
	Verdict           airtime.Verdict
	Reason            airtime.Reason
	ProviderReference string
	Message           string
	Next              string
	providers.Sums
}

// answered is an answer that names members by position.
type answered struct {
	state.Answer
	Verdicts []verdict
}

// built is the answer as the state takes it.
func (a answered) built() state.Answer {
	next := map[airtime.MSISDN]string{}
	for _, v := range a.Verdicts {
		phone := a.Batch.Members[v.Position].Phone
		next[phone] = v.Next
		a.Lines = append(a.Lines, providers.Line{
			Phone: phone, Verdict: v.Verdict, Reason: v.Reason, Message: v.Message,
			ProviderReference: v.ProviderReference, Sums: v.Sums,
		})
	}
	a.Next = func(m *state.Member, _ airtime.Reason) string { return next[m.Phone] }
	return a.Answer
}

// observation is what a provider says of the member at a position.
type observation struct {
	Position                   int
	Status                     airtime.Status
	ProviderReference, Message string
	providers.Sums
}

// linesOf are observations as the state takes them. Nobody has the number of a position beyond.
func linesOf(b *state.Batch, facts []observation) (lines []providers.RecipientStatus) {
	for _, f := range facts {
		line := providers.RecipientStatus{
			Status: f.Status, ProviderReference: f.ProviderReference, Message: f.Message, Sums: f.Sums,
		}
		if f.Position < len(b.Members) {
			line.Phone = b.Members[f.Position].Phone
		}
		lines = append(lines, line)
	}
	return lines
}

// answer is the answer to the attempt after a batch was claimed, the same for all members.
func answer(b *state.Batch, v airtime.Verdict, reason airtime.Reason) answered {
	return answered{Answer: state.Answer{
		Batch: b, Attempt: b.Attempt + 1, Accepted: airtime.Submitted, NextPoll: time.Second,
		Answer: providers.Answer{Verdict: v, Reason: reason},
	}}
}

func record(t testing.TB, s *state.Store, a answered) state.Recorded {
	t.Helper()
	recorded, err := s.Record(context.Background(), a.built())
	require.NoError(t, err)
	recorded.Wakeups = nil
	return recorded
}

// pollSchedule is one whose durations no test reaches.
func pollSchedule(poll int) state.PollSchedule {
	return state.PollSchedule{
		Poll: poll, Next: time.Minute, OverdueAfter: 24 * time.Hour, Slow: time.Hour,
	}
}

// observe merges the same status for some members of a batch.
func observe(
	t testing.TB, s *state.Store, id string, status airtime.Status, positions ...int,
) state.Observed {
	t.Helper()
	b, err := s.Load(context.Background(), id)
	require.NoError(t, err)
	var facts []observation
	for _, position := range positions {
		facts = append(facts, observation{Position: position, Status: status, Message: "m"})
	}
	got, err := s.Observe(context.Background(), b, linesOf(b, facts), false, pollSchedule(0))
	require.NoError(t, err)
	return got
}

func sweep(t testing.TB, s *state.Store) state.Swept {
	t.Helper()
	swept, err := s.Sweep(context.Background(), "lipad")
	require.NoError(t, err)
	swept.Wakeup = nil
	return swept
}

// rows reports a disbursal.
func rows(t testing.TB, s *state.Store, ref string) []state.Row {
	t.Helper()
	var list []state.Row
	err := s.Report(context.Background(), state.KindDisbursal, ref, func(r state.Row) error {
		list = append(list, r)
		return nil
	})
	require.NoError(t, err)
	return list
}

// statuses counts the recipients of a disbursal by status.
func statuses(t testing.TB, s *state.Store, ref string) map[airtime.Status]int64 {
	t.Helper()
	sum, err := s.Summarize(context.Background(), state.KindDisbursal, ref)
	require.NoError(t, err)
	counts := map[airtime.Status]int64{}
	for status, totals := range sum.Statuses {
		counts[status] = totals.Recipients
	}
	return counts
}

// only wants all recipients of a disbursal to have one status.
func only(t testing.TB, s *state.Store, ref string, status airtime.Status) {
	t.Helper()
	for _, r := range rows(t, s, ref) {
		require.Equal(t, status, r.Status, "%s, %s", ref, r.Phone)
	}
}

// balanced asserts that the books balance.
func balanced(t testing.TB, s *state.Store) state.Recount {
	t.Helper()
	recount, err := s.Verify(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, recount.Drift)
	chain, err := s.VerifyAudit(context.Background())
	require.NoError(t, err)
	require.Empty(t, chain.Fault)
	return recount
}

// results reads the stream of results, as "status" or "status corrected" per phone number.
func results(t testing.TB, s *state.Store) map[string][]string {
	t.Helper()
	entries, err := s.Client().XRange(context.Background(), s.Key("results", ""), "-", "+").Result()
	require.NoError(t, err)
	list := map[string][]string{}
	for _, entry := range entries {
		who := fmt.Sprint(entry.Values["reference"], " ", entry.Values["phone_number"])
		word := fmt.Sprint(entry.Values["status"])
		if entry.Values["corrected"] == "true" {
			word += " corrected"
		}
		list[who] = append(list[who], word)
	}
	return list
}

// simulated makes a store whose scripts read their time from a key, and a clock that sets it.
func simulated(s *state.Store, edit state.ScriptEdit) *state.Store {
	return s.Edited(func(verb, text string) string {
		if edit != nil {
			text = edit(verb, text)
		}
		return statetest.Clocked(verb, text)
	})
}

// clock is the time of a simulated store.
type clock struct {
	t     testing.TB
	store *state.Store
	ms    int64
}

// timed opens a store whose time stands still until the test lets it pass.
func timed(t testing.TB, change func(*state.Options)) (*state.Store, *clock) {
	t.Helper()
	s := simulated(open(t, change), nil)
	c := &clock{t: t, store: s, ms: modelStart}
	c.pass(0)
	return s, c
}

// pass lets time pass.
func (c *clock) pass(d time.Duration) {
	c.ms += d.Milliseconds()
	setClock(c.t, c.store, c.ms)
}

// setClock sets the time of a simulated store, in milliseconds.
func setClock(t require.TestingT, s *state.Store, ms int64) {
	err := statetest.Set(context.Background(), s.Client(), s.Options().Namespace, ms)
	require.NoError(t, err)
}

// echo is a go-redis hook that sends every script twice while it is on, as go-redis itself does
// when the reply to the first is lost. It counts the scripts.
type echo struct {
	on      atomic.Bool
	scripts atomic.Int64
}

// DialHook leaves dialling alone.
func (e *echo) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook leaves pipelines alone: no verb runs in one.
func (e *echo) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook repeats scripts.
func (e *echo) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !strings.HasPrefix(cmd.Name(), "eval") {
			return next(ctx, cmd)
		}
		e.scripts.Add(1)
		if e.on.Load() {
			_ = next(ctx, cmd) // The lost reply.
		}
		return next(ctx, cmd)
	}
}
