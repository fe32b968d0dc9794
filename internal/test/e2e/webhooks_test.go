package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

// insidePoller posts webhooks to whatever address a name leads to.
var insidePoller = &proctest.Variant{
	Name: "inside-poller", Command: cmdPoller, Breaks: []string{"a webhook may lead inside"},
}

// leadingInside is a harness with an endpoint that leads to this machine, whose name passes the
// settings: these only look at its spelling. It counts the connections.
func leadingInside(t *testing.T) (h *harness, connections *atomic.Int64) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	connections = &atomic.Int64{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(webhookSecret), 0o600))
	h = newHarness(t, setup{config: fmt.Sprintf(
		"webhooks: [{name: shop, url: \"https://LOCALHOST:%s/\", secret_file: %s}]\n", port, secret)})
	return h, connections
}

// publishes adds a result once the poller has the endpoint.
func (h *harness) publishes() {
	h.t.Helper()
	h.await("the endpoint is known", func() bool {
		return h.rdb.HExists(h.t.Context(), "{tuma}:webhook:shop", "cursor").Val()
	})
	require.NoError(h.t, h.rdb.XAdd(h.t.Context(), &redis.XAddArgs{
		Stream: "{tuma}:results", Values: []string{"reference", "r-1", "status", "successful"},
	}).Err())
}

// TestNoWebhookLeadsInside: the address counts that a name leads to.
func TestNoWebhookLeadsInside(t *testing.T) {
	t.Parallel()
	h, connections := leadingInside(t)
	h.start(cmdPoller)
	h.publishes()
	h.await("the error is listed", func() bool {
		return h.rdb.HExists(t.Context(), "{tuma}:webhook:shop", "error").Val()
	})
	require.Contains(t, h.must(0, "webhook").out, "allow_private is not set")
	require.Zero(t, connections.Load())
}

// TestAWebhookThatLeadsInsideIsSeen runs a poller without the check: the test above can fail.
func TestAWebhookThatLeadsInsideIsSeen(t *testing.T) {
	t.Parallel()
	h, connections := leadingInside(t)
	h.run(insidePoller.Build(t), nil)
	h.publishes()
	h.await("somebody connects", func() bool { return connections.Load() > 0 })
}
