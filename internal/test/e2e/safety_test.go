package e2e_test

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// TestForgetfulRedisIsRefused demands that nobody starts on a Redis that can forget, and that each
// says which of its settings is to be changed to what.
func TestForgetfulRedisIsRefused(t *testing.T) {
	t.Parallel()
	path, _ := writeFile(t, "file", 0, 3)
	for _, row := range []struct{ setting, value, want string }{
		{"appendonly", "no", "appendonly is no: set it to yes"},
		{"maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru: set it to noeviction"},
		{"appendfsync", "no", "appendfsync is no: set it to everysec or always"},
	} {
		t.Run(row.setting, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, setup{
				redis: []redistest.Option{redistest.WithConfig(row.setting, row.value)},
			})
			for _, p := range []*proctest.Process{
				h.start(cmdWorker), h.start(cmdPoller), h.start(cmdEnqueuer, "stream"),
				h.start(cmdEnqueuer, "import", path), h.start(cmdEnqueuer, "verify"),
			} {
				require.Equal(t, 2, p.Wait(testTimeout), p.Output())
				require.Contains(t, p.Output(), row.want)
			}
			require.Zero(t, h.rdb.Exists(t.Context(), "{tuma}:book").Val())
		})
	}
}

// usedMemory is what Redis uses, in bytes.
func (h *harness) usedMemory() int {
	h.t.Helper()
	info, err := h.rdb.Info(h.t.Context(), "memory").Result()
	require.NoError(h.t, err)
	_, rest, found := strings.Cut(info, "\r\nused_memory:")
	require.True(h.t, found)
	text, _, _ := strings.Cut(rest, "\r\n")
	used, err := strconv.Atoi(text)
	require.NoError(h.t, err)
	return used
}

// TestFullRedis lets Redis run full while a slow request is on the wire. What was sent is recorded
// and followed; nothing more is taken or sent; with room again everything goes on by itself.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{batch: 100, faults: `{"send":{"latency":"1500ms"}}`})
	worker := h.start(cmdWorker)
	stream := h.start(cmdEnqueuer, "stream")
	poller := h.start(cmdPoller)
	stream.WaitOutput("serving", testTimeout)
	poller.WaitOutput("serving", testTimeout)
	jobs, wanted := makeJobs("full", 6, 50)
	h.accept(jobs[:2])
	h.awaitSends(1)
	h.pipeJobs(jobs[2:4])
	h.await("the stream is read", func() bool { _, all := h.counts(); return all == 200 })
	limit := strconv.Itoa(h.usedMemory() * 99 / 100)
	require.NoError(t, h.rdb.ConfigSet(t.Context(), "maxmemory", limit).Err())

	path, more := writeFile(t, "file", 5_000, 10)
	importing := h.start(cmdEnqueuer, "import", path, "--reference", "file")
	importing.WaitOutput("waiting: redis is close to maxmemory: raise maxmemory", testTimeout)
	stream.WaitOutput("raise maxmemory", testTimeout)
	h.await("every answer is recorded", func() bool {
		return strings.Count(worker.Output(), "batch recorded") == h.ledger().Requests["send"]
	})
	require.NotRegexp(t, `"in_doubt":[1-9]`, worker.Output())
	for _, r := range h.report("full") {
		require.Contains(t, []string{"queued", "submitted", "processing"}, r.Status)
	}
	sends := h.ledger().Requests["send"]
	time.Sleep(time.Second)
	require.Equal(t, sends, h.ledger().Requests["send"], "nothing is sent while Redis is full")
	_, all := h.counts()
	require.Equal(t, int64(200), all, "nothing is accepted while Redis is full")

	require.NoError(t, h.rdb.ConfigSet(t.Context(), "maxmemory", "0").Err())
	h.pipeJobs(jobs[4:])
	require.Equal(t, 0, importing.Wait(testTimeout), importing.Output())
	maps.Copy(wanted, more)
	requireEnd(t, h.finished(wanted, "full", "file"), len(wanted))
}
