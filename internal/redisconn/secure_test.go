package redisconn_test

import (
	"crypto/tls"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/redisconn"
)

// dialed is what a client of some mode was built with.
type dialed struct {
	tls         *tls.Config
	credentials func() (string, string)
}

// built reads the options of a client that was not used yet.
func built(t *testing.T, o redisconn.Options) dialed {
	t.Helper()
	client, err := redisconn.Dial(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return dialed{cluster.Options().TLSConfig, cluster.Options().CredentialsProvider}
	}
	options := client.(*redis.Client).Options()
	return dialed{options.TLSConfig, options.CredentialsProvider}
}

// TestEveryModeIsSecured: no mode forgets the authority, the name to look for or the new password.
func TestEveryModeIsSecured(t *testing.T) {
	t.Parallel()
	for mode, row := range map[string]struct{ before, after string }{
		"single":  {"//ann:old@host:6379/0", "//ann:new@host:6379/0"},
		"cluster": {"//ann:old@host:6379", "//ann:new@host:6379"},
		"sentinel": {
			"//watch:man@host:26379/0?master_name=m&username=ann&password=old",
			"//watch:man@host:26379/0?master_name=m&username=ann&password=new",
		},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var now atomic.Pointer[string]
			say := func(url string) { now.Store(&url) }
			say("rediss:" + row.before)
			o := redisconn.Options{
				URL: "rediss:" + row.before, Mode: mode, TLS: &tls.Config{MinVersion: tls.VersionTLS13},
				CurrentURL: func() string { return *now.Load() },
			}
			client := built(t, o)
			require.Equal(t, "host", client.tls.ServerName)
			require.EqualValues(t, tls.VersionTLS13, client.tls.MinVersion)
			require.Empty(t, o.TLS.ServerName, "it belongs to others, too")
			for _, word := range []string{"old", "new", "old"} {
				say("rediss:" + map[string]string{"old": row.before, "new": row.after}[word])
				user, password := client.credentials()
				require.Equal(t, "ann "+word, user+" "+password)
			}
			say("rediss://%zz")
			user, password := client.credentials()
			require.Equal(t, "ann old", user+" "+password, "what cannot be read changes nothing")

			o.URL = "redis:" + row.before
			require.NotNil(t, built(t, o).tls, "never in the clear")
			o.TLS = nil
			require.Nil(t, built(t, o).tls)
		})
	}
}
