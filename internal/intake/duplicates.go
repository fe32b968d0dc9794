package intake

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

const (
	// duplicatesAge is how long ago a payment may have been that another one looks like.
	duplicatesAge = 30 * 24 * time.Hour
	// maxNames bounds the names that duplicates are told apart by.
	maxNames = 1000
)

// Accepted tells who was accepted lately.
type Accepted interface {
	Recent(
		ctx context.Context, age time.Duration, progress func(done, total int64),
		fn func(imported string, rows []state.Row) error,
	) error
}

var _ Accepted = (*state.Store)(nil)

// Duplicates are rows whose number and amount were accepted under another name in the last 30 days.
type Duplicates struct {
	// Rows counts them. A row that this import has accepted already, in an earlier run, is none.
	Rows int64
	// Names are what they were accepted under, the ones with most rows first.
	Names []Duplicate
	// First are the first of them in the file, at most 20.
	First []RowFault
}

// Duplicate counts the rows that were accepted under one name: an import's, or the reference of a
// disbursal that came with none. Both are empty for the names beyond the first 1,000.
type Duplicate struct {
	Import, Disbursal string
	Rows              int64
}

// String names the import or the disbursal.
func (d Duplicate) String() string {
	switch {
	case d.Import != "":
		return "import " + d.Import
	case d.Disbursal != "":
		return "disbursal " + d.Disbursal
	default:
		return "other disbursals"
	}
}

// unpaid reports whether a status says that its recipient got nothing and will get nothing, so that
// paying them is no second payment.
func unpaid(s airtime.Status) bool {
	return s == airtime.Rejected || s == airtime.Cancelled || s == airtime.Failed
}

// Duplicates looks for rows that would be paid although the same number got the same amount lately
// under another name: the list may have been imported before, saved in another way or corrected.
// Who surely got nothing does not count.
func (p *Plan) Duplicates(
	ctx context.Context, accepted Accepted, progress func(done, total int64),
) (Duplicates, error) {
	l := newLook(p)
	compare := func(imported string, rows []state.Row) error {
		for i := range rows {
			l.compare(imported, &rows[i])
		}
		return ctx.Err()
	}
	err := accepted.Recent(ctx, duplicatesAge, progress, compare)
	return l.result(), err
}

// look compares a plan with what was accepted.
type look struct {
	plan  *Plan
	order []uint32 // The good rows by number and amount.
	under []uint32 // For each row the name that it was accepted under: an index of names, plus one.
	names []Duplicate
	known map[Duplicate]uint32
}

// ours marks rows that this very import has accepted.
const ours = math.MaxUint32

func newLook(p *Plan) *look {
	rows := p.scan.rows
	l := &look{
		plan: p, under: make([]uint32, len(rows)), known: map[Duplicate]uint32{},
		order: make([]uint32, 0, len(rows)), names: []Duplicate{{}},
	}
	for i := range rows {
		if rows[i].minor > 0 {
			l.order = append(l.order, uint32(i))
		}
	}
	slices.SortFunc(l.order, func(a, b uint32) int { return compareRows(rows[a], rows[b]) })
	return l
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.phone, b.phone), cmp.Compare(a.minor, b.minor))
}

// compare looks for the rows that pay what one recipient was accepted for.
func (l *look) compare(imported string, held *state.Row) {
	s := l.plan.scan
	phone := number64(held.Phone)
	if _, there := s.seen[phone]; !there {
		return
	}
	like := row{phone: phone, minor: held.Amount.Minor}
	at, _ := slices.BinarySearchFunc(l.order, like, func(i uint32, like row) int {
		return compareRows(s.rows[i], like)
	})
	for ; at < len(l.order) && compareRows(s.rows[l.order[at]], like) == 0; at++ {
		i := l.order[at]
		reference, currency := s.namedBy(s.rows[i])
		switch {
		case currency != held.Amount.Currency:
		case imported == l.plan.Reference, reference != "" && reference == held.Reference:
			l.under[i] = ours // The state knows what to do with it.
		case l.under[i] == 0 && !unpaid(held.Status):
			l.under[i] = l.name(imported, held.Reference) + 1
		}
	}
}

// namedBy returns the disbursal that a row names, if any, and its currency.
func (s *scan) namedBy(r row) (string, airtime.Currency) {
	if s.byReference == nil {
		return "", s.groups[r.group].currency
	}
	group := &s.references[r.group]
	return group.name, s.groups[group.group].currency
}

// name is the index of a name; 0 stands for those beyond the most that are kept.
func (l *look) name(imported, reference string) uint32 {
	d := Duplicate{Import: imported}
	if imported == "" {
		d.Disbursal = reference
	}
	index, known := l.known[d]
	if !known && len(l.names) <= maxNames {
		index = uint32(len(l.names))
		l.known[d], l.names = index, append(l.names, d)
	}
	return index
}

func (l *look) result() Duplicates {
	var found Duplicates
	for i, under := range l.under {
		if under == 0 || under == ours {
			continue
		}
		found.Rows++
		name := &l.names[under-1]
		name.Rows++
		if r := l.plan.scan.rows[i]; len(found.First) < 20 {
			_, currency := l.plan.scan.namedBy(r)
			to := r.recipient(currency)
			found.First = append(found.First, RowFault{int(r.line), Faults{
				to.Phone.String() + ": " + to.Amount.String() + " was accepted under " +
					name.String(),
			}})
		}
	}
	for _, name := range l.names {
		if name.Rows > 0 {
			found.Names = append(found.Names, name)
		}
	}
	slices.SortStableFunc(found.Names, func(a, b Duplicate) int { return cmp.Compare(b.Rows, a.Rows) })
	return found
}
