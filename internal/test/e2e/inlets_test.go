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
func (h *harness) redisCLI(input string, arguments ...string) string {
	h.t.Helper()
	host, port, _ := strings.Cut(h.redis.Addr(), ":")
	command := exec.CommandContext(h.t.Context(), "redis-cli",
		append([]string{"-h", host, "-p", port}, arguments...)...)
	command.Stdin = strings.NewReader(input)
	output, err := command.CombinedOutput()
	require.NoError(h.t, err, "redis-cli (it comes with redis-server): %s", output)
	return string(output)
}

// pipeJobs appends jobs to the jobs stream in one go.
func (h *harness) pipeJobs(jobs []job) {
	h.t.Helper()
	var commands strings.Builder
	for _, j := range jobs {
		words := []string{"XADD", "{tuma}:jobs", "*", "job", encode(h.t, j)}
		fmt.Fprintf(&commands, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&commands, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	require.Contains(h.t, h.redisCLI(commands.String(), "--pipe"), "errors: 0")
}

// push enqueues a payload as a Go service does that knows nothing of ours but the two names.
func (h *harness) push(payload string) {
	h.t.Helper()
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: h.redis.Addr()})
	defer func() { _ = client.Close() }()
	_, err := client.Enqueue(asynq.NewTask("disbursal:accept", []byte(payload)),
		asynq.Queue("disbursals"))
	require.NoError(h.t, err)
}

// TestEveryInlet sends jobs through the stream and through asynq, some of them through both, and
// again when all is done: a reference is one disbursal whatever inlets it takes.
func TestEveryInlet(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{batch: 100})
	h.pods(2)
	for range 2 {
		h.start(cmdEnqueuer, "stream")
	}
	jobs, wanted := makeJobs("inlets", 120, 25)
	h.pipeJobs(jobs[:60])
	h.redisCLI("", "XADD", "{tuma}:jobs", "*", "job", encode(t, jobs[60]))
	h.push(encode(t, jobs[61]))
	h.push(encode(t, map[string][]job{"jobs": jobs[62:100]}))
	h.push(encode(t, map[string][]job{"jobs": jobs[100:]}))
	h.push(encode(t, map[string][]job{"jobs": jobs[:30]}))
	requireEnd(t, h.finished(wanted, "inlets"), len(wanted))

	h.pipeJobs(jobs)
	h.push(encode(t, jobs[0]))
	h.await("the stream is empty", func() bool {
		return h.rdb.XLen(t.Context(), "{tuma}:jobs").Val() == 0
	})
	requireEnd(t, h.finished(wanted, "inlets"), len(wanted))
	require.Zero(t, h.rdb.XLen(t.Context(), "{tuma}:rejected").Val())
}
