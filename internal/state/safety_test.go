package state_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

func TestRestartedRedisFreezesClaiming(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, state.Options{
		Options:       redisconn.Options{URL: server.URL()},
		SubmitTimeout: 2 * time.Second, Guard: 2 * time.Second,
		ClaimTimeout: 10 * time.Millisecond, Providers: testProviders,
	})
	accept(t, s, disbursal("a", 1), shifted("b", 1, 1))
	sent, holder := claim(t, s, 1)
	_, err := s.BeginSend(context.Background(), sent, holder)
	require.NoError(t, err)
	claim(t, s, 1)
	other := openWith(t, optionsAt(server.URL()))
	server.Restart()

	frozen := idle(t, other, state.IdleFenced)
	require.Positive(t, frozen.Wait)
	require.LessOrEqual(t, frozen.Wait, 4*time.Second, "the sender's settings count")
	idle(t, s, state.IdleFenced)
	time.Sleep(20 * time.Millisecond)
	require.Zero(t, sweep(t, s).Returned, "what is claimed may have been sent")
	require.Equal(t, state.Recorded{Accepted: 1}, record(t, s, answer(sent, airtime.Accepted, "")))
	require.Eventually(t, func() bool {
		sweep(t, s)
		got, err := s.Claim(context.Background(), "lipad", token(), 1)
		return err == nil && got.Batch != nil
	}, 2*time.Minute, 20*time.Millisecond)
	only(t, s, "a", airtime.Submitted)
	balanced(t, s)
}

func TestFirstStartIsNotFrozen(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	idle(t, s, state.IdleEmpty)
	f, err := s.Stats(context.Background())
	require.NoError(t, err)
	require.Zero(t, f.Fenced)
}

// forget takes Redis back to before a batch was claimed, as a crash that loses a second does.
func forget(t testing.TB, s *state.Store, before, now map[string]string) {
	t.Helper()
	ctx := context.Background()
	for name := range now {
		if before[name] == "" {
			require.NoError(t, s.Client().Del(ctx, name).Err())
		}
	}
	for name, dump := range before {
		require.NoError(t, s.Client().RestoreReplace(ctx, name, 0, dump).Err())
	}
}

func dumps(t testing.TB, s *state.Store) map[string]string {
	t.Helper()
	ctx, list := context.Background(), map[string]string{}
	names, err := s.Client().Keys(ctx, s.Key("", "")+"*").Result()
	require.NoError(t, err)
	for _, name := range names {
		list[name] = s.Client().Dump(ctx, name).Val()
	}
	return list
}

func TestForgottenSendingIsRestoredByRecord(t *testing.T) {
	t.Parallel()
	for _, v := range airtime.Verdicts() {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			s := open(t, nil)
			accept(t, s, disbursal("a", 3), shifted("b", 3, 1))
			before := dumps(t, s)
			b := begin(t, s)
			forget(t, s, before, dumps(t, s))
			only(t, s, "a", airtime.Queued)
			got := record(t, s, answer(b, v, airtime.ReasonRefused))
			want := map[airtime.Verdict]airtime.Status{
				airtime.Accepted: airtime.Submitted, airtime.Refused: airtime.Rejected,
				airtime.Unsent: airtime.Queued, airtime.Unknown: airtime.InDoubt,
			}[v]
			only(t, s, "a", want)
			only(t, s, "b", want)
			require.Equal(t, 4, got.Accepted+got.Rejected+got.Returned+got.InDoubt)
			balanced(t, s)
			if v == airtime.Unsent {
				require.Len(t, begin(t, s).Members, 4)
			}
			idle(t, s, state.IdleEmpty)
		})
	}
}

func TestForgottenSendingIsTakenFromAnotherClaim(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 2))
	before := dumps(t, s)
	b := begin(t, s)
	forget(t, s, before, dumps(t, s))
	accept(t, s, shifted("b", 2, 1))
	other, holder := claim(t, s, 1000)
	require.Len(t, other.Members, 3)
	require.Equal(t, state.Recorded{Accepted: 2}, record(t, s, answer(b, airtime.Accepted, "")))
	only(t, s, "a", airtime.Submitted)
	refused(t, s, other, holder, "moved")
	require.Len(t, begin(t, s).Members, 1)
	balanced(t, s)
}

func TestForgottenSecondAttemptIsRecorded(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	first := begin(t, s)
	c.pass(2 * time.Minute)
	sweep(t, s)
	require.Equal(t, state.Resend, deny(t, s, first.ID, c))
	before := dumps(t, s)
	second := begin(t, s)
	forget(t, s, before, dumps(t, s))
	require.Equal(t, state.Recorded{InDoubt: 2}, record(t, s, answer(second, airtime.Unsent, "")))
	only(t, s, "a", airtime.InDoubt)
	idle(t, s, state.IdleEmpty)
	balanced(t, s)
}

func TestForgetfulRedisIsRefused(t *testing.T) {
	t.Parallel()
	for setting, value := range map[string]string{
		"appendonly": "no", "maxmemory-policy": "allkeys-lru", "appendfsync": "no",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.WithConfig(setting, value))
			o := state.Options{Options: redisconn.Options{URL: server.URL()}}
			_, err := state.Open(context.Background(), o)
			require.ErrorIs(t, err, state.ErrForgetful)
			require.ErrorContains(t, err, setting+" is "+value)
			o.AllowVolatile = true
			s := openWith(t, o)
			require.Contains(t, s.Warning(), "volatile")
			require.NoError(t, s.Ready(context.Background()))
		})
	}
}

func TestEverysecWithoutReplicasWarns(t *testing.T) {
	t.Parallel()
	require.Contains(t, open(t, nil).Warning(), "everysec")
}

func TestRedisThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	_, err := state.Open(context.Background(), optionsAt(
		"redis://:sesame@127.0.0.1:1/0?dial_timeout=1s&max_retries=-1"))
	require.ErrorContains(t, err, "TUMA_REDIS_URL")
	require.NotContains(t, err.Error(), "sesame")
	_, err = state.Open(context.Background(), optionsAt("redis://:sesame@[bad"))
	require.ErrorContains(t, err, "TUMA_REDIS_URL")
	require.NotContains(t, err.Error(), "sesame")
	_, err = state.Open(context.Background(), state.Options{Options: redisconn.Options{Mode: "wild"}})
	require.ErrorContains(t, err, "TUMA_REDIS_MODE")
}

// fill sets the memory limit so that a share of it is in use.
func fill(t *testing.T, s *state.Store, share float64) {
	t.Helper()
	ctx := context.Background()
	info, err := s.Client().Info(ctx, "memory").Result()
	require.NoError(t, err)
	var used int64
	for line := range strings.Lines(info) {
		if text, found := strings.CutPrefix(line, "used_memory:"); found {
			_, err := fmt.Sscan(text, &used)
			require.NoError(t, err)
		}
	}
	limit := fmt.Sprint(int64(float64(used) / share))
	require.NoError(t, s.Client().ConfigSet(ctx, "maxmemory", limit).Err())
	s.LookAgain()
}

func TestFullRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, state.Options{
		Options: redisconn.Options{URL: server.URL()}, ClaimTimeout: time.Millisecond,
		Providers: testProviders,
	})
	ctx := context.Background()
	for i := range 30 {
		accept(t, s, shifted(fmt.Sprint("r", i), i*200, 200))
	}
	heard, silent := begin(t, s), begin(t, s)
	waiting, holder := claim(t, s, 1000)

	fill(t, s, 0.85)
	_, err := s.Accept(ctx, []state.Disbursal{disbursal("new", 1)})
	require.ErrorIs(t, err, state.ErrFull)
	require.NoError(t, s.OpenJobs(ctx))
	_, err = s.ReadJobs(ctx, "c", 1, -1)
	require.ErrorIs(t, err, state.ErrFull)
	_, err = s.OpenImport(ctx, state.Manifest{Reference: "i"})
	require.ErrorIs(t, err, state.ErrFull)

	fill(t, s, 1.25)
	refused(t, s, waiting, holder, "full")
	require.Equal(t, 1000, record(t, s, answer(heard, airtime.Accepted, "")).Accepted)
	require.Equal(t, 1000,
		record(t, s, answer(silent, airtime.Unknown, airtime.ReasonTimeout)).InDoubt)
	observe(t, s, heard.ID, airtime.Successful, 0, 1, 2)
	require.Equal(t, state.Swept{Returned: 1}, sweep(t, s))
	_, _, err = s.Due(ctx, 10, time.Minute)
	require.NoError(t, err)
	balanced(t, s)
}

// A Redis that was restarted while it is full must let processes in: they bring what was sent.
func TestFullRedisThatWasRestartedTakesRecords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	accept(t, s, disbursal("a", 1000))
	b := begin(t, s)
	server.Stop()
	server.Restart()
	client := server.Client(t)
	require.NoError(t, client.ConfigSet(context.Background(), "maxmemory", "500kb").Err())
	err := client.Set(context.Background(), "x", "y", 0).Err()
	require.ErrorContains(t, err, "OOM")
	require.Equal(t, 1000, record(t, s, answer(b, airtime.Accepted, "")).Accepted)
	got, err := s.Claim(context.Background(), "lipad", token(), 1)
	if !errors.Is(err, state.ErrFull) {
		require.NoError(t, err)
		require.Equal(t, state.IdleFenced, got.Idle)
	}
}

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	flush := func() {
		require.NoError(t, server.Client(t).ScriptFlush(context.Background()).Err())
	}
	flush()
	accept(t, s, disbursal("a", 2))
	flush()
	b, holder := claim(t, s, 10)
	flush()
	_, err := s.BeginSend(context.Background(), b, holder)
	require.NoError(t, err)
	flush()
	record(t, s, answer(b, airtime.Accepted, ""))
	flush()
	observe(t, s, b.ID, airtime.Successful, 0, 1)
	flush()
	sweep(t, s)
	only(t, s, "a", airtime.Successful)
	balanced(t, s)
}

func TestTooFewReplicasMeanNoSending(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.MinReplicas = 1 })
	accept(t, s, disbursal("a", 1))
	b, holder := claim(t, s, 1)
	_, err := s.BeginSend(context.Background(), b, holder)
	var refusal *state.RefusedError
	require.ErrorAs(t, err, &refusal)
	require.True(t, refusal.Begun)
	record(t, s, answer(b, airtime.Unsent, airtime.ReasonStorage))
	only(t, s, "a", airtime.Queued)
}
