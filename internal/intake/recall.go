package intake

import (
	"context"
	"errors"
	"slices"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// Held tells what the state holds of a disbursal; state.ErrNotFound is returned when nothing.
type Held interface {
	Report(ctx context.Context, kind state.Kind, name string, fn func(state.Row) error) error
}

var _ Held = (*state.Store)(nil)

// Opposed counts the rows (or jobs) that only today's rules refuse.
func (p *Plan) Opposed() int64 { return p.scan.opposed }

// Recall takes back what today's rules have against rows that the state holds: they were accepted
// by an earlier run of the same import, under other rules, and who is told that they are refused
// pays them again. Of a file that names its disbursals all rows of a known one are taken back: the
// state says then whether it is the same.
func (p *Plan) Recall(ctx context.Context, held Held) error {
	if p.scan.opposed == 0 {
		return nil
	}
	err := p.scan.eachDraft(p.Reference, func(draft draft) error {
		if !slices.ContainsFunc(draft.rows, p.scan.isOpposed) {
			return nil
		}
		there := map[uint64]int64{}
		err := held.Report(ctx, state.KindDisbursal, draft.name, func(r state.Row) error {
			there[number64(r.Phone)] = r.Amount.Minor
			return nil
		})
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err == nil {
			p.scan.recall(draft, there)
		}
		return err
	})
	p.sum()
	return err
}

// isOpposed reports whether only today's rules refuse a row.
func (s *scan) isOpposed(row uint32) bool { return s.rows[row].minor < 0 }

// recall takes back the objections of rules to rows of a draft of which the state holds some.
func (s *scan) recall(p draft, there map[uint64]int64) {
	for _, i := range p.rows {
		r := &s.rows[i]
		if r.minor > 0 || s.byReference == nil && there[r.phone] != -r.minor {
			continue
		}
		r.minor = -r.minor
		if !s.jobs || i == p.rows[0] { // A job is one line, whatever it holds.
			s.refused--
			s.opposed--
		}
	}
	s.faults = slices.DeleteFunc(s.faults, func(fault RowFault) bool { return s.isGood(fault.Line) })
}

// isGood reports whether the row of a line is not refused.
func (s *scan) isGood(line int) bool {
	at, found := slices.BinarySearchFunc(s.rows, uint32(line), func(r row, line uint32) int {
		return int(int64(r.line) - int64(line))
	})
	return found && s.rows[at].minor > 0
}

// decided is what the first reading made of the faults of a line, whose rows begin at start.
func (s *scan) decided(start int, faults Faults) Faults {
	switch {
	case start >= len(s.rows) || start >= len(s.first):
		return faults // Nothing of it could be read; or the file has changed, which is noticed.
	case s.first[start].minor > 0:
		return nil
	case len(faults) == 0:
		return spoiledFault()
	}
	return faults
}

// refuseSpoiled refuses the other rows of disbursals of which one is refused.
func (s *scan) refuseSpoiled() {
	if s.byReference == nil || s.jobs {
		return
	}
	var more []RowFault
	for i := range s.rows {
		r := &s.rows[i]
		if r.minor == 0 {
			continue
		}
		group, good := s.references[r.group], r.minor > 0
		switch {
		case group.spoiled && !good:
			s.opposed--
			fallthrough
		case group.spoiled:
			r.minor = 0
		case group.opposed && good:
			r.minor = -r.minor
			s.opposed++
		}
		if good && r.minor <= 0 {
			s.refused++
			if len(more) < maxListed {
				more = append(more, RowFault{int(r.line), spoiledFault()})
			}
		}
	}
	s.faults = append(s.faults, more...)
	slices.SortStableFunc(s.faults, func(a, b RowFault) int { return a.Line - b.Line })
	s.faults = s.faults[:min(len(s.faults), maxListed)]
}

func spoiledFault() Faults {
	return Faults{"reference: another of its rows is refused; a disbursal goes whole or not at all"}
}

// number64 is a phone number as a number, zero when there is none or it was erased.
func number64(phone airtime.MSISDN) uint64 {
	var number uint64
	if phone.Erased() {
		return number
	}
	for _, digit := range []byte(phone.Digits()) {
		number = number*10 + uint64(digit-'0')
	}
	return number
}
