package ops

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"tuma/internal/airtime"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// StateMetrics exports what the state knows, read when Prometheus asks. It is the same from every
// process of a namespace: rules and dashboards take the largest, never the sum.
type StateMetrics struct {
	Store  *state.Store
	Queues *tasks.Queues
}

var _ prometheus.Collector = StateMetrics{}

// Describe sends nothing: which labels there are depends on the state.
func (StateMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads the stats. When Redis does not answer, tuma_state_up is 0 and the rest is left
// out.
func (f StateMetrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	c := collection{to}
	stats, err := f.Store.Stats(ctx)
	if err != nil {
		c.gauge(upDesc, 0)
		return
	}
	queues, err := f.Queues.Sizes(ctx)
	if err != nil {
		c.gauge(upDesc, 0)
		return
	}
	unsafe := f.Store.Ready(ctx)
	if unsafe != nil && !errors.Is(unsafe, state.ErrForgetful) {
		c.gauge(upDesc, 0)
		return
	}
	c.gauge(upDesc, 1)
	c.gauge(safeDesc, flag(unsafe == nil))
	c.books(stats.Book)
	for i := range stats.Channels {
		c.channel(&stats.Channels[i])
	}
	for i := range stats.Floats {
		c.float(&stats.Floats[i])
	}
	for _, stream := range stats.Streams {
		c.stream(stream)
	}
	for _, times := range stats.Times {
		c.to <- prometheus.MustNewConstHistogram(timesDesc, times.Count, times.Sum.Seconds(),
			times.Within, times.Provider, times.From, times.To)
	}
	for _, queue := range queues {
		for word, tasks := range queue.Tasks {
			c.gauge(tasksDesc, float64(tasks), queue.Queue, word)
		}
		c.gauge(queuePausedDesc, flag(queue.Paused), queue.Queue)
	}
	for i := range stats.Webhooks {
		c.webhook(&stats.Webhooks[i])
	}
	c.reviews(&stats)
}

// collection is what one scrape sends.
type collection struct{ to chan<- prometheus.Metric }

func (c collection) gauge(desc *prometheus.Desc, value float64, labels ...string) {
	c.to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func (c collection) counter(desc *prometheus.Desc, value int64, labels ...string) {
	c.to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
}

// account is what the books keep apart.
type account struct{ provider, currency string }

// books sends the books, and by how much requested differs from the sum over all statuses.
func (c collection) books(book map[string]int64) {
	type drift struct{ recipients, minor int64 }
	drifts := map[account]*drift{}
	for field, value := range book {
		words := strings.Fields(field) // provider currency status, and minor or discount for money.
		of := account{words[0], words[1]}
		if drifts[of] == nil {
			drifts[of] = &drift{}
		}
		signed := -value
		if words[2] == "requested" {
			signed = value
		}
		if words[len(words)-1] == "discount" { // Nobody requests one.
			c.gauge(discountDesc, float64(value)/airtime.DiscountScale, words[:3]...)
			continue
		}
		if len(words) == 4 {
			c.gauge(amountDesc, float64(value), words[:3]...)
			drifts[of].minor += signed
		} else {
			c.gauge(recipientsDesc, float64(value), words...)
			drifts[of].recipients += signed
		}
	}
	for of, d := range drifts {
		c.gauge(driftRecipientsDesc, float64(d.recipients), of.provider, of.currency)
		c.gauge(driftMinorDesc, float64(d.minor), of.provider, of.currency)
	}
}

// channel sends the state of the channel of one provider.
func (c collection) channel(channel *state.Channel) {
	name := channel.Provider
	c.gauge(pendingDesc, float64(channel.Pending), name)
	c.gauge(readyDesc, float64(channel.Ready), name)
	c.gauge(blockedDesc, float64(channel.Blocked), name)
	c.gauge(flightDesc, float64(channel.InFlight), name)
	c.gauge(openDesc, float64(channel.Open), name)
	c.gauge(oldestDesc, channel.Oldest.Seconds(), name)
	reason := airtime.NoReason
	if channel.Paused > 0 {
		reason = channel.PauseReason
	}
	c.gauge(pausedDesc, channel.Paused.Seconds(), name, string(reason))
	c.gauge(troubledDesc, channel.PausedFor.Seconds(), name, string(channel.PauseReason))
	stopped := 0.0
	if channel.Manual != nil {
		stopped = max(1, channel.Manual.For.Seconds()) // Zero says that nobody has.
	}
	c.gauge(stoppedDesc, stopped, name)
	c.gauge(halfOpenDesc, flag(channel.HalfOpen), name)
	c.gauge(unservedDesc, flag(channel.Unserved()), name)
	if channel.Largest > 0 {
		c.gauge(largestDesc, float64(channel.Largest), name)
	}
}

// float sends what is left at one provider.
func (c collection) float(f *state.Float) {
	labels := []string{f.Provider, string(f.Currency)}
	c.gauge(floatBalanceDesc, float64(f.Balance), labels...)
	c.gauge(floatLeftDesc, float64(f.Left()), labels...)
	c.gauge(floatAgeDesc, f.Age.Seconds(), labels...)
	dry := math.Inf(1)
	if in, known := f.RunsDry(); known {
		dry = in.Seconds()
	}
	c.gauge(floatDryDesc, dry, labels...)
}

func (c collection) stream(stream state.Stream) {
	c.gauge(entriesDesc, float64(stream.Entries), stream.Name)
	c.gauge(entriesOldestDesc, stream.Oldest.Seconds(), stream.Name)
	c.gauge(groupsDesc, float64(stream.Groups), stream.Name)
	c.counter(addedDesc, stream.Added, stream.Name)
	c.gauge(aheadDesc, stream.Ahead.Seconds(), stream.Name)
	c.gauge(streamBytesDesc, float64(stream.Bytes), stream.Name)
	c.counter(trimmedUnreadDesc, stream.TrimmedUnread, stream.Name)
}

// webhook sends where the deliveries to one endpoint stand.
func (c collection) webhook(w *state.Webhook) {
	c.gauge(webhookWaitingDesc, float64(w.Waiting), w.Endpoint)
	c.gauge(webhookOldestDesc, w.Oldest.Seconds(), w.Endpoint)
	off := 0.0
	if !w.Off.IsZero() {
		off = max(1, w.OffFor.Seconds()) // Zero says that it is on.
	}
	c.gauge(webhookOffDesc, off, w.Endpoint)
	c.counter(webhookGivenUpDesc, w.GivenUp, w.Endpoint)
	c.counter(webhookMissedDesc, w.Missed, w.Endpoint)
}

// reviews sends what people may have to look at, and how Redis is.
func (c collection) reviews(stats *state.Stats) {
	c.gauge(dueDesc, float64(stats.Due))
	c.gauge(doubtDesc, float64(stats.Doubt))
	c.gauge(doubtOldestDesc, stats.DoubtFor.Seconds())
	c.gauge(overdueDesc, float64(stats.Overdue))
	c.gauge(overdueOldestDesc, stats.OverdueFor.Seconds())
	c.gauge(overpaidDesc, float64(stats.Overpaid))
	c.gauge(mismatchedDesc, float64(stats.Mismatched))
	c.gauge(mismatchedOldestDesc, stats.MismatchedFor.Seconds())
	c.gauge(parkedDesc, float64(stats.Parked))
	c.counter(droppedDesc, stats.Dropped)
	c.gauge(deadLettersDesc, float64(stats.DeadLetters))
	c.gauge(behindDesc, stats.Behind.Seconds())
	c.gauge(fencedDesc, stats.Fenced.Seconds())
	c.gauge(memoryDesc, stats.Memory)
}

func flag(set bool) float64 {
	if set {
		return 1
	}
	return 0
}
