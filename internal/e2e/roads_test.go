package e2e_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"
)

// redisCLI pipes commands into redis-cli: a producer without any library at all.
func (w *world) redisCLI(input string, arguments ...string) string {
	w.t.Helper()
	host, port, _ := strings.Cut(w.redis.Addr(), ":")
	command := exec.CommandContext(w.t.Context(), "redis-cli",
		append([]string{"-h", host, "-p", port}, arguments...)...)
	command.Stdin = strings.NewReader(input)
	output, err := command.CombinedOutput()
	require.NoError(w.t, err, "redis-cli (it comes with redis-server): %s", output)
	return string(output)
}

// pipeJobs appends jobs to the jobs stream in one go.
func (w *world) pipeJobs(jobs []job) {
	w.t.Helper()
	var commands strings.Builder
	for _, j := range jobs {
		words := []string{"XADD", "{tuma}:jobs", "*", "job", encode(w.t, j)}
		fmt.Fprintf(&commands, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&commands, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	require.Contains(w.t, w.redisCLI(commands.String(), "--pipe"), "errors: 0")
}

// push enqueues a payload as a Go service does that knows nothing of ours but the two names.
func (w *world) push(payload string) {
	w.t.Helper()
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: w.redis.Addr()})
	defer func() { _ = client.Close() }()
	_, err := client.Enqueue(asynq.NewTask("disbursal:accept", []byte(payload)),
		asynq.Queue("disbursals"))
	require.NoError(w.t, err)
}

// TestEveryRoadIn sends jobs through the stream and through asynq, some of them through both, and
// again when all is done: a reference is one disbursal whatever road it takes.
func TestEveryRoadIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{batch: 100})
	w.pods(2)
	for range 2 {
		w.start(cmdEnqueuer, "stream")
	}
	jobs, wanted := makeJobs("roads", 120, 25)
	w.pipeJobs(jobs[:60])
	w.redisCLI("", "XADD", "{tuma}:jobs", "*", "job", encode(t, jobs[60]))
	w.push(encode(t, jobs[61]))
	w.push(encode(t, map[string][]job{"jobs": jobs[62:100]}))
	w.push(encode(t, map[string][]job{"jobs": jobs[100:]}))
	w.push(encode(t, map[string][]job{"jobs": jobs[:30]}))
	requireEnd(t, w.finished(wanted, "roads"), len(wanted))

	w.pipeJobs(jobs)
	w.push(encode(t, jobs[0]))
	w.await("the stream is empty", func() bool {
		return w.rdb.XLen(t.Context(), "{tuma}:jobs").Val() == 0
	})
	requireEnd(t, w.finished(wanted, "roads"), len(wanted))
	require.Zero(t, w.rdb.XLen(t.Context(), "{tuma}:rejected").Val())
}
