package sandbox

import (
	"time"

	"golang.org/x/sync/errgroup"
)

// delivery is one callback: the status of one recipient, to be posted at a time.
type delivery struct {
	account *account
	batch   *batch
	index   int // of the recipient
	code    int // what it shows
	form    bool
	short   bool

	tries    int
	due      time.Time
	sequence uint64 // among those that are due at the same time
}

func (d *delivery) recipient() recipient { return d.batch.recipients[d.index] }

// requestID is the provider's id of the recipient.
func (d *delivery) requestID() string {
	return d.account.requestID(d.batch.first + uint64(d.index))
}

// step is a visible code and how long after acceptance it is reached.
type step struct {
	code  int
	after time.Duration
}

// steps lists the steps of a recipient that callbacks report. By polls all of them are reached at
// once, as callbacks do not wait for queries; a late reversal is then left to the queries.
func (f outcome) steps(p Pace, finalOnly bool) []step {
	if f.stuck {
		if finalOnly {
			return nil
		}
		return []step{{code: int(f.end)}}
	}
	var open, detour time.Duration
	if p.By == PaceByTime {
		open, detour = time.Duration(p.OpenFor), time.Duration(p.DetourFor)
	}
	var steps []step
	if !finalOnly {
		steps = append(steps, step{code: codeProcessing})
	}
	end := step{int(f.end), open}
	if f.detour != 0 {
		if !finalOnly {
			steps = append(steps, step{int(f.detour), open})
		}
		end.after += detour
	}
	steps = append(steps, end)
	if f.late != 0 && p.By == PaceByTime {
		steps = append(steps, step{int(f.late), end.after + time.Duration(p.LateFor)})
	}
	return steps
}

// scheduleCallbacks schedules the callbacks about a request, and posts the early ones before it
// returns, so before the request is answered.
func (a *account) scheduleCallbacks(b *batch, f *Faults) {
	if a.sender == nil || a.payload == nil {
		return
	}
	var posts errgroup.Group
	posts.SetLimit(queuesMax)
	finalOnly := f.Callbacks.FinalOnly || !a.reportsSteps
	for index, r := range b.recipients {
		for _, s := range r.outcome.steps(f.Pace, finalOnly) {
			h := mix(mix(mix(b.hash, r.phone), uint64(index)), uint64(s.code))
			drawn := a.injector.drawDelivery(h, &f.Callbacks, a.sendsForms)
			if drawn.lose {
				continue
			}
			d := delivery{
				account: a, batch: b, index: index, code: s.code,
				form: drawn.form, short: f.Callbacks.Short,
			}
			if drawn.duplicate {
				second := d
				a.sender.schedule(&second, s.after+drawn.delay)
			}
			if drawn.early && s.code != int(r.outcome.late) {
				posts.Go(func() error { a.sender.deliver(a.sender.start(), &d); return nil })
				continue
			}
			a.sender.schedule(&d, s.after+drawn.delay)
		}
	}
	_ = posts.Wait() // Deliveries return no error.
}
