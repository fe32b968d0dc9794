package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// The providers that stories name often.
const (
	lipad    = "lipad"
	quicksms = "quicksms"
	talking  = "africastalking"
	sozuri   = "sozuri"
	metered  = "metered"
	joint    = "joint"
)

// stage is where a story is told: a store whose time stands still until the story lets it pass.
type stage struct {
	t testing.TB
	s *state.Store
	c *clock
	// edit breaks the scripts, also those of a store that the story opens.
	edit state.ScriptEdit
}

// story is a test that mutations of the scripts are told too: one of them must notice each.
type story func(g *stage)

// tell tells stories to the scripts as they are.
func tell(t *testing.T, stories map[string]story) {
	t.Helper()
	for name, told := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set(t, nil).tell(told)
		})
	}
}

// set makes a stage; edit may break the scripts.
func set(t testing.TB, edit state.ScriptEdit) *stage {
	t.Helper()
	s := simulated(open(t, func(o *state.Options) { o.MaxInFlight = 50 }), edit)
	return &stage{t: t, s: s, c: &clock{t: t, store: s, ms: modelStart}, edit: edit}
}

// tell tells a story, and wants the books to balance behind it.
func (g *stage) tell(told story) {
	g.c.pass(0)
	told(g)
	balanced(g.t, g.s)
}

// sum is how many recipients the book holds of a provider under a word: a status or "requested".
func (g *stage) sum(provider, word string) int64 {
	return g.figures().Book[provider+" KES "+word]
}

func (g *stage) figures() state.Stats {
	f, err := g.s.Stats(background)
	require.NoError(g.t, err)
	return f
}

func (g *stage) channel(provider string) state.Channel {
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

func (g *stage) accept(list ...state.Disbursal) []state.Wakeup {
	got, err := g.s.Accept(background, list)
	require.NoError(g.t, err)
	for _, outcome := range got.Outcomes {
		require.Equal(g.t, state.Accepted, outcome)
	}
	return got.Wakeups
}

func (g *stage) claim(provider string, most int) (*state.Batch, string) {
	holder := token()
	got, err := g.s.Claim(background, provider, holder, most)
	require.NoError(g.t, err)
	require.NotNil(g.t, got.Batch, "%s is idle: %s", provider, got.Idle)
	return got.Batch, holder
}

func (g *stage) idle(provider string, why state.Idle) state.Claim {
	got, err := g.s.Claim(background, provider, token(), 1000)
	require.NoError(g.t, err)
	require.Nil(g.t, got.Batch)
	require.Equal(g.t, why, got.Idle)
	return got
}

// begin claims a provider's next batch and begins to send it.
func (g *stage) begin(provider string) *state.Batch {
	b, holder := g.claim(provider, 1000)
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	return b
}

// refused wants BeginSend to refuse.
func (g *stage) refused(b *state.Batch, holder, why string) {
	_, err := g.s.BeginSend(background, b, holder)
	var refusal *state.RefusedError
	require.ErrorAs(g.t, err, &refusal)
	require.Equal(g.t, why, refusal.Why)
}

// record stores one verdict about all members.
func (g *stage) record(b *state.Batch, v airtime.Verdict, r airtime.Reason) state.Recorded {
	return record(g.t, g.s, answer(b, v, r))
}

// each stores one verdict per member; the provider's ids are "id", the batch's id and the position.
func (g *stage) each(b *state.Batch, list ...verdict) state.Recorded {
	a := answer(b, airtime.Unknown, airtime.ReasonUnreadable)
	for i, v := range list {
		v.Position = i
		a.Verdicts = append(a.Verdicts, v)
	}
	return record(g.t, g.s, a)
}

// taken stores that a provider took all members, and returns the ids that it gave them.
func (g *stage) taken(b *state.Batch) []string {
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
func (g *stage) lost(d state.Disbursal) *state.Batch {
	g.accept(d)
	b := g.begin(d.Provider)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	return b
}

// forgets lets Redis forget what happened since the dumps were taken, but for the time.
func (g *stage) forgets(before map[string]string) {
	forget(g.t, g.s, before, dumps(g.t, g.s))
	g.c.pass(0)
}

func (g *stage) pause(provider string, length time.Duration) {
	require.NoError(g.t, g.s.Pause(background, provider, airtime.ReasonBalance, length))
}

func (g *stage) row(ref string) state.Row {
	list := rows(g.t, g.s, ref)
	require.Len(g.t, list, 1)
	return list[0]
}

// stands wants the only recipient of a disbursal to stand somewhere.
func (g *stage) stands(ref, provider string, status airtime.Status) {
	r := g.row(ref)
	require.Equal(g.t, []string{provider, status.String()}, []string{r.Provider, r.Status.String()},
		"%s", ref)
}

func (g *stage) observe(b *state.Batch, status airtime.Status) state.Observed {
	return observe(g.t, g.s, b.ID, status, 0)
}

// listener hears how a story goes wrong instead of letting the test fail.
type listener struct {
	testing.TB
	heard string
}

// Errorf keeps the first complaint.
func (l *listener) Errorf(format string, args ...any) {
	if l.heard == "" {
		l.heard = fmt.Sprintf(format, args...)
	}
}

// FailNow ends the story.
func (l *listener) FailNow() { panic(l) }

// Fatalf complains and ends the story.
func (l *listener) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	l.FailNow()
}

// hears tells a story to broken scripts and returns what went wrong; empty when nothing did.
func hears(t *testing.T, told story, edit state.ScriptEdit) (complaint string) {
	t.Helper()
	l := &listener{TB: t}
	g := set(t, edit)
	g.t, g.c.t = l, l
	defer func() {
		complaint = l.heard
		if broken := recover(); broken != nil && broken != any(l) {
			panic(broken)
		}
	}()
	g.tell(told)
	return ""
}
