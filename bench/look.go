package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/sandbox"
)

// counts are the recipients of the whole book by status, without "requested".
type counts map[airtime.Status]int

// book reads how many recipients stand where: one small hash, however many there are.
func (h *harness) book(ctx context.Context) (counts, error) {
	fields, err := h.rdb.HGetAll(ctx, "{tuma}:book").Result()
	if err != nil {
		return nil, fmt.Errorf("read the book: %w", err)
	}
	all := counts{}
	for field, figures := range fields {
		words := strings.Fields(field) // "lipad KES successful".
		if words[2] == "requested" {
			continue
		}
		status, err := airtime.ParseStatus(words[2])
		if err != nil {
			return nil, fmt.Errorf("read the book: %w", err)
		}
		count, _, _ := strings.Cut(figures, " ") // Then the money.
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, fmt.Errorf("read the book: %s: %w", field, err)
		}
		all[status] += n
	}
	return all, nil
}

// settled is how many recipients nothing more is expected of.
func (c counts) settled() (n int) {
	for status, recipients := range c {
		if status.Settled() {
			n += recipients
		}
	}
	return n
}

// accepted is how many recipients the provider has answered for.
func (c counts) accepted() (n int) {
	for status, recipients := range c {
		if status != airtime.Queued && status != airtime.Sending && status != airtime.InDoubt {
			n += recipients
		}
	}
	return n
}

// awaitBook waits until as many recipients are counted by a look at the book.
func (h *harness) awaitBook(ctx context.Context, what string, n int, count func(counts) int) error {
	return h.await(ctx, time.Hour, fmt.Sprintf("%d recipients are %s", n, what),
		func() (bool, error) {
			book, err := h.book(ctx)
			if err != nil {
				return false, err
			}
			return count(book) >= n, h.alive()
		})
}

// alive returns an error when one of the processes that run until they are stopped has ended.
func (h *harness) alive() error {
	for _, p := range h.processes {
		if p.ops != "" && !p.Running() && p.command.ProcessState.ExitCode() != 0 {
			return fmt.Errorf("%s ended by itself:\n%s", p.name, p.Output())
		}
	}
	return nil
}

// requests are what the provider was asked.
type requests struct{ sends, polls int }

// ledger reads the simulated provider's own count, and holds it against what should have been: a
// run that paid anybody twice, or nobody, is no benchmark.
func (h *harness) ledger(recipients int) (requests, error) {
	answer, err := http.Get(h.provider + "/sandbox/ledger?provider=lipad")
	if err != nil {
		return requests{}, fmt.Errorf("read the ledger: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	var totals sandbox.Totals
	if err := json.NewDecoder(answer.Body).Decode(&totals); err != nil {
		return requests{}, fmt.Errorf("read the ledger: %w", err)
	}
	if r := totals.Recipients; r.Accepted != recipients || r.Twice > 0 {
		return requests{}, fmt.Errorf("the provider's ledger has %d recipients and %d paid twice, "+
			"not %d and none", r.Accepted, r.Twice, recipients)
	}
	return requests{totals.Requests["send"], totals.Requests["status"]}, nil
}

// faults changes some switches of the simulated provider.
func (h *harness) faults(ctx context.Context, change string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch,
		h.provider+"/sandbox/faults?provider=lipad", strings.NewReader(change))
	if err != nil {
		return fmt.Errorf("change the provider: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("change the provider: %w", err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("change the provider: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("change the provider: %s: %s", answer.Status, text)
	}
	return nil
}

// metric reads one figure of all live processes of a name from /metrics, added up over its labels.
func (h *harness) metric(name, metric string) (sum float64, err error) {
	for _, p := range h.processes {
		if p.name != name || p.ops == "" || !p.Running() {
			continue
		}
		one, err := scrape(p.ops, metric)
		if err != nil {
			return 0, fmt.Errorf("read %s of %s: %w", metric, name, err)
		}
		sum += one
	}
	return sum, nil
}

func scrape(address, metric string) (sum float64, err error) {
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), metric)
		if !found || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, lines.Err()
}

// mallocs are the allocations so far of our processes that run until they are stopped, by name.
func (h *harness) mallocs() (map[string]float64, error) {
	all := map[string]float64{}
	for _, p := range h.processes {
		if p.ops == "" || !p.Running() {
			continue
		}
		n, err := scrape(p.ops, "go_memstats_mallocs_total")
		if err != nil {
			return nil, fmt.Errorf("read the allocations of %s: %w", p.name, err)
		}
		all[p.name] += n
	}
	return all, nil
}

// tasks is how many asynq tasks were processed so far.
func (h *harness) tasks(ctx context.Context) (sum int, err error) {
	queues, err := h.rdb.SMembers(ctx, "asynq:queues").Result()
	if err != nil {
		return 0, fmt.Errorf("read asynq's counters: %w", err)
	}
	for _, queue := range queues {
		n, err := h.rdb.Get(ctx, "asynq:{"+queue+"}:processed").Int()
		if err != nil && !errors.Is(err, redis.Nil) {
			return 0, fmt.Errorf("read asynq's counters: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// memory is what Redis needs for the data: values, keys and the tables that hold them. Buffers of
// connections, caches of scripts and what the allocator keeps are left out, in bytes.
func (h *harness) memory(ctx context.Context) (int64, error) {
	stats, err := h.rdb.Do(ctx, "MEMORY", "STATS").Slice()
	if err != nil {
		return 0, fmt.Errorf("read the memory of Redis: %w", err)
	}
	all := pairs(stats)
	database, _ := all["db.0"].([]any)
	sum, _ := all["dataset.bytes"].(int64)
	for name, value := range pairs(database) {
		if strings.HasPrefix(name, "overhead.hashtable.") {
			bytes, _ := value.(int64)
			sum += bytes
		}
	}
	return sum, nil
}

// pairs turns a list of names and values into a map.
func pairs(list []any) map[string]any {
	all := map[string]any{}
	for i := 0; i+1 < len(list); i += 2 {
		if name, ok := list[i].(string); ok {
			all[name] = list[i+1]
		}
	}
	return all
}

// size is what one key holds, or zero when it is not there, in bytes.
func (h *harness) size(ctx context.Context, key string) (int64, error) {
	size, err := h.rdb.MemoryUsage(ctx, key, 0).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read the memory of %s: %w", key, err)
	}
	return size, nil
}
