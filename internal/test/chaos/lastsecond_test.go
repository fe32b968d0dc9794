package chaos_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// each is how many recipients every provider gets.
const each = 3

// memory is what a Redis remembers of what it has confirmed.
type memory struct {
	h *harness
	// hold marks a moment: what is confirmed from then on may be lost.
	hold func()
	// cut ends the Redis and brings back what is remembered.
	cut func()
	// server is the Redis that is there now, and rdb reaches it.
	server *redistest.Server
	rdb    *redis.Client

	worker *proctest.Process
}

// slowly lets a request be in the provider's hands for a second before it is carried out. Everybody
// succeeds, so that who is paid twice is easily seen. Callbacks come when all is over.
const slowly = `{"send":{"latency":"1s"},"outcomes":{"successful":1},"callbacks":{"delay":"14s"}}`

// newMemory starts a Redis on a disk that keeps what it is told to keep.
func newMemory(t *testing.T, fsync string) *memory {
	t.Helper()
	server := redistest.StartOnDisk(t, redistest.WithConfig("appendfsync", fsync))
	m := &memory{h: newHarness(t, server, slowly, ""), server: server, rdb: server.Client(t)}
	m.lingering()
	m.hold = func() {
		if fsync == "everysec" {
			server.Hold(t)
		}
	}
	m.cut = func() {
		lost := server.FailPower(t)
		require.Equal(t, fsync == "everysec", lost > 0, "%d bytes lost", lost)
		server.Restart()
	}
	return m
}

// newReplicated starts a Redis with a replica, to which everything fails over.
func newReplicated(t *testing.T, acknowledgements int) *memory {
	t.Helper()
	first := redistest.Start(t)
	link := newProxy(t, "replication", first.Addr())
	m := &memory{
		h: newHarness(t, first, slowly,
			fmt.Sprintf("state: {min_replicas: %d}\n", acknowledgements)),
		server: first, rdb: first.Client(t),
	}
	m.lingering()
	second := m.replica(link.Listen)
	m.hold = link.Stop
	m.cut = func() {
		first.Kill()
		m.server, m.rdb = second, second.Client(t)
		require.NoError(t, m.rdb.Do(t.Context(), "replicaof", "no", "one").Err())
		require.NoError(t, m.h.toRedis.Update(&toxiproxy.Proxy{
			Listen: m.h.toRedis.Listen, Upstream: second.Addr(), Enabled: true,
		}))
	}
	return m
}

// replica starts a replica of an address and waits until it follows.
func (m *memory) replica(of string) *redistest.Server {
	m.h.t.Helper()
	host, port, _ := strings.Cut(of, ":")
	server := redistest.Start(m.h.t, redistest.WithConfig("replicaof", host+" "+port))
	client := server.Client(m.h.t)
	m.h.await("the replica follows", func() bool {
		info, err := client.Info(m.h.t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	return server
}

// lingering gives requests the time in which Redis dies and comes back.
func (m *memory) lingering() {
	m.h.environment = append(m.h.environment, "TUMA_SUBMIT_TIMEOUT=8s")
}

// start starts one of our processes.
func (m *memory) start(command string) *proctest.Process {
	m.h.t.Helper()
	environment := append(m.h.environment[:len(m.h.environment):len(m.h.environment)],
		"TUMA_OPS_ADDR="+proctest.FreeAddr(m.h.t))
	if command == "./cmd/poller" {
		environment = append(environment, "TUMA_CALLBACK_ADDR="+m.h.pollers.addrs[0])
	}
	p := proctest.Start(m.h.t, m.h.program(command), nil, environment)
	p.WaitOutput("serving", testTimeout)
	return p
}

// ask imports the recipients, each time the same: a reference is one disbursal for ever.
func (m *memory) ask() {
	m.h.t.Helper()
	text := &strings.Builder{}
	text.WriteString("phone_number,amount\n")
	for _, prefix := range []string{"25471000000", "25473000000", "25477000000", "25476300000"} {
		for i := range each {
			fmt.Fprintf(text, "%s%d,%d\n", prefix, i, 20+i)
		}
	}
	path := filepath.Join(m.h.t.TempDir(), "asked.csv")
	require.NoError(m.h.t, os.WriteFile(path, []byte(text.String()), 0o600))
	m.h.must("import", path, "--reference", "asked")
}

// book counts the recipients by status, as "provider status"; it runs no script, which would notice
// the restart.
func (m *memory) book() map[string]int64 {
	fields, err := m.rdb.HGetAll(m.h.t.Context(), "{tuma}:book").Result()
	if err != nil {
		return nil
	}
	book := map[string]int64{}
	for field, figures := range fields {
		words := strings.Fields(field)
		count, _, _ := strings.Cut(figures, " ")
		if n, err := strconv.ParseInt(count, 10, 64); err == nil && n != 0 && words[2] != "requested" {
			book[words[0]+" "+words[2]] = n
		}
	}
	return book
}

// all is a book with everybody in the statuses of their provider.
func all(lipad, africastalking, quicksms, sozuri string) map[string]int64 {
	return map[string]int64{
		sandbox.Lipad + " " + lipad:                   each,
		sandbox.AfricasTalking + " " + africastalking: each,
		sandbox.QuickSMS + " " + quicksms:             each,
		sandbox.Sozuri + " " + sozuri:                 each,
	}
}

// everybody is a book with everybody in one status.
func everybody(status string) map[string]int64 { return all(status, status, status, status) }

// awaitBook waits for a book and says what it is otherwise.
func (m *memory) awaitBook(want map[string]int64) {
	m.h.t.Helper()
	var got map[string]int64
	for end := time.Now().Add(testTimeout); time.Now().Before(end); time.Sleep(glance) {
		if got = m.book(); maps.Equal(want, got) {
			return
		}
	}
	require.Equal(m.h.t, want, got)
}

// payments counts how often each recipient was paid, by provider; all of a provider's must have
// been paid equally often.
func (m *memory) payments() map[string]int {
	m.h.t.Helper()
	times := map[string]int{}
	people := map[string]int{}
	for _, p := range ledger[sandbox.PhoneTotal](m.h, "/phones") {
		if before, seen := times[p.Provider]; seen {
			require.Equal(m.h.t, before, p.TimesPaid, p.Provider)
		}
		times[p.Provider] = p.TimesPaid
		people[p.Provider]++
	}
	for provider, n := range people {
		require.Equal(m.h.t, each, n, provider)
	}
	return times
}

func times(n int) map[string]int {
	all := map[string]int{}
	for _, provider := range sandbox.Providers() {
		all[provider] = n
	}
	return all
}

// send lets a worker send everybody and freezes it when all requests are at the providers, which
// then carry them out. Its claims and sendings come after the moment that hold marks.
func (m *memory) send() {
	m.h.t.Helper()
	m.worker = m.start("./cmd/worker")
	m.worker.Stop()
	m.ask()
	m.hold()
	m.worker.Cont()
	m.onTheWire()
}

// onTheWire waits until all requests are at the providers and freezes the worker before it knows
// their answers.
func (m *memory) onTheWire() {
	m.h.t.Helper()
	m.h.await("all requests are at the providers", func() bool {
		arrived := m.h.totals().Providers
		return arrived[sandbox.Lipad].Requests["send"] == 1 &&
			arrived[sandbox.AfricasTalking].Requests["send"] == each &&
			arrived[sandbox.QuickSMS].Requests["send"] == each &&
			arrived[sandbox.Sozuri].Requests["send"] == each
	})
	m.worker.Stop()
	m.h.await("all are paid", func() bool {
		return m.h.totals().Recipients.Paid == 4*each
	})
}

// ends are how everybody ends where nothing is in doubt.
func ends() map[string]int64 { return all("successful", "successful", "unconfirmed", "successful") }

// TestLostAccept forgets a disbursal whose producer was told yes. Who asks again is held again; who
// does not has lost it.
func TestLostAccept(t *testing.T) {
	t.Parallel()
	m := newMemory(t, "everysec")
	m.hold()
	m.ask()
	require.Equal(t, everybody("queued"), m.book())
	m.cut()
	require.Empty(t, m.book())
	m.ask()
	m.start("./cmd/worker")
	m.start("./cmd/poller")
	m.awaitBook(ends())
	require.Equal(t, times(1), m.payments())
}

// TestLostAcceptAndSending forgets a disbursal that has been sent since, and its sender lives. What
// it records is remembered until the producer asks again: nobody is paid twice.
func TestLostAcceptAndSending(t *testing.T) {
	t.Parallel()
	m := newMemory(t, "everysec")
	m.worker = m.start("./cmd/worker")
	m.hold()
	m.ask()
	m.onTheWire()
	m.cut()
	require.Empty(t, m.book())
	m.worker.Cont()
	m.h.await("the answers are recorded", func() bool {
		return strings.Count(m.worker.Output(), "batch recorded") == 1+3*each
	})
	m.ask()
	m.start("./cmd/poller")
	m.awaitBook(ends())
	require.Equal(t, times(1), m.payments())
}

// TestLostSendingOfALivingSender forgets claims and sendings whose sender lives: Record puts them
// back before anybody can claim again.
func TestLostSendingOfALivingSender(t *testing.T) {
	t.Parallel()
	m := newMemory(t, "everysec")
	m.send()
	m.cut()
	require.Equal(t, everybody("queued"), m.book(), "forgotten")
	m.worker.Cont()
	m.start("./cmd/poller")
	m.awaitBook(ends())
	require.Equal(t, times(1), m.payments())
}

// TestLostSendingOfADeadSender is what appendfsync everysec without replicas risks: a machine whose
// power fails together with the sender's. The recipients are queued as if nothing had been sent,
// and every provider pays them again, for each new batch has a new reference or key. The books show
// one payment.
func TestLostSendingOfADeadSender(t *testing.T) {
	t.Parallel()
	m := newMemory(t, "everysec")
	m.send()
	m.worker.Kill()
	m.cut()
	require.Equal(t, everybody("queued"), m.book(), "forgotten")
	m.start("./cmd/worker")
	m.start("./cmd/poller")
	m.awaitBook(ends())
	require.Equal(t, times(2), m.payments())
	// What is left of the other payment are callbacks that fit nobody.
	m.h.await("Lipad's callbacks are dead letters", func() bool {
		return m.rdb.XLen(t.Context(), "{tuma}:dead_letters").Val() == each
	})
	m.h.await("those of the others are kept", func() bool {
		return maps.Equal(m.kept(),
			map[string]int{sandbox.AfricasTalking: each, sandbox.Sozuri: each})
	})
	require.Zero(t, m.rdb.SCard(t.Context(), "{tuma}:overpaid").Val())
}

// kept counts the callbacks that fit nobody, by provider.
func (m *memory) kept() map[string]int {
	counts := map[string]int{}
	for _, key := range m.rdb.HKeys(m.h.t.Context(), "{tuma}:parked").Val() {
		provider, _, _ := strings.Cut(key, " ")
		counts[provider]++
	}
	return counts
}

// record lets the frozen worker store the answers, after the moment that hold marks.
func (m *memory) record() {
	m.h.t.Helper()
	m.worker.Cont()
	m.awaitBook(all("submitted", "submitted", "unconfirmed", "submitted"))
	m.worker.Kill()
}

// TestLostRecord forgets the answers. Nobody is paid again on that account: Lipad is asked,
// Africa's Talking and Sozuri call back, and of QuickSMS people decide.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	m := newMemory(t, "everysec")
	hold := m.hold
	m.hold = func() {}
	m.send()
	m.h.redis.Flush(t)
	hold()
	m.record()
	m.cut()
	require.Equal(t, everybody("sending"), m.book(), "forgotten")
	m.start("./cmd/worker")
	m.start("./cmd/poller")
	m.awaitBook(all("successful", "successful", "in_doubt", "successful"))
	require.Equal(t, times(1), m.payments())
}

// TestLostObservation forgets how recipients ended. Lipad and Africa's Talking are asked again;
// Sozuri calls back once, so who was settled by that call stays open until people look.
func TestLostObservation(t *testing.T) {
	t.Parallel()
	m := newMemory(t, "everysec")
	hold := m.hold
	m.hold = func() {}
	m.send()
	m.record()
	hold()
	m.start("./cmd/poller")
	m.awaitBook(ends())
	m.cut()
	require.Equal(t, all("submitted", "submitted", "unconfirmed", "submitted"), m.book(), "forgotten")
	m.awaitBook(all("successful", "successful", "unconfirmed", "submitted"))
	require.Equal(t, times(1), m.payments())
}

// TestFsyncAlwaysForgetsNothing fails the power at the worst moment, with the sender's.
func TestFsyncAlwaysForgetsNothing(t *testing.T) {
	t.Parallel()
	m := newMemory(t, "always")
	m.send()
	m.worker.Kill()
	m.cut()
	require.Equal(t, everybody("sending"), m.book(), "kept")
	m.start("./cmd/worker")
	m.start("./cmd/poller")
	m.awaitBook(all("successful", "successful", "in_doubt", "successful"))
	require.Equal(t, times(1), m.payments())
}

// TestReplicaWithoutWaitingForgets is the contrast to the next two: a replica that lags is
// promoted, and the sender is dead.
func TestReplicaWithoutWaitingForgets(t *testing.T) {
	t.Parallel()
	m := newReplicated(t, 0)
	m.send()
	m.worker.Kill()
	m.cut()
	require.Equal(t, everybody("queued"), m.book(), "forgotten")
	m.start("./cmd/worker")
	m.start("./cmd/poller")
	m.awaitBook(ends())
	require.Equal(t, times(2), m.payments())
}

// TestAcknowledgedSendingsSurviveFailover promotes a replica that has every sending, as it must,
// and none of the answers. The sender is dead.
func TestAcknowledgedSendingsSurviveFailover(t *testing.T) {
	t.Parallel()
	m := newReplicated(t, 1)
	hold := m.hold
	m.hold = func() {}
	m.send()
	hold()
	m.record()
	m.cut()
	require.Equal(t, everybody("sending"), m.book(), "acknowledged")
	m.start("./cmd/worker")
	m.start("./cmd/poller")
	m.awaitBook(all("successful", "successful", "in_doubt", "successful"))
	require.Equal(t, times(1), m.payments())
}

// TestNothingLeavesWithoutAcknowledgement cuts the replica off before the first sending. Nothing is
// sent, not even when it is promoted, until another one follows it; then everybody is paid once.
func TestNothingLeavesWithoutAcknowledgement(t *testing.T) {
	t.Parallel()
	m := newReplicated(t, 1)
	worker := m.start("./cmd/worker")
	worker.Stop()
	m.ask()
	m.acknowledged()
	m.hold()
	worker.Cont()
	m.h.await("the worker has tried and given everybody back", func() bool {
		return strings.Contains(worker.Output(), `"reason":"storage"`)
	})
	require.Zero(t, m.h.totals().Requests["send"])
	worker.Kill()
	m.cut()
	require.Equal(t, everybody("queued"), m.book())
	worker = m.start("./cmd/worker")
	m.start("./cmd/poller")
	m.h.await("the second worker has tried", func() bool {
		return strings.Contains(worker.Output(), `"reason":"storage"`)
	})
	require.Zero(t, m.h.totals().Requests["send"])
	m.replica(m.server.Addr())
	m.awaitBook(ends())
	require.Equal(t, times(1), m.payments())
}

// acknowledged waits until the replica has everything.
func (m *memory) acknowledged() {
	m.h.t.Helper()
	connection := m.rdb.Conn() // WAIT asks about the writes of its own connection.
	defer func() { _ = connection.Close() }()
	require.NoError(m.h.t, connection.Set(m.h.t.Context(), "asked", 1, 0).Err())
	require.Equal(m.h.t, int64(1), connection.Wait(m.h.t.Context(), 1, testTimeout).Val())
}
