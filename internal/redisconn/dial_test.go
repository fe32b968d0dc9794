package redisconn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/redisconn"
)

// What a replica answers may be old: a cancel, or a sending, that it has not heard of.
func TestUrlsThatReadFromReplicasAreRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ mode, url, want string }{
		{"sentinel", "redis://:sesame@host:1/0?master_name=m&replica_only=true", "replica_only"},
		{"sentinel", "redis://:sesame@host:1/0?master_name=m&route_randomly=true", "route_"},
		{"sentinel", "redis://:sesame@host:1/0?master_name=m&route_by_latency=true", "route_"},
		{"sentinel", "redis://:sesame@host:1/0", "master_name"},
		{"cluster", "redis://:sesame@host:1?read_only=true", "read_only"},
		{"cluster", "redis://:sesame@host:1?route_by_latency=true", "route_"},
		{"cluster", "redis://:sesame@host:1?route_randomly=true", "route_"},
	} {
		_, err := redisconn.Dial(redisconn.Options{Mode: row.mode, URL: row.url})
		require.ErrorContains(t, err, "TUMA_REDIS_URL", row.url)
		require.ErrorContains(t, err, row.want, row.url)
		require.NotContains(t, err.Error(), "sesame")
	}
}

func TestEveryModeIsDialled(t *testing.T) {
	t.Parallel()
	for mode, url := range map[string]string{
		"single": "redis://host:1/0", "sentinel": "redis://host:1/0?master_name=m&addr=host:2",
		"cluster": "redis://host:1?addr=host:2",
	} {
		client, err := redisconn.Dial(redisconn.Options{Mode: mode, URL: url})
		require.NoError(t, err)
		require.NoError(t, client.Close())
	}
}
