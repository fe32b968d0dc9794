package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// The providers that scenarios name often.
const (
	lipad    = "lipad"
	quicksms = "quicksms"
	talking  = "africastalking"
	sozuri   = "sozuri"
	metered  = "metered"
	joint    = "joint"
)

// harness runs scenarios: a store whose time stands still until the scenario lets it pass.
type harness struct {
	t testing.TB
	s *state.Store
	c *clock
	// edit breaks the scripts, also those of a store that the scenario opens.
	edit state.ScriptEdit
}

// scenario is a test that also runs on broken scripts: each break must be noticed by one.
type scenario func(g *harness)

// runScenarios runs scenarios on the scripts as they are.
func runScenarios(t *testing.T, scenarios map[string]scenario) {
	t.Helper()
	for name, scenario := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newHarness(t, nil).run(scenario)
		})
	}
}

// newHarness makes a harness; edit may break the scripts.
func newHarness(t testing.TB, edit state.ScriptEdit) *harness {
	t.Helper()
	s := simulated(open(t, func(o *state.Options) { o.MaxInFlight, o.Rules = 50, testRules }), edit)
	return &harness{t: t, s: s, c: &clock{t: t, store: s, ms: modelStart}, edit: edit}
}

// run runs a scenario, and wants the books to balance after it.
func (g *harness) run(scenario scenario) {
	g.c.pass(0)
	scenario(g)
	balanced(g.t, g.s)
}

// sum is how many recipients the book holds of a provider under a word: a status or "requested".
func (g *harness) sum(provider, word string) int64 {
	return g.figures().Book[provider+" KES "+word]
}

func (g *harness) figures() state.Stats {
	f, err := g.s.Stats(background)
	require.NoError(g.t, err)
	return f
}

func (g *harness) channel(provider string) state.Channel {
	for _, c := range g.figures().Channels {
		if c.Provider == provider {
			return c
		}
	}
	require.Fail(g.t, "no such channel", provider)
	return state.Channel{}
}

// someone makes a disbursal of one recipient with the first number, who gets ten shillings.
func someone(ref, provider string) state.Disbursal { return through(disbursal(ref, 1), provider) }

// through sends a disbursal to a provider that routing chose.
func through(d state.Disbursal, provider string) state.Disbursal {
	d.Provider = provider
	return d
}

// named sends a disbursal to a provider that the producer asked for.
func named(d state.Disbursal, provider string) state.Disbursal {
	d.Provider, d.Given = provider, provider
	return d
}

func (g *harness) accept(list ...state.Disbursal) []state.Wakeup {
	got, err := g.s.Accept(background, list)
	require.NoError(g.t, err)
	for _, outcome := range got.Outcomes {
		require.Equal(g.t, state.Accepted, outcome)
	}
	return got.Wakeups
}

func (g *harness) claim(provider string, most int) (*state.Batch, string) {
	holder := token()
	got, err := g.s.Claim(background, provider, holder, most)
	require.NoError(g.t, err)
	require.NotNil(g.t, got.Batch, "%s is idle: %s", provider, got.Idle)
	return got.Batch, holder
}

func (g *harness) idle(provider string, why state.Idle) state.Claim {
	got, err := g.s.Claim(background, provider, token(), 1000)
	require.NoError(g.t, err)
	require.Nil(g.t, got.Batch)
	require.Equal(g.t, why, got.Idle)
	return got
}

// begin claims a provider's next batch and begins to send it.
func (g *harness) begin(provider string) *state.Batch {
	b, holder := g.claim(provider, 1000)
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	return b
}

// refused wants BeginSend to refuse.
func (g *harness) refused(b *state.Batch, holder, why string) {
	_, err := g.s.BeginSend(background, b, holder)
	var refusal *state.RefusedError
	require.ErrorAs(g.t, err, &refusal)
	require.Equal(g.t, why, refusal.Why)
}

// record stores one verdict about all members.
func (g *harness) record(b *state.Batch, v airtime.Verdict, r airtime.Reason) state.Recorded {
	return record(g.t, g.s, answer(b, v, r))
}

// each stores one verdict per member; the provider's ids are "id", the batch's id and the position.
func (g *harness) each(b *state.Batch, list ...verdict) state.Recorded {
	a := answer(b, airtime.Unknown, airtime.ReasonUnreadable)
	for i, v := range list {
		v.Position = i
		a.Verdicts = append(a.Verdicts, v)
	}
	return record(g.t, g.s, a)
}

// taken stores that a provider took all members, and returns the ids that it gave them.
func (g *harness) taken(b *state.Batch) []string {
	var ids []string
	var list []verdict
	for i := range b.Members {
		ids = append(ids, fmt.Sprintf("id-%s-%d", b.ID, i))
		list = append(list, verdict{Verdict: airtime.Accepted, ProviderReference: ids[i]})
	}
	require.Equal(g.t, len(ids), g.each(b, list...).Accepted)
	return ids
}

// lost brings a recipient of a new disbursal in doubt at a provider.
func (g *harness) lost(d state.Disbursal) *state.Batch {
	g.accept(d)
	b := g.begin(d.Provider)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	return b
}

// forgets lets Redis forget what happened since the dumps were taken, but for the time.
func (g *harness) forgets(before map[string]string) {
	forget(g.t, g.s, before, dumps(g.t, g.s))
	g.c.pass(0)
}

func (g *harness) pause(provider string, length time.Duration) {
	require.NoError(g.t, g.s.Pause(background, provider, airtime.ReasonBalance, length))
}

func (g *harness) row(ref string) state.Row {
	list := rows(g.t, g.s, ref)
	require.Len(g.t, list, 1)
	return list[0]
}

// stands wants the only recipient of a disbursal to stand somewhere.
func (g *harness) stands(ref, provider string, status airtime.Status) {
	r := g.row(ref)
	require.Equal(g.t, []string{provider, status.String()}, []string{r.Provider, r.Status.String()},
		"%s", ref)
}

func (g *harness) observe(b *state.Batch, status airtime.Status) state.Observed {
	return observe(g.t, g.s, b.ID, status, 0)
}

// recordingTB records how a scenario goes wrong instead of letting the test fail.
type recordingTB struct {
	testing.TB
	heard string
}

// Errorf keeps the first complaint.
func (l *recordingTB) Errorf(format string, args ...any) {
	if l.heard == "" {
		l.heard = fmt.Sprintf(format, args...)
	}
}

// FailNow ends the scenario.
func (l *recordingTB) FailNow() { panic(l) }

// Fatalf records a complaint and ends the scenario.
func (l *recordingTB) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	l.FailNow()
}

// complaintOf runs a scenario on broken scripts and returns what went wrong; empty when nothing
// did.
func complaintOf(t *testing.T, scenario scenario, edit state.ScriptEdit) (complaint string) {
	t.Helper()
	l := &recordingTB{TB: t}
	g := newHarness(t, edit)
	g.t, g.c.t = l, l
	defer func() {
		complaint = l.heard
		if broken := recover(); broken != nil && broken != any(l) {
			panic(broken)
		}
	}()
	g.run(scenario)
	return ""
}
