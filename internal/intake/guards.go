package intake

import (
	"context"
	"slices"

	"tuma/internal/state"
)

// Rehearse says what the state would do with disbursals of together at most state.MaxRecipients
// recipients, and does nothing.
type Rehearse func(
	ctx context.Context, disbursals []state.Disbursal, so *state.Rehearsal,
) (state.Acceptance, error)

// Rehearse finds who would be held, and refuses the rows that guards refuse. What the state holds
// already is left as it is.
func (p *Plan) Rehearse(ctx context.Context, rehearse Rehearse) error {
	for {
		r := rehearsing{plan: p, rehearse: rehearse}
		p.Held = nil
		err := p.scan.eachDraft(p.Reference, func(draft draft) error { return r.add(ctx, draft) })
		if err == nil {
			err = r.flush(ctx)
		}
		if err != nil || !r.refused {
			return err
		}
		// A job with a refused row counts nowhere: without that row its others do.
		slices.SortStableFunc(p.scan.faults, func(a, b RowFault) int { return a.Line - b.Line })
		p.sum()
	}
}

// rehearsing is one rehearsal of a plan.
type rehearsing struct {
	plan       *Plan
	rehearse   Rehearse
	so         state.Rehearsal
	disbursals []state.Disbursal
	drafts     []draft
	size       int
	refused    bool // A row is.
}

func (r *rehearsing) add(ctx context.Context, of draft) error {
	d := r.plan.disbursal(of)
	if len(d.Recipients) == 0 {
		return nil
	}
	if r.size+len(d.Recipients) > state.MaxRecipients {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.disbursals, r.drafts = append(r.disbursals, d), append(r.drafts, of)
	r.size += len(d.Recipients)
	return nil
}

func (r *rehearsing) flush(ctx context.Context) error {
	if r.size == 0 {
		return nil
	}
	got, err := r.rehearse(ctx, r.disbursals, &r.so)
	if err != nil {
		return err
	}
	r.plan.Held = addHeld(r.plan.Held, got.Held)
	for i := range r.drafts {
		guards := map[int]string{}
		for _, g := range got.Guarded {
			if g.Disbursal == i {
				guards[g.Recipient] = g.Guard
			}
		}
		if len(guards) > 0 {
			r.plan.scan.refuseGuarded(r.drafts[i], guards)
			r.refused = true
		}
	}
	r.disbursals, r.drafts, r.size = nil, nil, 0
	return nil
}

// addHeld sums who is held, by reason, rule and currency.
func addHeld(sum, more []state.Holding) []state.Holding {
	for _, m := range more {
		at := slices.IndexFunc(sum, func(s state.Holding) bool {
			return s.Hold == m.Hold && s.Currency == m.Currency
		})
		if at < 0 {
			sum = append(sum, m)
			continue
		}
		sum[at].Recipients += m.Recipients
		sum[at].Minor += m.Minor
	}
	return sum
}

// refuseGuarded refuses rows of a draft, by their indexes among its good ones. Of a file that names
// its disbursals, the others of that disbursal are refused with them.
func (s *scan) refuseGuarded(of draft, guards map[int]string) {
	good := -1
	for _, i := range of.rows {
		r := &s.rows[i]
		if r.minor <= 0 {
			continue
		}
		good++
		guard, refused := guards[good]
		if !refused && s.byReference == nil {
			continue
		}
		fault := spoiledFault()
		if refused {
			fault = Faults{"refused by the guard " + guard}
		}
		r.minor = -r.minor
		if s.jobs && !refused {
			continue // A job is one line, which the refused one stands for.
		}
		s.guarded[r.line] = append(s.guarded[r.line], fault...)
		if s.jobs && len(s.guarded[r.line]) > 1 {
			continue
		}
		s.refused++
		s.opposed++
		s.list(int(r.line), s.guarded[r.line])
	}
}
