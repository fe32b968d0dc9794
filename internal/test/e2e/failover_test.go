package e2e_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// Keys of two slots whose masters are two: that of the state (and of the triggers for Lipad), and
// that of the queues poll and disbursals.
const (
	stateKey = "{tuma}:state"
	pollKey  = "asynq:{poll}:pending"
)

// unreplicated lets a failover forget what is on the wire.
const unreplicated = "state: {min_replicas: 0}\n"

// beyond is a Redis of many servers of which one takes over from another.
type beyond struct {
	mode, url string
	// services is how producers reach it.
	services redis.UniversalClient
	// shown is what the dashboard says of it.
	shown string
	// master is who holds a key.
	master func(key string) *redistest.Server
	// heard waits until the replicas of the state have everything that is confirmed so far.
	heard func()
	// lag cuts the replicas of the state off; resumed, they are behind.
	lag func() []*redistest.Server
	// handOver lets a replica of the state take over from a master that lives on.
	handOver func()
	// whole waits until everything that was restarted is back in its place.
	whole func()
}

func (b *beyond) place(t *testing.T) redisAddress {
	t.Helper()
	return redisAddress{url: b.url, mode: b.mode, rdb: b.master(stateKey).Client(t)}
}

// pushes hands jobs over as services do, trying again until they are taken: every tenth through
// asynq, the others through the stream.
func (h *harness) pushes(b *beyond, jobs []job) {
	h.t.Helper()
	client := asynq.NewClientFromRedisClient(b.services)
	for i, j := range jobs {
		payload := encode(h.t, j)
		h.await("a job is taken", func() bool {
			if i%10 == 0 {
				_, err := client.Enqueue(asynq.NewTask("disbursal:accept", []byte(payload)),
					asynq.Queue("disbursals"))
				return err == nil
			}
			return b.services.XAdd(h.t.Context(), &redis.XAddArgs{
				Stream: "{tuma}:jobs", Values: []string{"job", payload},
			}).Err() == nil
		})
	}
}

// answers reads a page of the poller: its status, and its text.
func (h *harness) answers(url string) (int, string) {
	h.t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	return answer.StatusCode, string(text)
}

// awaitPage waits until a page answers with a status and holds a text.
func (h *harness) awaitPage(url string, status int, text string) {
	h.t.Helper()
	h.await(url+" says "+text, func() bool {
		got, said := h.answers(url)
		return got == status && strings.Contains(said, text)
	})
}

// requireDashboard demands that the dashboard and the readiness of a poller answer.
func (h *harness) requireDashboard(b *beyond, ops string) {
	h.t.Helper()
	h.awaitPage("http://"+ops+"/monitor/api/queues", http.StatusOK, `"lipad"`)
	h.awaitPage("http://"+ops+"/monitor/api/redis_info", http.StatusOK, b.shown)
	h.awaitPage("http://"+ops+"/readyz", http.StatusOK, "")
}

// killed kills the master of a key with requests on the wire, hands jobs over while it is gone, and
// waits until a replica has taken over and more is sent. The killed one comes back as a replica.
func (h *harness) killed(b *beyond, key string, jobs []job) {
	h.t.Helper()
	h.pushes(b, jobs[:20])
	h.awaitSends(h.ledger().Requests["send"] + 4)
	victim := b.master(key)
	victim.Kill()
	begin := time.Now()
	h.pushes(b, jobs[20:30])
	require.NotEqual(h.t, victim.Addr(), b.master(key).Addr())
	took := time.Now()
	h.rdb = b.master(stateKey).Client(h.t)
	sends := h.ledger().Requests["send"]
	h.pushes(b, jobs[30:])
	h.awaitSends(sends + 1)
	h.t.Logf("%s: taken over within %s, sending again within %s", key,
		took.Sub(begin).Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	victim.Restart()
	b.whole()
}

// survivesKills runs everything that there is on a Redis whose masters of the given keys are killed
// one after the other.
func survivesKills(t *testing.T, b *beyond, keys ...string) {
	h := newHarness(t, setup{
		at: b.place(t), batch: 10, config: unreplicated, faults: `{"send":{"latency":"400ms"}}`,
	})
	ops := proctest.FreeAddr(t)
	poller := h.run(proctest.Build(t, cmdPoller), []string{"TUMA_OPS_ADDR=" + ops})
	for _, p := range []*proctest.Process{
		h.start(cmdWorker), h.start(cmdWorker), h.start(cmdEnqueuer, "stream"), poller,
	} {
		p.WaitOutput("serving", testTimeout)
	}
	path, wanted := writeFile(t, "file", 50_000, 200)
	importing := h.start(cmdEnqueuer, "import", path, "--reference", "file", "--follow")
	h.await("the file is accepted", func() bool { _, all := h.counts(); return all == 200 })
	const each = 40
	jobs, more := makeJobs("pushed", each*len(keys), 10)
	maps.Copy(wanted, more)
	for i, key := range keys {
		h.killed(b, key, jobs[each*i:each*(i+1)])
	}
	h.requireDashboard(b, ops)
	require.Equal(t, 4, importing.Wait(testTimeout), importing.Output())
	requireEnd(t, h.finished(wanted, "file", "pushed"), len(wanted))
	require.Zero(t, h.rdb.XLen(t.Context(), "{tuma}:rejected").Val())
	// Whether it can forget is asked of the node that holds the state now.
	require.NoError(t, h.rdb.ConfigSet(t.Context(), "appendonly", "no").Err())
	h.awaitPage("http://"+ops+"/readyz", http.StatusServiceUnavailable, "appendonly is no")
}

// survivesHandingOver lets a replica take over from a master that lives on, with requests on the
// wire; who has not heard of it goes on writing to the old one.
func survivesHandingOver(t *testing.T, b *beyond, minReplicas int) {
	h := newHarness(t, setup{
		at: b.place(t), batch: 10, faults: `{"send":{"latency":"400ms"}}`,
		config: fmt.Sprintf("state: {min_replicas: %d}\n", minReplicas),
	})
	for _, p := range []*proctest.Process{
		h.start(cmdWorker), h.start(cmdWorker), h.start(cmdEnqueuer, "stream"), h.start(cmdPoller),
	} {
		p.WaitOutput("serving", testTimeout)
	}
	jobs, wanted := makeJobs("handed", 100, 10)
	h.pushes(b, jobs)
	h.awaitSends(4)
	b.heard() // A disbursal that is accepted later may be forgotten; the producer asks again.
	b.handOver()
	h.rdb = b.master(stateKey).Client(t)
	h.pushes(b, jobs)
	requireEnd(t, h.finished(wanted, "handed"), len(wanted))
}

// forgetsNoSending kills a master whose replicas have heard of two sendings and then of nothing
// more: neither of the answers, nor of another disbursal. The sender is killed with it. What was
// sent is known all the same, nothing left without a replica knowing, and nobody is paid twice.
func forgetsNoSending(t *testing.T, b *beyond) {
	h := newHarness(t, setup{
		at: b.place(t), batch: 10, config: "state: {min_replicas: 1}\n",
		faults: `{"send":{"latency":"1s"},"outcomes":{"successful":1}}`,
	})
	worker := h.start(cmdWorker)
	worker.WaitOutput("serving", testTimeout)
	jobs, wanted := makeJobs("known", 3, 10)
	h.accept(jobs[:2])
	h.awaitSends(2)
	victim := b.master(stateKey)
	behind := b.lag()
	h.await("the answers are recorded", func() bool { return h.book()["lipad submitted"] == 20 })
	h.accept(jobs[2:])
	worker.WaitOutput(`"reason":"storage"`, testTimeout)
	worker.Kill()
	victim.Kill()
	for _, replica := range behind {
		replica.Resume()
	}
	h.rdb = b.master(stateKey).Client(t)
	require.Equal(t, 2, h.ledger().Requests["send"])
	require.Equal(t, map[string]int64{"lipad sending": 20}, h.bookOf(h.rdb))

	h.start(cmdWorker)
	h.start(cmdPoller)
	h.accept(jobs[2:]) // Again, since it was forgotten.
	victim.Restart()
	b.whole()
	require.Equal(t, len(wanted), h.finished(wanted, "known")["successful"])
}

// bookOf reads the book of one server; no script runs, which would notice the failover.
func (h *harness) bookOf(rdb *redis.Client) map[string]int64 {
	h.t.Helper()
	book := map[string]int64{}
	for field, figures := range rdb.HGetAll(h.t.Context(), "{tuma}:book").Val() {
		words := strings.Fields(field)
		if words[2] != "requested" {
			count, _, _ := strings.Cut(figures, " ")
			n, err := strconv.ParseInt(count, 10, 64)
			require.NoError(h.t, err)
			if n != 0 {
				book[words[0]+" "+words[2]] = n
			}
		}
	}
	return book
}

// waitsForTheWire promotes replicas that have never heard of sendings which are on the wire, and
// whose sender lives. Another worker finds the recipients queued; but nobody claims until the
// requests have ended, and by then their sender has told what it did.
func waitsForTheWire(t *testing.T, b *beyond) {
	h := newHarness(t, setup{
		at: b.place(t), batch: 10, environment: []string{"TUMA_SUBMIT_TIMEOUT=14s"},
		config: unreplicated,
		faults: `{"outcomes":{"successful":1}}`,
	})
	sender := h.start(cmdWorker)
	sender.WaitOutput("serving", testTimeout)
	jobs, wanted := makeJobs("wire", 3, 10)
	h.accept(jobs[:1])
	h.await("the first is sent", func() bool { return h.book()["lipad submitted"] == 10 })
	h.faults(sandbox.Lipad, `{"send":{"latency":"12s"}}`)
	sender.Stop()
	h.accept(jobs[1:])
	b.heard()
	victim := b.master(stateKey)
	behind := b.lag()
	sender.Cont()
	h.awaitSends(3)
	victim.Kill()
	for _, replica := range behind {
		replica.Resume()
	}
	h.rdb = b.master(stateKey).Client(t)
	h.start(cmdWorker)
	h.start(cmdPoller)
	require.Equal(t, len(wanted), h.finished(wanted, "wire")["successful"])
	require.Equal(t, 3, h.ledger().Requests["send"])
}
