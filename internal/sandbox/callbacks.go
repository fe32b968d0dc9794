package sandbox

import (
	"time"

	"golang.org/x/sync/errgroup"
)

// notice is one callback: what has become of one recipient.
type notice struct {
	account *account
	batch   *batch
	place   int // of the recipient
	code    int // what it shows
	form    bool
	short   bool

	tries int
	due   time.Time
	turn  uint64 // among those that are due at the same time
}

func (n *notice) recipient() recipient { return n.batch.recipients[n.place] }

// requestID is the provider's id of the recipient.
func (n *notice) requestID() string { return n.account.requestID(n.batch.first + uint64(n.place)) }

// step is a visible code and how long after acceptance it is reached.
type step struct {
	code  int
	after time.Duration
}

// journey lists the steps of a recipient that callbacks tell. By polls all of them are reached at
// once, as callbacks do not wait for queries; a late reversal is then left to the queries.
func (f fate) journey(p Pace, finalOnly bool) []step {
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

// announce hands the callbacks about a request to the postman, and posts the early ones before it
// returns, so before the request is answered.
func (a *account) announce(b *batch, f *Faults) {
	if a.post == nil || a.letter == nil {
		return
	}
	var earlyOnes errgroup.Group
	earlyOnes.SetLimit(queuesMax)
	finalOnly := f.Callbacks.FinalOnly || !a.steps
	for place, r := range b.recipients {
		for _, s := range r.fate.journey(f.Pace, finalOnly) {
			h := mix(mix(mix(b.hash, r.phone), uint64(place)), uint64(s.code))
			drawn := a.board.stamp(h, &f.Callbacks, a.forms)
			if drawn.lose {
				continue
			}
			n := notice{
				account: a, batch: b, place: place, code: s.code,
				form: drawn.form, short: f.Callbacks.Short,
			}
			if drawn.duplicate {
				second := n
				a.post.hand(&second, s.after+drawn.delay)
			}
			if drawn.early && s.code != int(r.fate.late) {
				earlyOnes.Go(func() error { a.post.deliver(a.post.start(), &n); return nil })
				continue
			}
			a.post.hand(&n, s.after+drawn.delay)
		}
	}
	_ = earlyOnes.Wait() // Deliveries return no error.
}
