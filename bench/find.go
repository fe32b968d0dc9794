package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/bench/figures"
	"tuma/internal/airtime"
	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/state"
)

const (
	// perDisbursal is how many recipients a disbursal has of those among whom some are found.
	perDisbursal = 500
	// finds is how many recipients are found by each key in this process, wholes how many by
	// `enqueuer find`.
	finds, wholes = 60, 20
)

// findKeys are the ways in which a recipient is found.
var findKeys = []struct {
	name   string
	search func(state.Row) state.Search
	text   func(state.Row) string
}{
	{
		"phone number",
		func(r state.Row) state.Search { return state.Search{Phone: r.Phone} },
		func(r state.Row) string { return "+" + r.Phone.Digits() },
	},
	{
		"id",
		func(r state.Row) state.Search { return state.Search{ID: r.ID} },
		func(r state.Row) string { return r.ID },
	},
	{
		"provider's reference",
		func(r state.Row) state.Search {
			return state.Search{ProviderReference: r.ProviderReference}
		},
		func(r state.Row) string { return r.ProviderReference },
	},
}

// find is how long it takes to find one recipient among all by each of its keys, and what the index
// for that takes.
func find(ctx context.Context, b *bench) (section, error) {
	recipients := b.size(1_000_000)
	h, err := b.settledDisbursals(ctx, recipients)
	if err != nil {
		return section{}, err
	}
	defer h.close()
	store, err := state.Open(ctx, state.Options{
		Options: redisconn.Options{URL: "redis://" + h.redis + "/0"}, AllowVolatile: true,
		Providers: catalog.Known(),
	})
	if err != nil {
		return section{}, err
	}
	defer func() { _ = store.Close() }() // Its server is about to end.
	s := section{about: fmt.Sprintf("One recipient among %s settled ones in %s disbursals, each with "+
		"an id of its producer and a reference of Lipad: %d by each key in one process that is "+
		"connected, then %d by `enqueuer find`, from its start to its end. Worker, poller and "+
		"`enqueuer stream` are idle beside them. The index is what MEMORY USAGE says of the keys of "+
		"fingerprints: keys, values and what these have grown ahead. The ids themselves are kept for "+
		"results and reports.", figures.Count(float64(recipients)),
		figures.Count(float64(recipients/perDisbursal)), finds, wholes)}
	t := table{head: []string{"", "p50", "largest", "enqueuer find, p50", "largest"}}
	for _, key := range findKeys {
		within, err := h.timeFinds(ctx, store, recipients, key.search)
		if err != nil {
			return s, fmt.Errorf("by %s: %w", key.name, err)
		}
		whole, err := h.timeCommands(ctx, store, recipients, key.text)
		if err != nil {
			return s, fmt.Errorf("enqueuer find by %s: %w", key.name, err)
		}
		var cells []string
		for _, times := range [][]time.Duration{within, whole} {
			cells = append(cells, figures.Millis(figures.Percentile(times, 0.5)),
				figures.Millis(figures.Percentile(times, 1)))
		}
		t.add(append([]string{"by " + key.name}, cells...)...)
		s.goals = append(s.goals,
			atMost("by "+key.name+", largest", millis(figures.Percentile(within, 1)), 100, " ms"),
			atMost("enqueuer find by "+key.name+", largest", millis(figures.Percentile(whole, 1)), 300,
				" ms"))
	}
	s.tables = []table{t}
	return s, h.weighIndex(ctx, &s, recipients)
}

// settledDisbursals starts a harness in which as many recipients have settled.
func (b *bench) settledDisbursals(ctx context.Context, recipients int) (*harness, error) {
	h, err := b.newHarness(ctx, setting{})
	if err != nil {
		return nil, err
	}
	err = h.startAll(ctx, []string{"enqueuer", "stream"})
	for first := 0; err == nil && first < recipients; first += perDisbursal {
		err = h.pushDisbursal(ctx, first, min(perDisbursal, recipients-first))
	}
	if err == nil {
		err = h.awaitBook(ctx, "settled", recipients, counts.settled)
	}
	if err == nil {
		_, err = h.ledger(recipients)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// findable is the id that the producer gives a recipient.
func findable(i int) string { return fmt.Sprintf("order-%07d", i) }

// pushDisbursal pushes one job of several recipients with ids.
func (h *harness) pushDisbursal(ctx context.Context, first, recipients int) error {
	lines := make([]string, recipients)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"phone_number":%q,"amount":%q,"id":%q}`, phone(first+i),
			amount(first+i), findable(first+i))
	}
	text := fmt.Sprintf(`{"reference":"disbursal-%d","recipients":[%s]}`, first/perDisbursal,
		strings.Join(lines, ","))
	err := h.rdb.XAdd(ctx, &redis.XAddArgs{
		Stream: "{tuma}:jobs", Values: []string{"job", text},
	}).Err()
	if err != nil {
		return fmt.Errorf("push a job: %w", err)
	}
	return nil
}

// sample lists so many recipients, at equal distances over all, as the state has them.
func (h *harness) sample(
	ctx context.Context, store *state.Store, recipients, n int,
) ([]state.Row, error) {
	rows := make([]state.Row, n)
	for k := range rows {
		i := (2*k + 1) * recipients / (2 * n)
		found, err := findOne(ctx, store, state.Search{Phone: airtime.MSISDNFromE164(phone(i))})
		if err != nil {
			return nil, err
		}
		if rows[k] = found; found.ID != findable(i) || found.ProviderReference == "" ||
			found.Reference != "disbursal-"+strconv.Itoa(i/perDisbursal) {
			return nil, fmt.Errorf("recipient %d is found as %+v", i, found)
		}
	}
	return rows, nil
}

// findOne finds the only recipient who is looked for.
func findOne(ctx context.Context, store *state.Store, search state.Search) (state.Row, error) {
	rows, _, err := store.Find(ctx, search)
	if err != nil {
		return state.Row{}, err
	}
	if len(rows) != 1 {
		return state.Row{}, fmt.Errorf("%d recipients are found by %+v", len(rows), search)
	}
	return rows[0], nil
}

// timeFinds measures finds in this process. A find of anybody else is an error.
func (h *harness) timeFinds(
	ctx context.Context, store *state.Store, recipients int, search func(state.Row) state.Search,
) ([]time.Duration, error) {
	rows, err := h.sample(ctx, store, recipients, finds)
	if err != nil {
		return nil, err
	}
	times := make([]time.Duration, len(rows))
	for k, row := range rows {
		begin := time.Now()
		found, err := findOne(ctx, store, search(row))
		times[k] = time.Since(begin)
		if err != nil {
			return nil, err
		}
		if found.Phone != row.Phone {
			return nil, fmt.Errorf("%+v is found by %+v", found, search(row))
		}
	}
	return times, nil
}

// timeCommands measures whole processes of `enqueuer find`.
func (h *harness) timeCommands(
	ctx context.Context, store *state.Store, recipients int, text func(state.Row) string,
) ([]time.Duration, error) {
	rows, err := h.sample(ctx, store, recipients, wholes)
	if err != nil {
		return nil, err
	}
	times := make([]time.Duration, len(rows))
	for k, row := range rows {
		begin := time.Now()
		p, err := h.enqueuer(ctx, "find", text(row))
		times[k] = time.Since(begin)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(p.Output(), row.Phone.Digits()) {
			return nil, fmt.Errorf("enqueuer find %s has found:\n%s", text(row), p.Output())
		}
	}
	return times, nil
}

// weighIndex adds what the index takes for each recipient, and what the texts take that it finds.
func (h *harness) weighIndex(ctx context.Context, s *section, recipients int) error {
	index, err := h.sizes(ctx, "{tuma}:fingerprints:*")
	if err != nil {
		return err
	}
	ids, err := h.sizes(ctx, "{tuma}:recipientids:*")
	if err != nil {
		return err
	}
	each := func(bytes int64) float64 { return float64(bytes) / float64(recipients) }
	s.goals = append(s.goals, atMost("index of the three keys", each(index), 40, " bytes"))
	s.costs = [][]string{
		{"Redis, index of phone number, id and reference", figures.Short(each(index)) + " bytes"},
		{"Redis, ids of the producer", figures.Short(each(ids)) + " bytes"},
	}
	return nil
}
