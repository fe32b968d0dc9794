package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
)

const (
	// campaign is the label of everything that the producers ask for.
	campaign = "storm"
	// jobEvery and jobSize make 200 recipients a second.
	jobEvery = 100 * time.Millisecond
	jobSize  = 20
	// importEvery and importSize make another 20.
	importEvery = 20 * time.Second
	importSize  = 400
	// cancelEvery is the pause between two disbursals that somebody withdraws.
	cancelEvery = 10 * time.Second
	// regulars is how many people per provider are asked for again and again; the others are asked
	// for once.
	regulars = 300
)

// who names a recipient. Of an import the reference is the import's: in it nobody occurs twice.
type who struct{ reference, phone string }

// order is what was asked for.
type order struct {
	provider string
	cents    int64
}

// producers ask for disbursals while the storm goes on, and remember for what.
type producers struct {
	h    *harness
	made int // recipients, of whom no two have the same number

	mu        sync.Mutex
	wanted    map[who]order
	jobs      []string // references
	imports   int
	cancelled map[string]bool
	repeated  int
	// faults are what a producer could not do.
	faults []string
}

func newProducers(h *harness) *producers {
	return &producers{h: h, wanted: map[who]order{}, cancelled: map[string]bool{}}
}

// run asks until the context ends. It returns when everything that was begun is done.
func (p *producers) run(ctx context.Context, seed uint64) {
	var running sync.WaitGroup
	for stream, produce := range []func(context.Context, *rand.Rand){
		p.streamJobs, p.importFiles, p.withdraw,
	} {
		rng := rand.New(rand.NewPCG(seed, uint64(stream)))
		running.Go(func() { produce(ctx, rng) })
	}
	running.Wait()
}

// next makes a recipient: its number, whose network decides the provider, and what it gets.
func (p *producers) next(rng *rand.Rand, reference string) (phone string, cents int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		p.made++
		i := regulars + p.made
		if rng.IntN(40) == 0 {
			i = rng.IntN(regulars)
		}
		// Lipad gets half of them.
		provider := []string{
			sandbox.Lipad, sandbox.AfricasTalking, sandbox.Lipad, sandbox.QuickSMS, sandbox.Lipad,
			sandbox.Sozuri,
		}[p.made%6]
		prefix := map[string]string{
			sandbox.Lipad: "25471", sandbox.AfricasTalking: "25473", sandbox.QuickSMS: "25477",
			sandbox.Sozuri: "254763",
		}[provider]
		phone = fmt.Sprintf("%s%0*d", prefix, 12-len(prefix), i)
		cents = 10_00 + int64(rng.IntN(1000))*5
		if provider == sandbox.QuickSMS {
			cents -= cents % 100 // It has no cents.
		}
		if _, twice := p.wanted[who{reference, phone}]; !twice {
			p.wanted[who{reference, phone}] = order{provider, cents}
			return phone, cents
		}
	}
}

// encodeJob writes the documented form of a job by hand, so that no code of ours spells it.
func encodeJob(reference string, recipients []map[string]string) string {
	text, _ := json.Marshal(map[string]any{ // Maps of texts can always be written.
		"reference": reference, "campaign": campaign, "recipients": recipients,
	})
	return string(text)
}

// streamJobs appends jobs to the stream. Every twentieth is appended again, as by a producer that
// was killed before it knew.
func (p *producers) streamJobs(ctx context.Context, rng *rand.Rand) {
	ticks := time.NewTicker(jobEvery)
	defer ticks.Stop()
	var earlier []string
	for ctx.Err() == nil {
		<-ticks.C
		reference := fmt.Sprintf("%s-%06d", campaign, len(earlier))
		recipients := make([]map[string]string, jobSize)
		for i := range recipients {
			phone, cents := p.next(rng, reference)
			recipients[i] = map[string]string{"phone_number": phone, "amount": decimal(cents)}
		}
		job := encodeJob(reference, recipients)
		p.append(job)
		if earlier = append(earlier, job); len(earlier)%20 == 0 {
			p.append(earlier[rng.IntN(len(earlier))])
			p.repeated++
		}
		p.mu.Lock()
		p.jobs = append(p.jobs, reference)
		p.mu.Unlock()
	}
}

// append puts a job on the stream, again and again until Redis says that it is there. A job that is
// there twice changes nothing.
func (p *producers) append(job string) {
	for range int(testTimeout / glance) {
		err := p.h.rdb.XAdd(context.Background(), &redis.XAddArgs{
			Stream: "{tuma}:jobs", Values: []string{"job", job},
		}).Err()
		if err == nil {
			return
		}
		time.Sleep(glance)
	}
	p.complain("a job could not be appended")
}

// importFiles imports a file now and then, each as often as it takes.
func (p *producers) importFiles(ctx context.Context, rng *rand.Rand) {
	for wait(ctx, importEvery/4) {
		reference := fmt.Sprintf("import-%d", p.imports)
		path, err := p.writeFile(rng, reference)
		if err != nil {
			p.complain(err.Error())
			return
		}
		p.insist("import", path, "--reference", reference, "--again")
		p.imports++
		if !wait(ctx, importEvery*3/4) {
			return
		}
	}
}

func (p *producers) writeFile(rng *rand.Rand, reference string) (string, error) {
	var text strings.Builder
	text.WriteString("phone_number,amount,campaign\n")
	for range importSize {
		phone, cents := p.next(rng, reference)
		fmt.Fprintf(&text, "%s,%s,%s\n", phone, decimal(cents), campaign)
	}
	path := filepath.Join(p.h.t.TempDir(), reference+".csv")
	return path, os.WriteFile(path, []byte(text.String()), 0o600)
}

// insist repeats a command of the enqueuer until it succeeds, as a person does.
func (p *producers) insist(arguments ...string) {
	var said string
	for end := time.Now().Add(testTimeout); time.Now().Before(end); time.Sleep(glance) {
		code, _, fault := p.h.enqueuer(arguments...)
		if code == 0 {
			return
		}
		said = fault
	}
	p.complain(strings.Join(arguments, " ") + ": " + said)
}

// withdraw cancels a young disbursal now and then: some of its recipients are on the wire.
func (p *producers) withdraw(ctx context.Context, _ *rand.Rand) {
	for wait(ctx, cancelEvery) {
		p.mu.Lock()
		reference := ""
		if len(p.jobs) > 0 {
			reference = p.jobs[len(p.jobs)-1]
			p.cancelled[reference] = true
		}
		p.mu.Unlock()
		if reference != "" {
			p.insist("cancel", reference, "--disbursal")
		}
	}
}

func (p *producers) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, text)
}

// recipients is how many were asked for so far.
func (p *producers) recipients() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.wanted)
}

// wait pauses, and reports false when the context has ended.
func wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// dropRefused takes out of the orders what was cancelled before it was accepted, and demands that
// every refusal was of such a job.
func (p *producers) dropRefused(t *testing.T) (refused int) {
	t.Helper()
	entries, err := p.h.rdb.XRange(t.Context(), "{tuma}:rejected", "-", "+").Result()
	require.NoError(t, err)
	for _, e := range entries {
		if e.Values["source"] == "asynq" {
			continue // A task whose payload the storm has deleted: its producer asks again.
		}
		text, _ := e.Values["job"].(string)
		var job struct {
			Reference  string `json:"reference"`
			Recipients []struct {
				PhoneNumber string `json:"phone_number"`
			} `json:"recipients"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &job))
		require.True(t, p.cancelled[job.Reference], "%s was refused: %v", job.Reference,
			e.Values["error"])
		for _, r := range job.Recipients {
			key := who{job.Reference, r.PhoneNumber}
			if _, there := p.wanted[key]; there && !p.accepted(job.Reference) {
				delete(p.wanted, key)
				refused++
			}
		}
	}
	return refused
}

// accepted says whether the state holds a disbursal: a repeated job that was cancelled meanwhile is
// on the rejected stream, and its first is not.
func (p *producers) accepted(reference string) bool {
	return p.h.rdb.Exists(p.h.t.Context(), "{tuma}:disbursal:"+reference).Val() == 1
}
