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

// eachPart yields the disbursals of up to 1,000 rows: name for the first part in file order, then
// name.2, name.3. Refused rows take part in the numbering but not in the disbursals: what a part
// is called depends on the file alone, never on which rows are refused today. Otherwise a row that
// is good tomorrow could push the rows after it under a fresh name, to be paid a second time.
func (s *scan) eachPart(name string, rows []row, yield func(state.Disbursal) error) error {
	index := map[partKey]int{}
	occurrences := map[occurrenceKey]uint32{}
	var parts []part
	for _, r := range rows {
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
			parts = append(parts, s.part(partName(name, at), r.group))
		}
		if r.minor > 0 {
			parts[at].Recipients = append(parts[at].Recipients, r.recipient(parts[at].Currency))
		}
	}
	for _, part := range parts {
		if err := s.deliver(part, yield); err != nil {
			return err
		}
	}
	return nil
}

func partName(name string, at int) string {
	if at == 0 {
		return name
	}
	return name + "." + strconv.Itoa(at+1)
}

// eachReferenced yields the disbursals of a file that names them, in the order of their first rows.
func (s *scan) eachReferenced(yield func(state.Disbursal) error) error {
	// Rows of one reference may lie anywhere: starts[g] is where group g begins in order.
	starts := make([]uint32, len(s.references)+1)
	for _, r := range s.rows {
		if r.minor > 0 {
			starts[r.group+1]++
		}
	}
	for g := range s.references {
		starts[g+1] += starts[g]
	}
	order := make([]uint32, starts[len(s.references)])
	next := append([]uint32(nil), starts...)
	for i, r := range s.rows {
		if r.minor > 0 {
			order[next[r.group]] = uint32(i)
			next[r.group]++
		}
	}
	for g, reference := range s.references {
		members := order[starts[g]:starts[g+1]]
		part := s.part(reference.name, reference.way)
		part.Recipients = make([]airtime.Recipient, len(members))
		for i, member := range members {
			part.Recipients[i] = s.rows[member].recipient(part.Currency)
		}
		if err := s.deliver(part, yield); err != nil {
			return err
		}
	}
	return nil
}

// part is a disbursal that is being put together.
type part struct {
	state.Disbursal
	way uint32
}

// part starts a disbursal of a combination, still without recipients.
func (s *scan) part(name string, index uint32) part {
	way := &s.ways[index]
	return part{state.Disbursal{
		Reference: name, Given: way.given.provider, Currency: way.currency,
		Campaign: way.given.campaign,
	}, index}
}

// deliver yields a part that has recipients. Where they go is asked anew rather than kept with each
// row: it has no say in what a part is called, nor in who is in it.
func (s *scan) deliver(p part, yield func(state.Disbursal) error) error {
	if len(p.Recipients) == 0 {
		return nil
	}
	s.rules.assign(&p.Disbursal, s.ways[p.way].road)
	return yield(p.Disbursal)
}

func (r row) recipient(currency airtime.Currency) airtime.Recipient {
	return airtime.Recipient{
		Phone:  airtime.MSISDNFromE164(strconv.FormatUint(r.phone, 10)),
		Amount: airtime.Money{Minor: r.minor, Currency: currency},
	}
}
