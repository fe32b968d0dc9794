package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/term"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/providers"
	"tuma/internal/state"
)

const (
	// followEvery is the interval of looking, followLines that of lines where nothing can be redrawn.
	followEvery = 300 * time.Millisecond
	followLines = 5 * time.Second
	// overdueEvery is the interval of counting overdue recipients, which reads all of them.
	overdueEvery = 10 * time.Second
	// heldEvery is the interval of looking who is held for what.
	heldEvery = 5 * time.Second
)

// follower watches an import until it is settled.
type follower struct {
	app  *app.App
	name string
	out  io.Writer
	wide int // Columns of the terminal; 0 when it is none.

	sum     state.Summary
	now     *overview
	drawn   time.Time
	changed time.Time // When the counts changed last.
	counted time.Time // When the overdue were counted last.
	// held counts those whom only a person releases, as of looked.
	held   int64
	looked time.Time
}

// follow shows live counts until all recipients of an import are settled. An error with the exit
// code of INTERFACE is returned unless all are successful or unconfirmed.
func follow(ctx context.Context, a *app.App, name string, out io.Writer) (state.Summary, error) {
	f := &follower{app: a, name: name, out: out, changed: time.Now()}
	if isTerminal(out) {
		f.wide = 80
		if file, ok := out.(interface{ Fd() uintptr }); ok {
			if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
				f.wide = columns
			}
		}
	}
	var failing time.Time // Since when Redis has not answered.
	for {
		err := f.look(ctx)
		now := time.Now()
		switch {
		case err == nil:
			failing = time.Time{}
			f.draw(now)
			if done, verdict := f.verdict(now); done {
				f.clear()
				return f.sum, verdict
			}
		case failing.IsZero():
			failing = now
		case now.Sub(failing) > retryLimit:
			return f.sum, err
		}
		select {
		case <-ctx.Done():
			f.clear()
			return f.sum, fmt.Errorf("stopped following; the import goes on: see enqueuer status %s",
				name)
		case <-time.After(followEvery):
		}
	}
}

// look reads where the recipients stand.
func (f *follower) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	sum, err := f.app.Store.Summarize(ctx, state.KindImport, f.name)
	if err != nil {
		return err
	}
	if f.now, err = readOverview(ctx, f.app); err != nil {
		return err
	}
	now := time.Now()
	sum.Overdue = f.sum.Overdue
	if f.now.stats.Overdue == 0 {
		sum.Overdue = 0
	} else if now.Sub(f.counted) > overdueEvery {
		f.counted = now
		if sum.Overdue, err = overdue(ctx, f.app.Store, state.KindImport, f.name); err != nil {
			return err
		}
	}
	if sum.Statuses[airtime.Held].Recipients == 0 {
		f.held = 0
	} else if now.Sub(f.looked) > heldEvery {
		f.looked = now
		if f.held, err = waitForPersons(ctx, f.app.Store, f.name); err != nil {
			return err
		}
	}
	if counts(sum) != counts(f.sum) {
		f.changed = now
	}
	f.sum = sum
	return nil
}

// verdict says whether there is nothing more to wait for, and what came of it.
func (f *follower) verdict(now time.Time) (bool, error) {
	if f.sum.Settled {
		return true, outcome(f.sum)
	}
	var open int64
	for status, totals := range f.sum.Statuses {
		if !status.Settled() {
			open += totals.Recipients
		}
	}
	doubt := f.sum.Statuses[airtime.InDoubt].Recipients
	if open > doubt+f.sum.Overdue+f.held || doubt > 0 && now.Sub(f.changed) < f.doubtWait() {
		return false, nil
	}
	left := fmt.Sprintf("%d in doubt and %d overdue are left; see enqueuer indoubt list", doubt,
		f.sum.Overdue)
	if f.held > 0 {
		left = fmt.Sprintf("%d wait for a person to release them: see enqueuer holds; %s", f.held, left)
	}
	return true, cli.Exit(cli.ExitInDoubt, errors.New(left))
}

// waitForPersons counts those of an import whom neither the clock nor a budget releases.
func waitForPersons(ctx context.Context, s *state.Store, name string) (int64, error) {
	groups, err := s.HeldUnder(ctx, state.KindImport, name)
	var n int64
	for i := range groups {
		if g := &groups[i]; g.Reason != airtime.ReasonSchedule && g.Reason != airtime.ReasonBudget {
			n += g.Recipients
		}
	}
	return n, err
}

// doubtWait is how long recipients in doubt may stand still before they are left to people. A
// provider that can be asked settles most of them by itself, and is asked until the settle delay
// has passed twice.
func (f *follower) doubtWait() time.Duration {
	for _, c := range f.app.Rules.Providers {
		if c.Asks == providers.AskByBatch {
			o := f.app.Store.Options()
			return o.SubmitTimeout + o.Guard + 2*o.SettleDelay
		}
	}
	return 0
}

// outcome is nil when everybody was paid as far as anybody can tell.
func outcome(sum state.Summary) error {
	var parts []string
	for _, s := range airtime.Statuses() {
		n := sum.Statuses[s].Recipients
		if n > 0 && s.Settled() && s != airtime.Successful && s != airtime.Unconfirmed {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	again := ""
	for _, s := range []airtime.Status{airtime.Failed, airtime.Rejected, airtime.Cancelled} {
		if sum.Statuses[s].Recipients > 0 && again == "" {
			again = "; to send them again: " + sendAgain(sum.Kind, sum.Reference, s)
		}
	}
	return cli.Exit(cli.ExitSomeFailed, errors.New("settled, but not all were paid: "+
		strings.Join(parts, ", ")+again))
}

// counts is the line of live counts.
func counts(sum state.Summary) string {
	var settled int64
	var parts []string
	for _, s := range airtime.Statuses() {
		if totals, there := sum.Statuses[s]; there {
			parts = append(parts, fmt.Sprintf("%d %s", totals.Recipients, s))
			if s.Settled() {
				settled += totals.Recipients
			}
		}
	}
	return fmt.Sprintf("%d of %d settled: %s", settled, sum.Recipients, strings.Join(parts, ", "))
}

// draw shows the counts, and why nothing moves.
func (f *follower) draw(now time.Time) {
	hint := f.hint()
	if f.wide == 0 {
		if now.Sub(f.drawn) >= followLines {
			f.drawn = now
			fmt.Fprintln(f.out, strings.TrimSuffix(counts(f.sum)+"; "+hint, "; "))
		}
		return
	}
	line := []rune(strings.TrimSuffix(counts(f.sum)+"; "+hint, "; "))
	fmt.Fprint(f.out, "\r\x1b[K"+string(line[:min(len(line), f.wide-1)]))
}

// clear takes the redrawn line away.
func (f *follower) clear() {
	if f.wide > 0 {
		fmt.Fprint(f.out, "\r\x1b[K")
	}
}

// hint says why nothing moves.
func (f *follower) hint() string {
	return strings.Join(f.now.blockers(stamps(f.app, f.out)), "; ")
}
