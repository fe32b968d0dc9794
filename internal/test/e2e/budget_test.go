package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

const (
	// budgetCents is what may be spent in a day, and jobCents what each job asks for.
	budgetCents, jobCents = 5000_00, 10_00
	// budgetJobs ask for four times the budget.
	budgetJobs = 2000
)

// budget is the configuration of a guard that holds what is more than some cents a day. The zone is
// one in which no midnight is near.
func budget(cents int64) string {
	zone := "UTC"
	if hour := time.Now().UTC().Hour(); hour < 6 || hour >= 18 {
		zone = "Etc/GMT-12"
	}
	return fmt.Sprintf("timezone: %s\nguards:\n"+
		"  - {name: budget, limit: {KES: %q}, per: day, of: all}\n", zone, decimal(cents))
}

// smallJobs makes jobs of one recipient and as many cents each.
func smallJobs(n int) ([]job, orders) {
	made, wanted := make([]job, n), orders{}
	for i := range made {
		made[i] = job{
			Reference: fmt.Sprintf("small-%04d", i), Campaign: "small",
			Recipients: []jobRecipient{{PhoneNumber: phoneAt(i), Amount: decimal(jobCents)}},
		}
		wanted[who{made[i].Reference, phoneAt(i)}] = jobCents
	}
	return made, wanted
}

// streamed appends jobs to the stream, each until Redis says that it is there, and now and then one
// again, as a producer does that was killed before it knew. The first third comes slowly. It
// returns how many could not be appended.
func (h *harness) streamed(rng *rand.Rand, jobs []job) (lost int) {
	for i, j := range jobs {
		times := 1 + rng.IntN(20)/19
		payload, err := json.Marshal(j)
		for end := time.Now().Add(testTimeout); times > 0 && err == nil; {
			if h.rdb.XAdd(h.t.Context(), &redis.XAddArgs{
				Stream: "{tuma}:jobs", Values: []string{"job", string(payload)},
			}).Err() == nil {
				times--
			} else if time.Sleep(glance); time.Now().After(end) {
				break
			}
		}
		lost += times
		if i < len(jobs)/3 {
			time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
		}
	}
	return lost
}

// mostPaid looks at the ledger until done is closed, and returns the most that was paid at a look.
func (h *harness) mostPaid(done <-chan struct{}) (most sandbox.Cents, looks int) {
	for {
		var totals sandbox.Totals
		if answer, err := http.Get(h.providers + "/sandbox/ledger"); err == nil {
			if json.NewDecoder(answer.Body).Decode(&totals) == nil {
				most, looks = max(most, totals.Totals["KES"]), looks+1
			}
			_ = answer.Body.Close()
		}
		select {
		case <-done:
			return most, looks
		case <-time.After(glance):
		}
	}
}

// killEverything kills a pod now and then, and Redis every seventh time, until done is closed.
func (h *harness) killEverything(rng *rand.Rand, f *fleet, done <-chan struct{}) (pods, redis int) {
	for round := 1; ; round++ {
		select {
		case <-done:
			f.revive()
			return pods, redis
		case <-time.After(time.Duration(200+rng.IntN(800)) * time.Millisecond):
		}
		if round%7 == 0 {
			h.redis.Kill()
			time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
			h.redis.Restart()
			redis++
		} else {
			f.replace(rng.IntN(len(f.pods)))
			pods++
		}
		f.revive()
	}
}

// spends runs two workers, two streams and two pollers on a budget, and kills them and Redis while
// producers ask for four times of it. When it is quiet, everybody has settled or is held.
func (h *harness) spends(seed uint64, wanted orders, jobs []job) (most sandbox.Cents) {
	h.t.Helper()
	f := h.fleet(2, []string{cmdEnqueuer, "stream"})
	asked, over := make(chan struct{}), make(chan struct{})
	var lost, looks int
	var running sync.WaitGroup
	running.Go(func() {
		defer close(asked)
		lost = h.streamed(rand.New(rand.NewPCG(seed, 1)), jobs)
	})
	running.Go(func() { most, looks = h.mostPaid(over) })
	pods, redis := h.killEverything(rand.New(rand.NewPCG(seed, 2)), f, asked)
	h.await("nobody moves any more", func() bool { return h.restsOnHolds(int64(len(wanted))) })
	close(over)
	running.Wait()
	require.Zero(h.t, lost, "jobs that the stream did not take")
	h.t.Logf("seed %d: %d pods and %d times Redis killed; at most KES %s in %d looks at the ledger",
		seed, pods, redis, most, looks)
	require.NotZero(h.t, redis)
	return most
}

// restsOnHolds says that everybody is accepted, has settled or is held, and that the budget has no
// room for one more.
func (h *harness) restsOnHolds(all int64) bool {
	book := h.book()
	paid := book["lipad successful"]
	return paid+book["lipad failed"]+book["lipad held"] == all && (paid+1)*jobCents > budgetCents
}

// TestABudgetIsKeptThroughKills has everything killed and restarted while 2,000 jobs of KES 10 come
// by two streams and go by two workers, with KES 5,000 to be spent. Never more is paid, all of it
// is in the end, and the rest is held for the budget. What fails makes room for others.
func TestABudgetIsKeptThroughKills(t *testing.T) {
	t.Parallel()
	proctest.LongRuns(t, "make crash")
	for name, row := range map[string]struct {
		seed     uint64
		outcomes string
	}{
		"all are paid":             {seed: 1, outcomes: `{"successful":1}`},
		"those who fail make room": {seed: 2, outcomes: `{"successful":60,"failed":40}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, setup{
				redis: []redistest.Option{redistest.WithConfig("appendfsync", "always")},
				batch: 5, config: budget(budgetCents),
				faults: `{"send":{"latency":"100ms","jitter":"200ms","lost_before":{"probability":0.02},` +
					`"lost_after":{"probability":0.02}},"outcomes":` + row.outcomes + `}`,
			})
			jobs, wanted := smallJobs(budgetJobs)
			most := h.spends(row.seed, wanted, jobs)
			require.LessOrEqual(t, most, sandbox.Cents(budgetCents))
			counts := h.check(wanted, "small")
			require.GreaterOrEqual(t, int64(h.ledger().Totals["KES"]), int64(budgetCents-jobCents))
			require.Equal(t, budgetJobs, counts["successful"]+counts["failed"]+counts["held"])
			for _, r := range h.report("small") {
				if r.held() {
					require.Equal(t, "budget", r.Reason)
				}
			}
			require.Zero(t, h.rdb.XLen(t.Context(), "{tuma}:rejected").Val())
		})
	}
}

// overspending accepts by a guard that does not count money.
var overspending = &proctest.Variant{
	Name: "overspending-enqueuer", Command: cmdEnqueuer, Slow: true,
	Breaks: []string{"a guard does not count money"},
}

// TestTheLedgerShowsAnOverspentBudget has a stream that is broken on purpose: the look at the
// ledger of the test above must see it.
func TestTheLedgerShowsAnOverspentBudget(t *testing.T) {
	t.Parallel()
	const cents = 50_00
	h := newHarness(t, setup{config: budget(cents), faults: `{"outcomes":{"successful":1}}`})
	h.pods(1)
	h.run(overspending.Build(t), nil, "stream")
	jobs, wanted := smallJobs(20)
	over := make(chan struct{})
	require.Zero(t, h.streamed(rand.New(rand.NewPCG(1, 1)), jobs))
	h.awaitSettled(len(wanted))
	close(over)
	most, _ := h.mostPaid(over)
	require.Greater(t, most, sandbox.Cents(cents))
}
