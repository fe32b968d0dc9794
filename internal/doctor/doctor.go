// Package doctor makes the checks of `enqueuer doctor` (doctor.go): settings (settings.go), Redis
// (redis.go), processes, queues, channels and review queue (work.go), books and streams (books.go),
// webhooks to producers (webhooks.go), providers and callbacks (outside.go). It changes nothing and
// sends nothing; each finding says what is wrong and what to do.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"tuma/internal/config"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// Result is what a check came to.
type Result string

// The results.
const (
	OK Result = "ok"
	// Warning: it works, and something should be looked at.
	Warning Result = "warning"
	// Failed: something does not work, or is not safe.
	Failed Result = "failed"
	// Skipped: it could not be looked at, or nobody asked for it.
	Skipped Result = "skipped"
)

// Finding is one thing that a check found.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	// Detail says what is so, Advice what to do about it.
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"`
}

// Options are what is looked over, and how.
type Options struct {
	Config *config.Config
	// Redis are the settings of the state. Any Redis that answers is looked at.
	Redis state.Options
	// Entries are the providers that are on here, and Client carries the questions to them.
	Entries map[string]catalog.Entry
	Client  *providers.Client
	// Only are the checks to be made; none means all.
	Only []string
	// NoProviders leaves out what asks the providers.
	NoProviders bool
	// CallbackURL is the address of the callback listener as providers are given it, scheme and host;
	// empty leaves its check out.
	CallbackURL string
	// Progress, if set, is told which step is how far.
	Progress func(step string, done, total int)
	// Now is the clock of this machine; time.Now when nil.
	Now func() time.Time
}

// Report is what was found, in the order of the checks.
type Report struct {
	Findings []Finding
	// Drifted says that the books do not balance.
	Drifted bool
}

// Count returns how many findings have a result.
func (r Report) Count(result Result) int {
	n := 0
	for _, f := range r.Findings {
		if f.Result == result {
			n++
		}
	}
	return n
}

// check is one check of the doctor.
type check struct {
	name string
	// redis says that there is nothing to look at without Redis.
	redis bool
	// limit bounds the step; zero is the usual one.
	limit time.Duration
	run   func(*runner, context.Context) error
}

const (
	usualLimit = 15 * time.Second
	// booksLimit bounds the recount of the books; each page of them has its own bound.
	booksLimit = time.Hour
)

// checks are all steps, in their order.
func checks() []check {
	return []check{
		{name: "version", run: (*runner).version},
		{name: "configuration", run: (*runner).configuration},
		{name: "redis", run: (*runner).redis},
		{name: "layout", redis: true, run: (*runner).layout},
		{name: "persistence", redis: true, run: (*runner).persistence},
		{name: "memory", redis: true, run: (*runner).memory},
		{name: "permissions", redis: true, run: (*runner).permissions},
		{name: "clock", redis: true, run: (*runner).clock},
		{name: "workers", redis: true, run: (*runner).workers},
		{name: "queues", redis: true, run: (*runner).queueing},
		{name: "channels", redis: true, run: (*runner).channels},
		{name: "stuck", redis: true, run: (*runner).stuck},
		{name: "review", redis: true, run: (*runner).reviewQueue},
		{name: "streams", redis: true, run: (*runner).streams},
		{name: "webhooks", redis: true, run: (*runner).webhooks},
		{name: "books", redis: true, limit: booksLimit, run: (*runner).books},
		{name: "providers", limit: 5 * time.Minute, run: (*runner).providers},
		{name: "callbacks", run: (*runner).callbacks},
	}
}

// Checks are the names of all checks, in their order.
func Checks() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// ErrNoSuchCheck is returned when Options.Only names something else than Checks does.
var ErrNoSuchCheck = errors.New("no such check")

// runner makes the checks of one run.
type runner struct {
	Options
	store  *state.Store
	queues *tasks.Queues
	// away is why Redis cannot be looked at; empty when it can.
	away string
	// server, stats and inspected are read once, by the first check that needs them.
	server    *state.Server
	stats     *state.Stats
	inspected []tasks.QueueStatus

	name   string // Of the check that runs.
	report Report
}

// Run makes the checks. ErrNoSuchCheck is returned for a name that is none, and the context's error
// when it ends; what is wrong with the deployment is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	var chosen []check
	for _, c := range checks() {
		if len(o.Only) == 0 || slices.Contains(o.Only, c.name) {
			chosen = append(chosen, c)
		}
	}
	for _, name := range o.Only {
		if !slices.Contains(Checks(), name) {
			return Report{}, fmt.Errorf("%w as %q; there are %s", ErrNoSuchCheck, name,
				strings.Join(Checks(), ", "))
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	r := &runner{Options: o}
	defer r.close()
	r.connect(ctx)
	for i, c := range chosen {
		o.Progress("checking "+c.name, i, len(chosen))
		if err := r.run(ctx, c); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}

// run makes one check. Its error is that of the context.
func (r *runner) run(ctx context.Context, c check) error {
	r.name = c.name
	found := len(r.report.Findings)
	if c.redis && r.away != "" {
		r.skip("Redis does not answer")
		return ctx.Err()
	}
	limit := c.limit
	if limit == 0 {
		limit = usualLimit
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.run(r, bounded)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
	case errors.Is(err, state.ErrLayout):
		r.skip("the state has a layout that this version does not know")
	case redisconn.Forbidden(err):
		r.fail(err.Error(), "give the user in TUMA_REDIS_URL the permission (ACL SETUSER)")
	case errors.Is(err, context.DeadlineExceeded):
		r.fail(fmt.Sprintf("no answer within %s: %s", limit, err),
			"find out what keeps Redis or the network busy, and try again")
	default:
		r.fail(err.Error(), "look at the log of Redis, and try again")
	}
	if len(r.report.Findings) == found {
		r.ok("nothing to report")
	}
	return nil
}

// connect opens what needs Redis, whatever its settings are.
func (r *runner) connect(ctx context.Context) {
	options := r.Redis
	options.Inspect = true
	bounded, cancel := context.WithTimeout(ctx, usualLimit)
	defer cancel()
	var err error
	if r.store, err = state.Open(bounded, options); err == nil {
		r.queues, err = tasks.OpenQueues(r.store.Options(), zap.NewNop())
	}
	if err != nil {
		r.away = err.Error()
	}
}

func (r *runner) close() {
	if r.queues != nil {
		_ = r.queues.Close() // Everything has been read.
	}
	if r.store != nil {
		_ = r.store.Close() // As above.
	}
}

func (r *runner) add(result Result, detail, advice string) {
	r.report.Findings = append(r.report.Findings, Finding{r.name, result, detail, advice})
}

func (r *runner) ok(format string, args ...any) { r.add(OK, fmt.Sprintf(format, args...), "") }

func (r *runner) skip(detail string) { r.add(Skipped, detail, "") }

func (r *runner) warn(detail, advice string) { r.add(Warning, detail, advice) }

func (r *runner) fail(detail, advice string) { r.add(Failed, detail, advice) }

// told reads what Redis says about itself, once.
func (r *runner) told(ctx context.Context) (state.Server, error) {
	if r.server == nil {
		server, err := r.store.Server(ctx, r.Now)
		if err != nil {
			return server, err
		}
		r.server = &server
	}
	return *r.server, nil
}

// watched reads the stats of the state, once.
func (r *runner) watched(ctx context.Context) (state.Stats, error) {
	if r.stats == nil {
		stats, err := r.store.Stats(ctx)
		if err != nil {
			return stats, err
		}
		r.stats = &stats
	}
	return *r.stats, nil
}

// channelNames lists every provider that is on here or ever got a disbursal, by name.
func (r *runner) channelNames(ctx context.Context) ([]string, error) {
	stats, err := r.watched(ctx)
	names := r.Config.Providers()
	for _, c := range stats.Channels {
		names = append(names, c.Provider)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// served reads where the queues stand, once: those of all channels, and the others.
func (r *runner) served(ctx context.Context) ([]tasks.QueueStatus, error) {
	if r.inspected != nil {
		return r.inspected, nil
	}
	names, err := r.channelNames(ctx)
	if err != nil {
		return nil, err
	}
	names = append(names, tasks.QueueDisbursals, tasks.QueuePoll)
	if stats, err := r.watched(ctx); err == nil && len(stats.Webhooks)+len(r.Config.Webhooks) > 0 {
		names = append(names, tasks.QueueWebhooks)
	}
	r.inspected, err = r.queues.Inspect(ctx, names)
	return r.inspected, err
}

// about writes a duration for people.
func about(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}
