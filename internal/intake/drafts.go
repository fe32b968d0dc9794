package intake

import (
	"strconv"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// draftKey distinguishes the drafts of 1,000 rows: rows of one combination go together, the second
// occurrence of a number goes to a second draft, the third to a third.
type draftKey struct {
	group, occurrence uint32
}

// occurrenceKey counts a number within a combination.
type occurrenceKey struct {
	phone uint64
	group uint32
}

// draft is a disbursal that is being put together: its name, its combination, and its rows by their
// indexes. Rows that only today's rules refuse are among them.
type draft struct {
	name  string
	group uint32
	rows  []uint32
	// priority is what its job says of itself.
	priority string
}

// eachDraft yields the drafts of a plan, the same ones in the same order for the same file and
// options.
func (s *scan) eachDraft(plan string, yield func(draft) error) error {
	if s.byReference != nil {
		return s.eachReferenced(yield)
	}
	for start := 0; start < len(s.rows); start += state.MaxRecipients {
		name := plan + "/" + strconv.Itoa(start/state.MaxRecipients+1)
		end := min(start+state.MaxRecipients, len(s.rows))
		for _, draft := range s.split(name, start, end) {
			if err := yield(draft); err != nil {
				return err
			}
		}
	}
	return nil
}

// split returns the drafts of up to 1,000 rows: name for the first one in file order, then name.2,
// name.3. Refused rows take part in the numbering but not in the disbursals: what a draft is called
// depends on the file alone, never on which rows are refused today. Otherwise a row that is good
// tomorrow could push the rows after it under a fresh name, to be paid a second time.
func (s *scan) split(name string, start, end int) []draft {
	index := map[draftKey]int{}
	occurrences := map[occurrenceKey]uint32{}
	var drafts []draft
	for i := start; i < end; i++ {
		r := s.rows[i]
		if r.group == noGroup {
			continue
		}
		key := draftKey{group: r.group}
		if r.phone != 0 && s.options.AllowRepeats {
			number := occurrenceKey{r.phone, r.group}
			key.occurrence = occurrences[number]
			occurrences[number]++
		}
		at, known := index[key]
		if !known {
			at = len(drafts)
			index[key] = at
			drafts = append(drafts, draft{name: draftName(name, at), group: r.group})
		}
		if r.minor != 0 {
			drafts[at].rows = append(drafts[at].rows, uint32(i))
		}
	}
	return drafts
}

func draftName(name string, at int) string {
	if at == 0 {
		return name
	}
	return name + "." + strconv.Itoa(at+1)
}

// eachReferenced yields the drafts of a file that names them, in the order of their first rows.
func (s *scan) eachReferenced(yield func(draft) error) error {
	// Rows of one reference may lie anywhere: starts[g] is where group g begins in order.
	starts := make([]uint32, len(s.references)+1)
	for _, r := range s.rows {
		if r.minor != 0 {
			starts[r.group+1]++
		}
	}
	for g := range s.references {
		starts[g+1] += starts[g]
	}
	order := make([]uint32, starts[len(s.references)])
	next := append([]uint32(nil), starts...)
	for i, r := range s.rows {
		if r.minor != 0 {
			order[next[r.group]] = uint32(i)
			next[r.group]++
		}
	}
	for g, reference := range s.references {
		if starts[g] == starts[g+1] {
			continue
		}
		err := yield(draft{
			reference.name, reference.group, order[starts[g]:starts[g+1]], reference.priority,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// disbursal is the disbursal of a draft's good rows; it has no recipients when there are none.
// Their providers are chosen anew rather than stored with each row: they have no influence on the
// name of a draft, nor on its rows.
func (s *scan) disbursal(p draft) state.Disbursal {
	group := &s.groups[p.group]
	d := state.Disbursal{
		Reference: p.name, Given: group.given.provider, Currency: group.currency,
		Campaign:   group.given.campaign,
		Recipients: make([]airtime.Recipient, 0, len(p.rows)),
	}
	if at := group.given.notBefore; at != 0 {
		d.NotBefore = time.UnixMilli(at)
	}
	for _, i := range p.rows {
		if r := s.rows[i]; r.minor > 0 {
			recipient := r.recipient(group.currency)
			recipient.ID = s.ids[i]
			d.Recipients = append(d.Recipients, recipient)
		}
	}
	s.rules.assign(&d, group.route, p.priority)
	return d
}

func (r row) recipient(currency airtime.Currency) airtime.Recipient {
	return airtime.Recipient{
		Phone:  airtime.MSISDNFromE164(strconv.FormatUint(r.phone, 10)),
		Amount: airtime.Money{Minor: r.minor, Currency: currency},
	}
}
