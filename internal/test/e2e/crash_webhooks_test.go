package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// inbox is the endpoint of a producer: it keeps the ids of what it got.
type inbox struct {
	mu     sync.Mutex
	ids    map[string]string // To the bodies.
	faults []string
}

// ServeHTTP takes a result, if it is signed and says the same as before.
func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id := r.Header.Get("webhook-id")
	hook, err := standardwebhooks.NewWebhook(webhookSecret)
	if err == nil {
		err = hook.Verify(body, r.Header)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if before, again := i.ids[id]; err == nil && again && before != string(body) {
		err = fmt.Errorf("%s says something else than before", id)
	}
	if err != nil {
		i.faults = append(i.faults, err.Error())
	}
	i.ids[id] = string(body)
}

func (i *inbox) has(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, has := i.ids[id]
	return has
}

// subscribes starts an endpoint that has read all results so far: none.
func (c *crash) subscribes() *inbox {
	c.t.Helper()
	box := &inbox{ids: map[string]string{}}
	server := httptest.NewServer(box)
	c.t.Cleanup(server.Close)
	secret := filepath.Join(c.t.TempDir(), "secret")
	require.NoError(c.t, os.WriteFile(secret, []byte(webhookSecret), 0o600))
	c.configure(fmt.Sprintf("webhooks:\n  - {name: shop, url: %q, secret_file: %s, "+
		"allow_private: true}\n", server.URL, secret))
	_, err := c.store.DispatchWebhook(c.t.Context(), "shop", state.WebhookRead{Last: "0-0"}, 0,
		time.Second)
	require.NoError(c.t, err)
	return box
}

// has waits until the endpoint has had every result under its id.
func (c *crash) has(box *inbox) {
	c.t.Helper()
	results, err := c.rdb.XRange(c.t.Context(), "{tuma}:results", "-", "+").Result()
	require.NoError(c.t, err)
	require.NotEmpty(c.t, results)
	c.await("every result was posted", func() bool {
		for _, result := range results {
			if !box.has(result.ID) {
				return false
			}
		}
		return true
	})
	box.mu.Lock()
	defer box.mu.Unlock()
	require.Empty(c.t, box.faults)
	require.Len(c.t, box.ids, len(results), "nothing but results")
}

// postsResults has a poller die while it posts results to a producer.
func postsResults(c *crash) {
	box := c.subscribes()
	c.asked()
	c.starts(mortalWorker)
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.ends()
	c.has(box)
}

// switchesOn has the command die that switches an endpoint on.
func switchesOn(c *crash) {
	box := c.subscribes()
	require.NoError(c.t, c.rdb.HSet(c.t.Context(), "{tuma}:webhook:shop",
		"off", time.Now().UnixMilli(), "why", "HTTP 410").Err())
	c.asked()
	c.starts(mortalWorker)
	c.starts(mortalPoller)
	c.ends()
	require.Contains(c.t, c.says("webhook"), "HTTP 410")
	require.Empty(c.t, box.ids)
	c.dies(nil, nil, "webhook", "on", "shop")
	c.says("webhook", "on", "shop")
	c.has(box)
}
