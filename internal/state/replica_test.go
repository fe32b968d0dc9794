package state_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/redistest"
	"tuma/internal/state"
)

// TestTooFewReplicasMeanNoRequest shows that with min_replicas a sending only begins when a replica
// holds it, and that the attempt is recorded as unsent otherwise.
func TestTooFewReplicasMeanNoRequest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	primary := redistest.Start(t)
	host, port, err := net.SplitHostPort(primary.Addr())
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.WithConfig("replicaof", host+" "+port))
	s, err := state.Open(ctx, state.Options{
		URL: primary.URL(), MinReplicas: 1, Asks: []string{"lipad"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.Eventually(t, func() bool {
		n, err := primary.Client(t).Wait(ctx, 1, time.Second).Result()
		return err == nil && n == 1
	}, 20*time.Second, 50*time.Millisecond, "the replica has connected")

	_, err = s.Accept(ctx, []state.Disbursal{disbursal("a", 3)})
	require.NoError(t, err)
	b := begin(t, s)
	_, err = s.Record(ctx, answer(b, airtime.Accepted, ""))
	require.NoError(t, err)

	replica.Pause()
	_, err = s.Accept(ctx, []state.Disbursal{disbursal("b", 3)})
	require.NoError(t, err)
	holder := token()
	claim, err := s.Claim(ctx, "lipad", holder, 1000)
	require.NoError(t, err)
	require.NotNil(t, claim.Batch)
	_, err = s.BeginSend(ctx, claim.Batch, holder)
	var refused *state.RefusedError
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Begun, "the attempt is in the books, so it must be recorded")
	recorded, err := s.Record(ctx, answer(claim.Batch, airtime.Unsent, airtime.ReasonStorage))
	require.NoError(t, err)
	require.Equal(t, 3, recorded.Returned)
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 3}, statuses(t, s, "b"))
	balanced(t, s)
}
