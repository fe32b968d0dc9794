package state_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// contents reads every key of a store, so that two moments can be compared. What a trigger leaves
// (when it was, and its number) is left out: a replay may wake again.
func contents(t testing.TB, s *state.Store) map[string]string {
	t.Helper()
	list := everything(t, s)
	maps.DeleteFunc(list, func(name, _ string) bool {
		return strings.HasSuffix(name, " notified_at") || strings.HasSuffix(name, " wakeups")
	})
	return list
}

// everything reads every key of a store.
func everything(t testing.TB, s *state.Store) map[string]string {
	t.Helper()
	ctx := context.Background()
	list := map[string]string{}
	names, err := s.Client().Keys(ctx, s.Key("", "")+"*").Result()
	require.NoError(t, err)
	for _, name := range names {
		kind, err := s.Client().Type(ctx, name).Result()
		require.NoError(t, err)
		switch kind {
		case "hash":
			fields, err := s.Client().HGetAll(ctx, name).Result()
			require.NoError(t, err)
			for _, field := range slices.Sorted(maps.Keys(fields)) {
				list[name+" "+field] = fields[field]
			}
		case "list":
			list[name] = fmt.Sprint(s.Client().LRange(ctx, name, 0, -1).Val())
		case "zset":
			list[name] = fmt.Sprint(s.Client().ZRangeWithScores(ctx, name, 0, -1).Val())
		case "set":
			list[name] = fmt.Sprint(slices.Sorted(slices.Values(s.Client().SMembers(ctx, name).Val())))
		case "stream":
			list[name] = fmt.Sprint(s.Client().XRange(ctx, name, "-", "+").Val())
		default:
			list[name] = s.Client().Get(ctx, name).Val()
		}
	}
	return list
}

// twice is a go-redis hook that loses the reply to every script once, and compares what Redis holds
// after the first and after the second call.
type twice struct {
	t     *testing.T
	store *state.Store
	on    bool
	calls map[string]int
}

func (h *twice) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !h.on || !strings.HasPrefix(cmd.Name(), "eval") {
			return next(ctx, cmd)
		}
		if err := next(ctx, cmd); err != nil {
			return err
		}
		before := contents(h.t, h.store)
		err := next(ctx, cmd)
		script := fmt.Sprint(cmd.Args()[1])
		if len(script) > 40 { // A text, not its hash.
			script = redis.NewScript(script).Hash()
		}
		require.Empty(h.t, cmp.Diff(before, contents(h.t, h.store)), "%s", cmd.Args()[3:])
		h.calls[script]++
		return err
	}
}

// TestReplayOfEveryVerbChangesNothing calls each verb twice, as go-redis does when a reply is lost.
func TestReplayOfEveryVerbChangesNothing(t *testing.T) {
	t.Parallel()
	s, clock := timed(t, nil)
	h := &twice{t: t, store: s, on: true, calls: map[string]int{}}
	s.Client().AddHook(h)
	ctx := context.Background()

	got, err := s.Accept(ctx, []state.Disbursal{disbursal("a", 4), shifted("b", 4, 2)})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Same, state.Same}, got.Outcomes)
	manifest := state.Manifest{Reference: "i", ContentHash: "h", Rows: 4}
	known, err := s.OpenImport(ctx, manifest)
	require.NoError(t, err)
	require.False(t, known, "the replay of a decision is recognised")

	released, holder := claim(t, s, 4)
	require.Len(t, released.Members, 4)
	require.NoError(t, s.Requeue(ctx, released, holder, "", 0))
	b, holder := claim(t, s, 4)
	require.Len(t, b.Members, 4)
	left, err := s.BeginSend(ctx, b, holder)
	require.NoError(t, err)
	require.Positive(t, left)
	mixed := answer(b, airtime.Accepted, "")
	mixed.Verdicts = []verdict{
		{Position: 1, Verdict: airtime.Refused, Reason: airtime.ReasonRefused},
		{Position: 2, Verdict: airtime.Unsent},
		{Position: 3, Verdict: airtime.Unknown},
	}
	require.Equal(t, state.Recorded{Accepted: 1, Rejected: 1, Returned: 1, InDoubt: 1},
		record(t, s, mixed))

	clock.pass(2 * time.Second)
	polls, _, err := s.Due(ctx, 10, time.Minute)
	require.NoError(t, err)
	require.Empty(t, polls, "the first call handed it out, and its reply was lost")
	_, err = s.Observe(ctx, b, linesOf(b, []observation{
		{Position: 0, Status: airtime.Successful, ProviderReference: "x"},
	}), true, pollSchedule(1))
	require.NoError(t, err)

	withdrawal, err := s.Cancel(ctx, state.KindDisbursal, "b", "amina", "")
	require.NoError(t, err)
	require.Equal(t, state.Cancellation{Cancelled: 2}, withdrawal)
	passed(t, s, b)
	in := rows(t, s, "a")[3]
	n, err := s.Resolve(ctx, state.Decision{Resubmit: true}, []state.Resolution{in.Resolution()})
	require.NoError(t, err)
	require.Equal(t, 1, n)

	require.NoError(t, s.KeepRules(ctx, state.Rules{"a": "b"}))
	inForce, err := s.RulesInForce(ctx)
	require.NoError(t, err)
	require.Equal(t, []state.Rules{{"a": "b"}}, inForce)
	pause, set, err := s.PauseChannel(ctx, lipad, "amina", "why")
	require.NoError(t, err)
	require.Equal(t, []any{true, "amina"}, []any{set, pause.Who})
	pause, _, err = s.ResumeChannel(ctx, lipad, "amina", "")
	require.NoError(t, err)
	require.Equal(t, "amina", pause.Who)
	require.Len(t, audit(t, s), 5, "one entry for each decision")

	replaySendings(t, s, clock)
	_, err = s.Forget(ctx, 10)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(h.calls), 13, "verbs that were repeated")
	h.on = false
	balanced(t, s)
}

// replaySendings goes through a resend and a halving, every call twice.
func replaySendings(t *testing.T, s *state.Store, clock *clock) {
	t.Helper()
	record(t, s, answer(begin(t, s), airtime.Accepted, "")) // Who was returned meanwhile.
	_, err := s.Accept(context.Background(), []state.Disbursal{shifted("c", 10, 2)})
	require.NoError(t, err)
	b := begin(t, s)
	clock.pass(2 * time.Minute)
	sweep(t, s)
	only(t, s, "c", airtime.InDoubt)
	deny(t, s, b.ID, clock)
	record(t, s, answer(begin(t, s), airtime.Accepted, ""))
	_, err = s.Accept(context.Background(), []state.Disbursal{shifted("d", 20, 2)})
	require.NoError(t, err)
	b = begin(t, s)
	record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
	deny(t, s, b.ID, clock)
	only(t, s, "d", airtime.Queued)
	var aside []string
	for range 2 {
		b = begin(t, s)
		require.Len(t, b.Members, 1)
		record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
		deny(t, s, b.ID, clock)
		aside = append(aside, b.ID)
	}
	require.Equal(t, map[airtime.Status]int64{airtime.InDoubt: 2}, statuses(t, s, "d"), "put aside")
	clock.pass(10 * time.Minute)
	deny(t, s, aside[0], clock)
	record(t, s, answer(begin(t, s), airtime.Accepted, ""))
	deny(t, s, aside[1], clock)
	b = begin(t, s)
	record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
	deny(t, s, b.ID, clock)
	require.Equal(t, map[airtime.Status]int64{airtime.Rejected: 1, airtime.Submitted: 1},
		statuses(t, s, "d"))
}

// reload reads a batch anew: an answer counts from when the batch was read to be asked about.
func reload(t testing.TB, s *state.Store, b *state.Batch) *state.Batch {
	t.Helper()
	again, err := s.Load(background, b.ID)
	require.NoError(t, err)
	return again
}

// deny says for two minutes that the provider does not know a batch, and returns what followed.
func deny(t testing.TB, s *state.Store, id string, c *clock) state.NextStep {
	t.Helper()
	var got state.NextStep
	children := state.Children{token(), token()}
	for range 3 {
		b, err := s.Load(context.Background(), id)
		require.NoError(t, err)
		if b.State != state.BatchDoubt {
			return got
		}
		decision, _, err := s.ResolveUnknown(context.Background(), b, true, children,
			pollSchedule(b.Polls))
		require.NoError(t, err)
		got = decision
		if decision != state.KeepAsking {
			return got
		}
		c.pass(time.Minute)
	}
	return got
}

func TestAcceptTellsSameFromConflict(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	a := disbursal("a", 3)
	accept(t, s, a)
	shuffled := disbursal("a", 3)
	slices.Reverse(shuffled.Recipients)
	other := disbursal("a", 3)
	other.Recipients[2].Amount.Minor++
	given := disbursal("a", 3)
	given.Given = "lipad"
	got, err := s.Accept(context.Background(), []state.Disbursal{shuffled, other, given})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Same, state.Conflict, state.Conflict}, got.Outcomes)
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 3}, statuses(t, s, "a"))
	balanced(t, s)
}

func TestOpenImportTellsSameFromConflict(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, nil), context.Background()
	m := state.Manifest{Reference: "i", ContentHash: "h", Options: "o", Rows: 1}
	known, err := s.OpenImport(ctx, m)
	require.NoError(t, err)
	require.False(t, known)
	known, err = s.OpenImport(ctx, m)
	require.NoError(t, err)
	require.True(t, known)
	m.Options = "p"
	_, err = s.OpenImport(ctx, m)
	require.ErrorIs(t, err, state.ErrConflict)
	_, err = s.Cancel(ctx, state.KindImport, "i", "amina", "")
	require.NoError(t, err)
	_, err = s.OpenImport(ctx, m)
	require.ErrorIs(t, err, state.ErrCancelled)
}
