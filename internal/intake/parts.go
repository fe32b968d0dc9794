package intake

import (
	"strconv"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// partKey tells the parts of 1,000 rows apart: rows of one combination go together, the second
// occurrence of a number goes to a further part, the third to a third.
type partKey struct {
	way, occurrence uint32
}

// occurrenceKey counts a number within a combination.
type occurrenceKey struct {
	phone uint64
	way   uint32
}

// part is a disbursal that is being put together: its name, its combination, and its rows by their
// indexes. Rows that only today's rules refuse are among them.
type part struct {
	name string
	way  uint32
	rows []uint32
}

// eachPart yields the parts of a plan, the same ones in the same order for the same file and
// options.
func (s *scan) eachPart(plan string, yield func(part) error) error {
	if s.byReference != nil {
		return s.eachReferenced(yield)
	}
	for start := 0; start < len(s.rows); start += state.MaxRecipients {
		name := plan + "/" + strconv.Itoa(start/state.MaxRecipients+1)
		end := min(start+state.MaxRecipients, len(s.rows))
		for _, part := range s.split(name, start, end) {
			if err := yield(part); err != nil {
				return err
			}
		}
	}
	return nil
}

// split returns the parts of up to 1,000 rows: name for the first one in file order, then name.2,
// name.3. Refused rows take part in the numbering but not in the disbursals: what a part is called
// depends on the file alone, never on which rows are refused today. Otherwise a row that is good
// tomorrow could push the rows after it under a fresh name, to be paid a second time.
func (s *scan) split(name string, start, end int) []part {
	index := map[partKey]int{}
	occurrences := map[occurrenceKey]uint32{}
	var parts []part
	for i := start; i < end; i++ {
		r := s.rows[i]
		if r.group == noGroup {
			continue
		}
		key := partKey{way: r.group}
		if r.phone != 0 && s.options.AllowRepeats {
			number := occurrenceKey{r.phone, r.group}
			key.occurrence = occurrences[number]
			occurrences[number]++
		}
		at, known := index[key]
		if !known {
			at = len(parts)
			index[key] = at
			parts = append(parts, part{name: partName(name, at), way: r.group})
		}
		if r.minor != 0 {
			parts[at].rows = append(parts[at].rows, uint32(i))
		}
	}
	return parts
}

func partName(name string, at int) string {
	if at == 0 {
		return name
	}
	return name + "." + strconv.Itoa(at+1)
}

// eachReferenced yields the parts of a file that names them, in the order of their first rows.
func (s *scan) eachReferenced(yield func(part) error) error {
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
		err := yield(part{reference.name, reference.way, order[starts[g]:starts[g+1]]})
		if err != nil {
			return err
		}
	}
	return nil
}

// disbursal is the disbursal of a part's good rows; it has no recipients when there are none. Where
// they go is asked anew rather than kept with each row: it has no say in what a part is called, nor
// in who is in it.
func (s *scan) disbursal(p part) state.Disbursal {
	way := &s.ways[p.way]
	d := state.Disbursal{
		Reference: p.name, Given: way.given.provider, Currency: way.currency,
		Campaign:   way.given.campaign,
		Recipients: make([]airtime.Recipient, 0, len(p.rows)),
	}
	for _, i := range p.rows {
		if r := s.rows[i]; r.minor > 0 {
			d.Recipients = append(d.Recipients, r.recipient(way.currency))
		}
	}
	s.rules.assign(&d, way.road)
	return d
}

func (r row) recipient(currency airtime.Currency) airtime.Recipient {
	return airtime.Recipient{
		Phone:  airtime.MSISDNFromE164(strconv.FormatUint(r.phone, 10)),
		Amount: airtime.Money{Minor: r.minor, Currency: currency},
	}
}
