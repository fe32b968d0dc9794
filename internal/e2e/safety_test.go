package e2e_test

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/proctest"
	"tuma/internal/redistest"
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
			w := newWorld(t, setup{
				redis: []redistest.Option{redistest.WithConfig(row.setting, row.value)},
			})
			for _, p := range []*proctest.Process{
				w.start(cmdWorker), w.start(cmdPoller), w.start(cmdEnqueuer, "stream"),
				w.start(cmdEnqueuer, "import", path), w.start(cmdEnqueuer, "verify"),
			} {
				require.Equal(t, 2, p.Wait(patience), p.Output())
				require.Contains(t, p.Output(), row.want)
			}
			require.Zero(t, w.rdb.Exists(t.Context(), "{tuma}:book").Val())
		})
	}
}

// usedMemory is what Redis uses, in bytes.
func (w *world) usedMemory() int {
	w.t.Helper()
	info, err := w.rdb.Info(w.t.Context(), "memory").Result()
	require.NoError(w.t, err)
	_, rest, found := strings.Cut(info, "\r\nused_memory:")
	require.True(w.t, found)
	text, _, _ := strings.Cut(rest, "\r\n")
	used, err := strconv.Atoi(text)
	require.NoError(w.t, err)
	return used
}

// TestFullRedis lets Redis run full while a slow request is on the wire. What was sent is recorded
// and followed; nothing more is taken or sent; with room again everything goes on by itself.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{batch: 100, faults: `{"send":{"latency":"1500ms"}}`})
	worker := w.start(cmdWorker)
	stream := w.start(cmdEnqueuer, "stream")
	poller := w.start(cmdPoller)
	stream.WaitOutput("serving", patience)
	poller.WaitOutput("serving", patience)
	jobs, wanted := makeJobs("full", 6, 50)
	w.accept(jobs[:2])
	w.awaitSends(1)
	w.pipeJobs(jobs[2:4])
	w.await("the stream is read", func() bool { _, all := w.counts(); return all == 200 })
	limit := strconv.Itoa(w.usedMemory() * 99 / 100)
	require.NoError(t, w.rdb.ConfigSet(t.Context(), "maxmemory", limit).Err())

	path, more := writeFile(t, "file", 5_000, 10)
	importing := w.start(cmdEnqueuer, "import", path, "--reference", "file")
	importing.WaitOutput("waiting: redis is close to maxmemory: raise maxmemory", patience)
	stream.WaitOutput("raise maxmemory", patience)
	w.await("every answer is recorded", func() bool {
		return strings.Count(worker.Output(), "batch recorded") == w.ledger().Requests["send"]
	})
	require.NotRegexp(t, `"in_doubt":[1-9]`, worker.Output())
	for _, r := range w.report("full") {
		require.Contains(t, []string{"queued", "submitted", "processing"}, r.Status)
	}
	sends := w.ledger().Requests["send"]
	time.Sleep(time.Second)
	require.Equal(t, sends, w.ledger().Requests["send"], "nothing is sent while Redis is full")
	_, all := w.counts()
	require.Equal(t, int64(200), all, "nothing is accepted while Redis is full")

	require.NoError(t, w.rdb.ConfigSet(t.Context(), "maxmemory", "0").Err())
	w.pipeJobs(jobs[4:])
	require.Equal(t, 0, importing.Wait(patience), importing.Output())
	maps.Copy(wanted, more)
	requireEnd(t, w.finished(wanted, "full", "file"), len(wanted))
}
