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
	"tuma/internal/state"
)

// stage is a jobs stream and a state that fail on demand, and a diary of what was asked of them.
type stage struct {
	mu      sync.Mutex
	fresh   []state.Entry // Not read yet.
	left    []state.Entry // Left by a dead consumer.
	diary   []string
	failing map[string]error // By step.
}

func (s *stage) note(step, what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing[step]; err != nil {
		return err
	}
	s.diary = append(s.diary, strings.TrimSpace(step+" "+what))
	return nil
}

func (s *stage) fail(step string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing == nil {
		s.failing = map[string]error{}
	}
	s.failing[step] = err
}

// OpenJobs changes nothing once the stream is open, and is asked for now and then.
func (s *stage) OpenJobs(context.Context) error {
	s.mu.Lock()
	open := slices.Contains(s.diary, "open") && s.failing["open"] == nil
	s.mu.Unlock()
	if open {
		return nil
	}
	return s.note("open", "")
}

func (s *stage) ReadJobs(
	_ context.Context, _ string, _ int, block time.Duration,
) ([]state.Entry, error) {
	s.mu.Lock()
	entries, err := s.fresh, s.failing["read"]
	if err == nil {
		s.fresh = nil
	}
	s.mu.Unlock()
	if err == nil && len(entries) == 0 {
		time.Sleep(block)
	}
	return entries, err
}

func (s *stage) TakeOverJobs(
	context.Context, string, int, time.Duration, string,
) ([]state.Entry, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := s.left
	s.left = nil
	return entries, "0-0", nil
}

func (s *stage) Reject(_ context.Context, refusals ...state.Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	return s.note("reject", fmt.Sprint(len(refusals)))
}

func (s *stage) AckJobs(_ context.Context, ids []string) error {
	return s.note("ack", strings.Join(ids, " "))
}

func (s *stage) accept(_ context.Context, list []state.Disbursal) ([]state.Outcome, error) {
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
	if err := s.note("accept", strings.Join(names, " ")); err != nil {
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

func (s *stage) entries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.diary)
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
func consume(t *testing.T, s *stage, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream := &intake.Stream{
		Jobs: s, Accept: s.accept, Consumer: "me", Log: zap.NewNop(), Count: func(string, int) {},
		Rules: intake.Rules{DefaultProvider: "lipad", Providers: map[string]providers.Capabilities{
			"lipad": {Limits: map[airtime.Currency]providers.Limit{"KES": {Min: 1, Max: 1e6}}},
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
		s := &stage{fresh: []state.Entry{
			entry("a", 1), {ID: "bad", Job: "nonsense"}, entry("taken", 1), entry("b", 2),
		}}
		consume(t, s, func() { time.Sleep(3 * time.Second) })
		require.Equal(t, []string{"open", "accept a taken b", "reject 2", "ack a bad taken b"},
			s.entries())
	})
}

func TestStreamPacksAtMostAThousandRecipients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{fresh: []state.Entry{entry("a", 600), entry("b", 400), entry("c", 1)}}
		consume(t, s, func() { time.Sleep(3 * time.Second) })
		require.Equal(t, []string{"open", "accept a b", "ack a b", "accept c", "ack c"}, s.entries())
	})
}

func TestStreamKeepsWhatTheStateDidNotTake(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"accept", "reject", "ack"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stage{fresh: []state.Entry{entry("a", 1), {ID: "bad", Job: "{}"}}}
				s.fail(step, errors.New("connection lost"))
				consume(t, s, func() {
					time.Sleep(20 * time.Second)
					require.NotContains(t, s.entries(), "ack a bad")
					s.fail(step, nil)
					time.Sleep(20 * time.Second)
				})
				require.Equal(t, []string{"open", "accept a", "reject 1", "ack a bad"}, s.entries(),
					"every step once, in order")
			})
		})
	}
}

func TestStreamWaitsWhileRedisIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{fresh: []state.Entry{entry("a", 1)}}
		s.fail("read", state.ErrFull)
		consume(t, s, func() {
			time.Sleep(time.Minute)
			require.NotContains(t, s.entries(), "accept a")
			s.fail("read", nil)
			time.Sleep(3 * time.Second)
		})
		require.Contains(t, s.entries(), "ack a")
	})
}

func TestStreamTakesOverNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{left: []state.Entry{entry("first", 1)}}
		consume(t, s, func() {
			time.Sleep(time.Second)
			require.Contains(t, s.entries(), "ack first")
			s.mu.Lock()
			s.left = []state.Entry{entry("second", 1)}
			s.mu.Unlock()
			time.Sleep(12 * time.Second)
		})
		require.Contains(t, s.entries(), "ack second")
	})
}

func TestStreamStopsInTimeAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{fresh: []state.Entry{entry("a", 1)}}
		s.fail("accept", errors.New("connection lost"))
		var stopping time.Time
		consume(t, s, func() {
			time.Sleep(30 * time.Second)
			stopping = time.Now()
		})
		require.Less(t, time.Since(stopping), 10*time.Second)
		require.NotContains(t, s.entries(), "ack a", "it stays on the stream")
	})
}
