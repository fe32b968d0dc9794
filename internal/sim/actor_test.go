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

// fate is what becomes of one effect.
type fate int

const (
	happens fate = iota
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

func (f fate) String() string {
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
	w       *world
	number  int
	title   string
	started int // Effects begun so far.
	dead    atomic.Bool
	done    atomic.Bool
	// err is what the handler returned.
	err error
}

// call is an effect that waits for its fate.
type call struct {
	a      *actor
	number int
	name   string
	decide chan fate
}

// actorKey finds the actor in the context of what it does.
type actorKey struct{}

// start runs a handler until its first effect.
func (w *world) start(title string, body func(context.Context) error) *actor {
	w.actors++
	a := &actor{w: w, number: w.actors, title: title}
	w.tell("%s begins", a)
	ctx := context.WithValue(context.Background(), actorKey{}, a)
	w.current = a
	go func() {
		a.err = body(ctx)
		a.done.Store(true)
	}()
	synctest.Wait()
	w.current = nil
	return a
}

func (a *actor) String() string { return fmt.Sprintf("%s (%d)", a.title, a.number) }

// intercept is the simulation between the code and the world. What the simulation itself asks, and
// what a provider asks while it answers, passes.
func (w *world) intercept(ctx context.Context, name string, run func() error) error {
	if w.inEffect.Load() {
		return run()
	}
	a, known := ctx.Value(actorKey{}).(*actor)
	if !known {
		a = w.current
	}
	if a == nil {
		return run()
	}
	return a.wait(name, func(f fate) error { return a.carryOut(ctx, name, f, run) })
}

// wait stops until the story goes on with this effect.
func (a *actor) wait(name string, then func(fate) error) error {
	if a.dead.Load() {
		return redis.ErrClosed
	}
	c := &call{a: a, name: name, decide: make(chan fate)}
	a.w.mu.Lock()
	a.started++
	c.number = a.started
	a.w.calls = append(a.w.calls, c)
	a.w.mu.Unlock()
	return then(<-c.decide)
}

// carryOut gives an effect its fate.
func (a *actor) carryOut(ctx context.Context, name string, f fate, run func() error) error {
	switch f {
	case fails:
		return errBroken
	case diesBefore:
		a.dead.Store(true)
		return redis.ErrClosed
	case hangsBefore:
		return a.hang(ctx)
	case hangsLate:
		a.w.delay(ctx, run)
		return a.hang(ctx)
	case breaksLate:
		a.w.delay(ctx, run)
		return errBroken
	}
	a.w.stage.doubling.Store(f == doubled)
	err := a.w.effect(run)
	a.w.stage.doubling.Store(false)
	switch f {
	case replyLost:
		return errBroken
	case hangsAfter:
		return a.hang(ctx)
	case diesAfter:
		a.dead.Store(true)
		return redis.ErrClosed
	case again:
		return a.wait(name+" again", func(f fate) error { return a.carryOut(ctx, name, f, run) })
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

// effect lets something happen in the world.
func (w *world) effect(run func() error) error {
	w.sync()
	w.inEffect.Store(true)
	defer w.inEffect.Store(false)
	return run()
}

// waiting lists the effects of an actor that wait, in the order in which they began.
func (w *world) waiting(a *actor) []*call {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*call
	for _, c := range w.calls {
		if c.a == a {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y *call) int { return cmp.Compare(x.number, y.number) })
	return list
}

// decide gives a waiting effect its fate and runs its actor to the next one.
func (w *world) decide(c *call, f fate) {
	w.tell("%s: %s%s", c.a, c.name, f)
	w.remove(c)
	w.current = c.a
	c.decide <- f
	synctest.Wait()
	w.current = nil
	if strings.HasPrefix(c.name, "cancel") {
		w.noteMarks()
	}
	if strings.HasPrefix(c.name, "begin") {
		w.noteBegun()
	}
	if c.a.dead.Load() {
		w.kill(c.a)
	}
}

func (w *world) remove(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = slices.DeleteFunc(w.calls, func(other *call) bool { return other == c })
}

// kill cuts an actor off: whatever it still tries fails.
func (w *world) kill(a *actor) {
	a.dead.Store(true)
	for {
		left := w.waiting(a)
		if len(left) == 0 {
			return
		}
		w.remove(left[0])
		left[0].decide <- diesBefore
		synctest.Wait()
	}
}

// finish runs an actor to its end without a fault, and lets time pass where it waits for it.
func (w *world) finish(a *actor) {
	for range 2000 {
		if a.done.Load() {
			return
		}
		if waiting := w.waiting(a); len(waiting) > 0 {
			w.decide(waiting[0], happens)
		} else {
			w.pass(time.Second)
		}
	}
	w.violated("%s does not come to an end", a)
	w.kill(a)
}

// pass lets time pass, for everybody.
func (w *world) pass(d time.Duration) {
	for until := time.Now().Add(d); ; {
		next := until
		for _, l := range w.late {
			if l.at.Before(next) {
				next = l.at
			}
		}
		time.Sleep(time.Until(next))
		synctest.Wait()
		w.arrive()
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
func (w *world) delay(ctx context.Context, run func() error) {
	w.stage.holding.Store(true)
	_ = w.effect(run) // The connection breaks: the sender knows nothing.
	w.stage.holding.Store(false)
	request := w.stage.held.Swap(nil)
	if request == nil {
		return // It did not come that far.
	}
	at, _ := ctx.Deadline()
	guard := float64(w.options[0].Guard) * newChance(w.seed, w.ids.Load()<<16).Float64()
	w.late = append(w.late, late{at.Add(time.Duration(0.9 * guard)), request})
}

// arrive hands requests that are late to their providers.
func (w *world) arrive() {
	var rest []late
	for _, l := range w.late {
		if l.at.After(time.Now()) {
			rest = append(rest, l)
			continue
		}
		w.tell("a late request arrives")
		w.sync()
		response, err := (&http.Transport{}).RoundTrip(l.request)
		if err == nil {
			must(response.Body.Close())
		}
	}
	w.late = rest
}
