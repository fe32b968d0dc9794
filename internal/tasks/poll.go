package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/state"
)

// Poll handles batch:poll: ask the provider about a batch and store what it says.
type Poll struct {
	Store   *state.Store
	Queues  *Queues
	Entries map[string]catalog.Entry
	// Known are all providers, on or off here.
	Known   map[string]providers.Capabilities
	Backoff Backoff
	Timeout time.Duration
	// Many bounds how many handlers may be busy with questions of many requests, so that a slow
	// provider that is asked recipient by recipient leaves handlers for the others. Nil is no bound.
	Many chan struct{}
	// Redeliver is after how long a query that was brought forward counts as lost without an answer.
	Redeliver time.Duration
	IDs       IDs
	Metrics   *Metrics
	Log       *zap.Logger
}

var _ asynq.Handler = (*Poll)(nil)

// ProcessTask asks about one batch. A trigger that is not the latest of its batch does nothing.
func (p *Poll) ProcessTask(ctx context.Context, t *asynq.Task) error {
	var payload pollPayload
	if err := json.Unmarshal(t.Payload(), &payload); err != nil {
		return fmt.Errorf("payload of %s: %w: %w", TypePoll, err, asynq.SkipRetry)
	}
	b, err := p.Store.Load(ctx, payload.Batch)
	if errors.Is(err, state.ErrNotFound) {
		write(t, "the batch has been forgotten")
		return nil
	}
	if err != nil {
		return err
	}
	if b.Polls == payload.Number-1 && !payload.Due.IsZero() {
		handed, err := p.Store.HandOut(ctx, state.Poll(payload), p.Redeliver)
		if err != nil {
			return err
		}
		if handed != state.Handed {
			write(t, "not asked: %s", notHanded[handed])
			return nil
		}
		b.Polls, b.Answered = payload.Number, false
	}
	switch {
	case b.Polls != payload.Number:
		write(t, "superseded by query %d", b.Polls)
		return nil
	case b.Answered:
		write(t, "this query has been answered")
		return nil
	}
	result, err := p.ask(ctx, b)
	write(t, "%s", result)
	return err
}

// notHanded says in the dashboard why a scheduled query is not made by its task.
var notHanded = map[state.Handout]string{
	state.HandoutGone:  "the batch has been forgotten",
	state.HandoutAsked: "a later query has been made since",
	state.HandoutMoved: "its time has moved since, or nothing is to be asked any more",
	state.HandoutSoon:  "one was brought forward less than a minute ago",
}

// ask makes the query and stores the answer; the text is for the dashboard.
func (p *Poll) ask(ctx context.Context, b *state.Batch) (string, error) {
	entry, known := p.Entries[b.Provider], p.Known[b.Provider]
	schedule := state.PollSchedule{
		Poll: b.Polls, Next: p.Backoff.Delay(b.Polls + 1), Slow: p.Backoff.Max,
		OverdueAfter: known.OverdueAfter,
	}
	if b.State == state.BatchDoubt && known.ResendWithin > 0 {
		resending, err := p.Store.Resend(ctx, b)
		if err != nil || resending.Ready || resending.Wait > 0 {
			p.Queues.Wake(ctx, resending.Wakeup)
			if resending.Ready {
				p.Log.Info("batch in doubt is sent again: the provider recognises it",
					zap.String("batch", b.ID), zap.String("provider", b.Provider))
			}
			return resendText(resending), err
		}
	}
	question := questionOf(b, known.Asks)
	switch {
	case known.Asks != providers.AskNothing && entry.Querier == nil:
		_, err := p.Store.Observe(ctx, b, nil, false, schedule)
		return b.Provider + " is not configured here", err
	case known.Asks != providers.AskByBatch && len(question.Recipients) == 0:
		// Nobody can be asked about: the batch is only looked at so that people are told in time, and,
		// where ids can be asked about, because a callback may have brought one.
		schedule.Next = max(time.Minute, known.OverdueAfter-b.Age+time.Second)
		if known.Asks == providers.AskByRecipient {
			schedule.Next = min(schedule.Next, p.Backoff.Max)
		}
		schedule.Slow = max(schedule.Slow, seldom)
		_, err := p.Store.Observe(ctx, b, nil, false, schedule)
		return "no recipient can be asked about: a callback or a person decides", err
	case known.Asks == providers.AskByRecipient:
		schedule.Next = p.Backoff.Delay(1 + b.Polls*len(question.Recipients)/max(b.Open, 1))
	}
	if known.Asks == providers.AskByRecipient && p.Many != nil {
		select {
		case p.Many <- struct{}{}:
			defer func() { <-p.Many }()
		default:
			schedule.Next = p.Backoff.Delay(1)
			_, err := p.Store.Observe(ctx, b, nil, false, schedule)
			return "other questions of many requests are under way: asked soon", err
		}
	}
	asked := time.Now()
	query, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	reported, err := entry.Querier.Query(query, question)
	p.Metrics.queried(b.Provider, reported, err, time.Since(asked))
	schedule.Answer = answerText(reported, err)
	switch {
	case err != nil:
		p.Log.Warn("status query failed; it is repeated", zap.String("batch", b.ID),
			zap.String("provider", b.Provider), zap.Error(err))
		var failed *providers.QueryError
		if errors.As(err, &failed) {
			schedule.Next = max(schedule.Next, failed.RetryAfter)
			schedule.Slow = max(schedule.Slow, failed.RetryAfter)
		}
		observed, stored := p.Store.Observe(ctx, b, nil, false, schedule)
		return fmt.Sprintf("no answer, next query in %s", observed.Next.Round(time.Second)), stored
	case !reported.Known && known.Asks == providers.AskByBatch:
		return p.resolveUnknown(ctx, b, entry, schedule)
	default:
		schedule.Next = max(schedule.Next, reported.RetryAfter)
		return p.observe(ctx, b, reported, schedule)
	}
}

// answerText says for people what a query was answered.
func answerText(reported providers.ProviderStatus, err error) string {
	var failed *providers.QueryError
	switch {
	case errors.As(err, &failed):
		return "no answer: " + string(failed.Reason)
	case err != nil:
		return "no answer"
	case !reported.Known:
		return "not known"
	}
	counts := map[airtime.Status]int{}
	for _, line := range reported.Lines {
		counts[line.Status]++ // Zero for a word that is not known.
	}
	var texts []string
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		word := "unreadable"
		if status.Valid() {
			word = status.String()
		}
		texts = append(texts, fmt.Sprintf("%d %s", counts[status], word))
	}
	if len(texts) == 0 {
		return "nobody named"
	}
	return strings.Join(texts, ", ")
}

// seldom is the interval of looking at what only people can settle.
const seldom = 24 * time.Hour

// askedAtOnce is how many recipients one query asks about, where each is a request of its own.
const askedAtOnce = 200

// questionOf asks about a batch; where each recipient is asked about by the provider's id, about as
// many open ones as one query takes, the next ones next time. Their order changes from query to
// query: a slow provider does not get to the last of them.
func questionOf(b *state.Batch, asks providers.Asking) providers.Question {
	question := providers.Question{BatchID: b.ID}
	if asks != providers.AskByRecipient {
		return question
	}
	var open []providers.Asked
	for _, m := range b.Members {
		// With nobody open it is a failed one that the provider has spoken of again.
		asks := !m.Status.Settled() || b.Open == 0 && m.Status == airtime.Failed
		if m.Here && asks && m.ProviderReference != "" {
			open = append(open, providers.Asked{
				Phone: m.Phone, ProviderReference: m.ProviderReference,
			})
		}
	}
	for i := range min(len(open), askedAtOnce) {
		question.Recipients = append(question.Recipients,
			open[(max(b.Polls-1, 0)*askedAtOnce+i)%len(open)])
	}
	order := rand.New(rand.NewPCG(uint64(b.Polls), uint64(len(open)))) //nolint:gosec // No secret.
	order.Shuffle(len(question.Recipients), func(i, j int) {
		r := question.Recipients
		r[i], r[j] = r[j], r[i]
	})
	return question
}

func resendText(r state.Resending) string {
	if r.Ready {
		return "in doubt: sent again, while the provider recognises it"
	}
	return "in doubt: may be sent again in " + r.Wait.Round(time.Second).String()
}

func (p *Poll) resolveUnknown(
	ctx context.Context, b *state.Batch, entry catalog.Entry, schedule state.PollSchedule,
) (string, error) {
	children, err := p.IDs.children()
	if err != nil {
		return "", err
	}
	resend := entry.Capabilities.ResendSame
	decision, wakeup, err := p.Store.ResolveUnknown(ctx, b, resend, children, schedule)
	if err != nil {
		return "", err
	}
	p.Queues.Wake(ctx, wakeup)
	if decision != state.KeepAsking {
		p.Log.Info("batch not known to the provider", zap.String("batch", b.ID),
			zap.String("provider", b.Provider), zap.String("decision", string(decision)))
	}
	return "not known to the provider: " + string(decision), nil
}

func (p *Poll) observe(
	ctx context.Context, b *state.Batch, reported providers.ProviderStatus,
	schedule state.PollSchedule,
) (string, error) {
	observed, err := p.Store.Observe(ctx, b, reported.Lines, true, schedule)
	if err != nil {
		return "", err
	}
	p.Metrics.unmatched(b.Provider, observed.Unmatched)
	p.Metrics.unrecognised(b.Provider, observed.Unrecognised)
	for _, line := range reported.Lines {
		p.Metrics.odd(b.Provider, line.Sums)
	}
	if observed.Overpaid > 0 {
		p.Log.Error("second effect seen: see enqueuer indoubt list", zap.String("batch", b.ID),
			zap.String("provider", b.Provider), zap.Int("recipients", observed.Overpaid))
	}
	level := zap.DebugLevel // Most queries find nothing new.
	if observed.Settled > 0 {
		level = zap.InfoLevel
	}
	p.Log.Log(level, "batch observed", zap.String("batch", b.ID),
		zap.String("provider", b.Provider), zap.Int("query", b.Polls),
		zap.Int("changed", observed.Changed), zap.Int("settled", observed.Settled),
		zap.Int("open", observed.Open))
	p.Metrics.settled(b.Provider, observed.Settled)
	return fmt.Sprintf("%d: %d changed, %d settled, %d open", len(b.Members), observed.Changed,
		observed.Settled, observed.Open), nil
}
