// Package doctor looks a deployment over: Redis and its settings, clocks, credentials, processes,
// queues and books. It changes nothing and sends nothing; each finding says what is wrong and what
// to do.
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

// check is one step of the examination.
type check struct {
	name string
	// redis says that there is nothing to look at without Redis.
	redis bool
	// limit bounds the step; zero is the usual one.
	limit time.Duration
	run   func(*exam, context.Context) error
}

const (
	usualLimit = 15 * time.Second
	// booksLimit bounds the recount of the books; each page of them has its own bound.
	booksLimit = time.Hour
)

// checks are all steps, in their order.
func checks() []check {
	return []check{
		{name: "version", run: (*exam).version},
		{name: "configuration", run: (*exam).configuration},
		{name: "redis", run: (*exam).redis},
		{name: "layout", redis: true, run: (*exam).layout},
		{name: "persistence", redis: true, run: (*exam).persistence},
		{name: "memory", redis: true, run: (*exam).memory},
		{name: "permissions", redis: true, run: (*exam).permissions},
		{name: "clock", redis: true, run: (*exam).clock},
		{name: "workers", redis: true, run: (*exam).workers},
		{name: "queues", redis: true, run: (*exam).queueing},
		{name: "channels", redis: true, run: (*exam).channels},
		{name: "stuck", redis: true, run: (*exam).stuck},
		{name: "people", redis: true, run: (*exam).people},
		{name: "streams", redis: true, run: (*exam).streams},
		{name: "books", redis: true, limit: booksLimit, run: (*exam).books},
		{name: "providers", limit: 5 * time.Minute, run: (*exam).providers},
		{name: "callbacks", run: (*exam).callbacks},
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

// exam is one examination.
type exam struct {
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
	e := &exam{Options: o}
	defer e.close()
	e.connect(ctx)
	for i, c := range chosen {
		o.Progress("checking "+c.name, i, len(chosen))
		if err := e.make(ctx, c); err != nil {
			return e.report, err
		}
	}
	return e.report, nil
}

// make makes one check. Its error is that of the context.
func (e *exam) make(ctx context.Context, c check) error {
	e.name = c.name
	found := len(e.report.Findings)
	if c.redis && e.away != "" {
		e.skip("Redis does not answer")
		return ctx.Err()
	}
	limit := c.limit
	if limit == 0 {
		limit = usualLimit
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.run(e, bounded)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
	case errors.Is(err, state.ErrLayout):
		e.skip("the state has a layout that this version does not know")
	case state.Forbidden(err):
		e.fail(err.Error(), "give the user in TUMA_REDIS_URL the permission (ACL SETUSER)")
	case errors.Is(err, context.DeadlineExceeded):
		e.fail(fmt.Sprintf("no answer within %s: %s", limit, err),
			"find out what keeps Redis or the network busy, and try again")
	default:
		e.fail(err.Error(), "look at the log of Redis, and try again")
	}
	if len(e.report.Findings) == found {
		e.ok("nothing to report")
	}
	return nil
}

// connect opens what needs Redis, whatever its settings are.
func (e *exam) connect(ctx context.Context) {
	options := e.Redis
	options.Inspect = true
	bounded, cancel := context.WithTimeout(ctx, usualLimit)
	defer cancel()
	var err error
	if e.store, err = state.Open(bounded, options); err == nil {
		e.queues, err = tasks.OpenQueues(e.store.Options(), zap.NewNop())
	}
	if err != nil {
		e.away = err.Error()
	}
}

func (e *exam) close() {
	if e.queues != nil {
		_ = e.queues.Close() // Everything has been read.
	}
	if e.store != nil {
		_ = e.store.Close() // As above.
	}
}

func (e *exam) add(result Result, detail, advice string) {
	e.report.Findings = append(e.report.Findings, Finding{e.name, result, detail, advice})
}

func (e *exam) ok(format string, args ...any) { e.add(OK, fmt.Sprintf(format, args...), "") }

func (e *exam) skip(detail string) { e.add(Skipped, detail, "") }

func (e *exam) warn(detail, advice string) { e.add(Warning, detail, advice) }

func (e *exam) fail(detail, advice string) { e.add(Failed, detail, advice) }

// told reads what Redis says about itself, once.
func (e *exam) told(ctx context.Context) (state.Server, error) {
	if e.server == nil {
		server, err := e.store.Server(ctx, e.Now)
		if err != nil {
			return server, err
		}
		e.server = &server
	}
	return *e.server, nil
}

// watched reads the stats of the state, once.
func (e *exam) watched(ctx context.Context) (state.Stats, error) {
	if e.stats == nil {
		stats, err := e.store.Stats(ctx)
		if err != nil {
			return stats, err
		}
		e.stats = &stats
	}
	return *e.stats, nil
}

// roads lists every provider that is on here or ever got a disbursal, by name.
func (e *exam) roads(ctx context.Context) ([]string, error) {
	stats, err := e.watched(ctx)
	names := e.Config.Providers()
	for _, c := range stats.Channels {
		names = append(names, c.Provider)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// served reads where the queues stand, once: those of all roads, and the two others.
func (e *exam) served(ctx context.Context) ([]tasks.QueueStatus, error) {
	if e.inspected != nil {
		return e.inspected, nil
	}
	names, err := e.roads(ctx)
	if err != nil {
		return nil, err
	}
	e.inspected, err = e.queues.Inspect(ctx,
		append(names, tasks.QueueDisbursals, tasks.QueuePoll))
	return e.inspected, err
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
