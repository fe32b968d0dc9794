package sim_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// outcome is how one effect ends.
type outcome int

const (
	happens outcome = iota
	// fails: an error comes back, and nothing has happened.
	fails
	// replyLost: it has happened, and an error comes back.
	replyLost
	// again: it has happened, and the client repeats it later because the reply was lost.
	again
	// hangsBefore and hangsAfter: the time that the caller gave it passes; then an error comes back.
	hangsBefore
	hangsAfter
	// hangsLate: the same, and the provider gets to the request only then, within the guard.
	hangsLate
	// breaksLate: an error comes back at once, and the provider gets to the request as late.
	breaksLate
	// doubled: something on the way repeats the request at once, and only the second answer comes
	// back.
	doubled
	// diesBefore and diesAfter: the process ends there.
	diesBefore
	diesAfter
)

func (f outcome) String() string {
	return [...]string{
		"", " FAILS", " happens, REPLY LOST", " happens, REPLY LOST, to be REPEATED",
		" HANGS and never arrives", " happens, then HANGS",
		" HANGS and arrives LATE", " BREAKS and arrives LATE", " arrives TWICE",
		": the process DIES before it",
		" happens, and the process DIES",
	}[f]
}

// errBroken is what a broken connection looks like from above.
var errBroken = errors.New("simulated: the connection broke")

// actor is one handler that runs in one process.
type actor struct {
	h       *harness
	number  int
	title   string
	started int // Effects begun so far.
	dead    atomic.Bool
	done    atomic.Bool
	// err is what the handler returned, then what is done at once when it returns without one.
	err  error
	then func()
}

// call is an effect that waits for its outcome.
type call struct {
	a      *actor
	number int
	name   string
	decide chan outcome
}

// actorKey finds the actor in the context of what it does.
type actorKey struct{}

// start runs a handler until its first effect.
func (h *harness) start(title string, body func(context.Context) error) *actor {
	h.actors++
	a := &actor{h: h, number: h.actors, title: title}
	h.logf("%s begins", a)
	ctx := context.WithValue(context.Background(), actorKey{}, a)
	h.current = a
	go func() {
		a.err = body(ctx)
		a.done.Store(true)
	}()
	synctest.Wait()
	h.current = nil
	return a
}

func (a *actor) String() string { return fmt.Sprintf("%s (%d)", a.title, a.number) }

// intercept is the simulation between the code and Redis, asynq and the providers. What the
// simulation itself asks, and what a provider asks while it answers, passes.
func (h *harness) intercept(ctx context.Context, name string, run func() error) error {
	if h.inEffect.Load() {
		return run()
	}
	a, known := ctx.Value(actorKey{}).(*actor)
	if !known {
		a = h.current
	}
	if a == nil {
		return run()
	}
	return a.wait(name, func(f outcome) error { return a.carryOut(ctx, name, f, run) })
}

// wait stops until the scenario goes on with this effect.
func (a *actor) wait(name string, then func(outcome) error) error {
	if a.dead.Load() {
		return redis.ErrClosed
	}
	c := &call{a: a, name: name, decide: make(chan outcome)}
	a.h.mu.Lock()
	a.started++
	c.number = a.started
	a.h.calls = append(a.h.calls, c)
	a.h.mu.Unlock()
	return then(<-c.decide)
}

// carryOut runs an effect with an outcome.
func (a *actor) carryOut(ctx context.Context, name string, f outcome, run func() error) error {
	switch f {
	case fails:
		return errBroken
	case diesBefore:
		a.dead.Store(true)
		return redis.ErrClosed
	case hangsBefore:
		return a.hang(ctx)
	case hangsLate:
		a.h.delay(ctx, run)
		return a.hang(ctx)
	case breaksLate:
		a.h.delay(ctx, run)
		return errBroken
	}
	a.h.fixture.doubling.Store(f == doubled)
	err := a.h.effect(run)
	a.h.fixture.doubling.Store(false)
	switch f {
	case replyLost:
		return errBroken
	case hangsAfter:
		return a.hang(ctx)
	case diesAfter:
		a.dead.Store(true)
		return redis.ErrClosed
	case again:
		return a.wait(name+" again", func(f outcome) error { return a.carryOut(ctx, name, f, run) })
	}
	return err
}

// hang lets the time of a request pass, and a little more.
func (a *actor) hang(ctx context.Context) error {
	left := 10 * time.Second
	if deadline, bounded := ctx.Deadline(); bounded {
		left = time.Until(deadline)
	}
	time.Sleep(left + time.Millisecond)
	return context.DeadlineExceeded
}

// effect carries an effect out.
func (h *harness) effect(run func() error) error {
	h.sync()
	h.inEffect.Store(true)
	defer h.inEffect.Store(false)
	return run()
}

// waiting lists the effects of an actor that wait, in the order in which they began.
func (h *harness) waiting(a *actor) []*call {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*call
	for _, c := range h.calls {
		if c.a == a {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y *call) int { return cmp.Compare(x.number, y.number) })
	return list
}

// decide gives a waiting effect its outcome and runs its actor to the next one.
func (h *harness) decide(c *call, f outcome) {
	h.logf("%s: %s%s", c.a, c.name, f)
	h.decided++
	h.remove(c)
	h.current = c.a
	c.decide <- f
	synctest.Wait()
	h.current = nil
	if strings.HasPrefix(c.name, "cancel") {
		h.noteMarks()
	}
	if strings.HasPrefix(c.name, "begin") {
		h.noteBegun()
	}
	if c.a.dead.Load() {
		h.kill(c.a)
	}
}

func (h *harness) remove(c *call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = slices.DeleteFunc(h.calls, func(other *call) bool { return other == c })
}

// kill cuts an actor off: whatever it still tries fails.
func (h *harness) kill(a *actor) {
	a.dead.Store(true)
	for {
		left := h.waiting(a)
		if len(left) == 0 {
			return
		}
		h.remove(left[0])
		left[0].decide <- diesBefore
		synctest.Wait()
	}
}

// finish runs an actor to its end without a fault, and lets time pass where it waits for it.
func (h *harness) finish(a *actor) {
	for range 2000 {
		if a.done.Load() {
			return
		}
		if waiting := h.waiting(a); len(waiting) > 0 {
			h.decide(waiting[0], happens)
		} else {
			h.pass(time.Second)
		}
	}
	h.violated("%s does not come to an end", a)
	h.kill(a)
}

// pass lets time pass, for everybody.
func (h *harness) pass(d time.Duration) {
	for until := time.Now().Add(d); ; {
		next := until
		for _, l := range h.late {
			if l.at.Before(next) {
				next = l.at
			}
		}
		time.Sleep(time.Until(next))
		synctest.Wait()
		h.arrive()
		if !next.Before(until) {
			return
		}
	}
}

// late is a request that its provider gets to when its sender has given up.
type late struct {
	at      time.Time
	request *http.Request
}

// delay has the provider get to a request only after the sender's time, but within the guard.
func (h *harness) delay(ctx context.Context, run func() error) {
	h.fixture.holding.Store(true)
	_ = h.effect(run) // The connection breaks: the sender knows nothing.
	h.fixture.holding.Store(false)
	request := h.fixture.held.Swap(nil)
	if request == nil {
		return // It did not come that far.
	}
	at, _ := ctx.Deadline()
	guard := float64(h.options[0].Guard) * newChance(h.seed, h.ids.Load()<<16).Float64()
	h.late = append(h.late, late{at.Add(time.Duration(0.9 * guard)), request})
}

// arrive hands requests that are late to their providers.
func (h *harness) arrive() {
	var rest []late
	for _, l := range h.late {
		if l.at.After(time.Now()) {
			rest = append(rest, l)
			continue
		}
		h.logf("a late request arrives")
		h.sync()
		response, err := (&http.Transport{}).RoundTrip(l.request)
		if err == nil {
			must(response.Body.Close())
		}
	}
	h.late = rest
}
