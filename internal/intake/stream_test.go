package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/intake"
	"tuma/internal/providers"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// fakeStream is a jobs stream and a state that fail on demand; calls lists what was asked of them.
type fakeStream struct {
	mu      sync.Mutex
	fresh   []state.Entry // Not read yet.
	left    []state.Entry // Left by a dead consumer.
	calls   []string
	failing map[string]error // By step.
}

func (f *fakeStream) note(step, what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failing[step]; err != nil {
		return err
	}
	f.calls = append(f.calls, strings.TrimSpace(step+" "+what))
	return nil
}

func (f *fakeStream) fail(step string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == nil {
		f.failing = map[string]error{}
	}
	f.failing[step] = err
}

// OpenJobs changes nothing once the stream is open, and is asked for now and then.
func (f *fakeStream) OpenJobs(context.Context) error {
	f.mu.Lock()
	open := slices.Contains(f.calls, "open") && f.failing["open"] == nil
	f.mu.Unlock()
	if open {
		return nil
	}
	return f.note("open", "")
}

func (f *fakeStream) ReadJobs(
	_ context.Context, _ string, _ int, block time.Duration,
) ([]state.Entry, error) {
	f.mu.Lock()
	entries, err := f.fresh, f.failing["read"]
	if err == nil {
		f.fresh = nil
	}
	f.mu.Unlock()
	if err == nil && len(entries) == 0 {
		time.Sleep(block)
	}
	return entries, err
}

func (f *fakeStream) TakeOverJobs(
	context.Context, string, int, time.Duration, string,
) ([]state.Entry, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries := f.left
	f.left = nil
	return entries, "0-0", nil
}

func (f *fakeStream) Reject(_ context.Context, refusals ...state.Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	return f.note("reject", fmt.Sprint(len(refusals)))
}

func (f *fakeStream) AckJobs(_ context.Context, ids []string) error {
	return f.note("ack", strings.Join(ids, " "))
}

func (f *fakeStream) accept(_ context.Context, list []state.Disbursal) ([]state.Outcome, error) {
	if len(list) == 0 {
		return nil, nil
	}
	recipients := 0
	var names []string
	for _, d := range list {
		names, recipients = append(names, d.Reference), recipients+len(d.Recipients)
	}
	if recipients > state.MaxRecipients {
		return nil, errors.New("too many recipients in one step")
	}
	if err := f.note("accept", strings.Join(names, " ")); err != nil {
		return nil, err
	}
	outcomes := make([]state.Outcome, len(list))
	for i, name := range names {
		outcomes[i] = state.Accepted
		if strings.HasPrefix(name, "taken") {
			outcomes[i] = state.Conflict
		}
	}
	return outcomes, nil
}

func (f *fakeStream) entries() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// entry is a job of some recipients.
func entry(id string, recipients int) state.Entry {
	var list []string
	for i := range recipients {
		list = append(list, fmt.Sprintf(`{"phone_number":"0711%06d","amount":"10"}`, i))
	}
	return state.Entry{ID: id, Job: fmt.Sprintf(`{"reference":%q,"recipients":[%s]}`, id,
		strings.Join(list, ","))}
}

// consume runs a stream in a bubble of its own, where time passes when everybody waits.
func consume(t *testing.T, f *fakeStream, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream := &intake.Stream{
		Jobs: f, Accept: f.accept, Consumer: "me", Log: zap.NewNop(), Count: func(string, int) {},
		Rules: intake.Rules{Rules: routing.Rules{
			DefaultProvider: "lipad", Providers: map[string]providers.Capabilities{
				"lipad": {Limits: map[airtime.Currency]providers.Limit{"KES": {Min: 1, Max: 1e6}}},
			},
		}},
	}
	done := make(chan error)
	go func() { done <- stream.Run(ctx) }()
	during()
	cancel()
	require.NoError(t, <-done)
}

func TestStreamAcknowledgesLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fresh: []state.Entry{
			entry("a", 1), {ID: "bad", Job: "nonsense"}, entry("taken", 1), entry("b", 2),
		}}
		consume(t, f, func() { time.Sleep(3 * time.Second) })
		require.Equal(t, []string{"open", "accept a taken b", "reject 2", "ack a bad taken b"},
			f.entries())
	})
}

func TestStreamPacksAtMostAThousandRecipients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fresh: []state.Entry{entry("a", 600), entry("b", 400), entry("c", 1)}}
		consume(t, f, func() { time.Sleep(3 * time.Second) })
		require.Equal(t, []string{"open", "accept a b", "ack a b", "accept c", "ack c"}, f.entries())
	})
}

func TestStreamKeepsWhatTheStateDidNotTake(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"accept", "reject", "ack"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeStream{fresh: []state.Entry{entry("a", 1), {ID: "bad", Job: "{}"}}}
				f.fail(step, errors.New("connection lost"))
				consume(t, f, func() {
					time.Sleep(20 * time.Second)
					require.NotContains(t, f.entries(), "ack a bad")
					f.fail(step, nil)
					time.Sleep(20 * time.Second)
				})
				require.Equal(t, []string{"open", "accept a", "reject 1", "ack a bad"}, f.entries(),
					"every step once, in order")
			})
		})
	}
}

func TestStreamWaitsWhileRedisIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fresh: []state.Entry{entry("a", 1)}}
		f.fail("read", state.ErrFull)
		consume(t, f, func() {
			time.Sleep(time.Minute)
			require.NotContains(t, f.entries(), "accept a")
			f.fail("read", nil)
			time.Sleep(3 * time.Second)
		})
		require.Contains(t, f.entries(), "ack a")
	})
}

func TestStreamTakesOverNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{left: []state.Entry{entry("first", 1)}}
		consume(t, f, func() {
			time.Sleep(time.Second)
			require.Contains(t, f.entries(), "ack first")
			f.mu.Lock()
			f.left = []state.Entry{entry("second", 1)}
			f.mu.Unlock()
			time.Sleep(12 * time.Second)
		})
		require.Contains(t, f.entries(), "ack second")
	})
}

func TestStreamStopsInTimeAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fresh: []state.Entry{entry("a", 1)}}
		f.fail("accept", errors.New("connection lost"))
		var stopping time.Time
		consume(t, f, func() {
			time.Sleep(30 * time.Second)
			stopping = time.Now()
		})
		require.Less(t, time.Since(stopping), 10*time.Second)
		require.NotContains(t, f.entries(), "ack a", "it stays on the stream")
	})
}
