package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// maxRows bounds an import. So many of the largest amounts still add up within an int64.
const maxRows = int(math.MaxInt64 / airtime.MaxMinor / 2)

// row is what is kept of one recipient: small, so that a million fit into 24 MB.
type row struct {
	phone uint64 // The E.164 digits as a number; zero when they could not be read.
	minor int64  // The amount; zero when the row is refused.
	line  uint32
	group uint32 // Its combination, or its reference where rows name references.
}

// combination is what all rows of one disbursal have in common, as written.
type combination struct {
	provider, currency, campaign string
}

// way is a combination with the road it means.
type way struct {
	given combination
	road
	faults Faults
}

// reference is one disbursal of a file that names its disbursals.
type reference struct {
	name    string
	way     uint32
	count   int
	spoiled bool // One of its rows is refused, so all are.
}

// numberIn is a phone number within one reference.
type numberIn struct {
	phone     uint64
	reference uint32
}

// scan reads a file once.
type scan struct {
	options Options
	rules   Rules

	rows        []row
	ways        []way
	byWay       map[combination]uint32
	references  []reference
	byReference map[string]uint32   // nil when the file does not name references.
	seen        map[uint64]uint32   // The line that each phone number was first on.
	within      map[numberIn]uint32 // The same for each reference, when repeats are allowed.

	count, refused, repeats int64
	faults                  []RowFault
	// rejects is where refused lines go in the second reading, spoiled what the first one found.
	rejects io.Writer
	spoiled func(reference string) bool
}

func newScan(options Options, rules Rules) *scan {
	if options.Currency != "" {
		rules.DefaultCurrency = options.Currency
	}
	return &scan{
		options: options, rules: rules,
		byWay: map[combination]uint32{}, seen: map[uint64]uint32{}, within: map[numberIn]uint32{},
	}
}

// read reads the whole file and returns its hash.
func (s *scan) read(ctx context.Context, from io.Reader) (string, error) {
	lines, err := newLines(from)
	if err != nil {
		return "", err
	}
	line, err := lines.next(ctx)
	if errors.Is(err, io.EOF) {
		return "", errors.New("the file is empty")
	}
	if err != nil {
		return "", err
	}
	format, err := detect(line, s.rejects)
	if err != nil {
		return "", err
	}
	if format.referenced {
		s.byReference = map[string]uint32{}
	}
	if format.header {
		line, err = lines.next(ctx)
	}
	for ; err == nil; line, err = lines.next(ctx) {
		if len(s.rows) >= maxRows || lines.number >= math.MaxUint32 {
			return "", fmt.Errorf("more than %d rows: split the file", maxRows)
		}
		if err := s.line(format, line, lines.number); err != nil {
			return "", err
		}
	}
	if !errors.Is(err, io.EOF) {
		return "", err
	}
	return lines.contentHash(), nil
}

// line checks one line and books it.
func (s *scan) line(format *format, line []byte, number int) error {
	s.count++
	var faults Faults
	if format.jobs {
		faults = s.job(line, number)
	} else {
		faults = s.row(format, line, number)
	}
	if len(faults) == 0 {
		return nil
	}
	s.refused++
	s.list(number, faults)
	if s.rejects == nil {
		return nil
	}
	if err := format.reject(line, faults.Error()); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	return nil
}

func (s *scan) list(line int, faults Faults) {
	if len(s.faults) < maxListed {
		s.faults = append(s.faults, RowFault{line, slices.Clip(faults)})
	}
}

// row checks a line that is one recipient.
func (s *scan) row(format *format, line []byte, number int) Faults {
	text, faults := format.row(line)
	if len(faults) > 0 {
		s.rows = append(s.rows, row{line: uint32(number), group: noGroup})
		return faults
	}
	index, way := s.way(text[rowProvider], text[rowCurrency], text[rowCampaign], &faults)
	phone := way.phone(text[rowPhone], "", &faults)
	amount := way.amount(text[rowAmount], "", &faults)
	s.rules.checkOffer(&way.road, airtime.Recipient{Phone: phone, Amount: amount}, &faults)
	kept := row{phone: number64(phone), line: uint32(number), group: index}
	reference := text[rowReference]
	switch {
	case s.byReference != nil:
		kept.group = s.referenced(reference, index, &faults)
	case reference != "":
		faults.add("reference", "the first row has none, so no row may have one")
	}
	s.repeat(kept, "", &faults)
	if s.spoiled != nil && s.byReference != nil && len(faults) == 0 && s.spoiled(reference) {
		faults = spoiledFault()
	}
	switch {
	case len(faults) == 0:
		kept.minor = amount.Minor
	case s.byReference != nil && kept.group != noGroup:
		s.references[kept.group].spoiled = true
	}
	s.rows = append(s.rows, kept)
	return faults
}

// noGroup is the group of rows whose reference cannot be used.
const noGroup = math.MaxUint32

func spoiledFault() Faults {
	return Faults{"reference: another of its rows is refused; a disbursal goes whole or not at all"}
}

// way finds the combination, and the road and faults that come with it.
func (s *scan) way(provider, currency, campaign string, faults *Faults) (uint32, *way) {
	if provider == "" {
		provider = s.options.Provider
	}
	if currency == "" {
		currency = string(s.rules.currency())
	}
	key := combination{provider, currency, campaign}
	index, known := s.byWay[key]
	if known {
		*faults = append(*faults, s.ways[index].faults...)
		return index, &s.ways[index]
	}
	fresh := way{given: key}
	fresh.road = s.rules.road(provider, currency, campaign, "", &fresh.faults)
	err := checkCampaign(campaign)
	if err != nil {
		fresh.faults.add("campaign", "%s", err)
	}
	*faults = append(*faults, fresh.faults...)
	if err != nil || len(provider)+len(currency) > maxReference {
		return noGroup, &fresh // Not worth the memory.
	}
	// The texts are parts of whole lines, which would stay in memory with them.
	fresh.given.campaign = strings.Clone(campaign)
	fresh.given.provider = strings.Clone(provider)
	fresh.given.currency = strings.Clone(currency)
	// Named again, so that the road does not hold on to the line either; faults are known.
	fresh.road = s.rules.road(
		fresh.given.provider, fresh.given.currency, fresh.given.campaign, "", new(Faults))
	index = uint32(len(s.ways))
	s.ways = append(s.ways, fresh)
	s.byWay[fresh.given] = index
	return index, &s.ways[index]
}

// referenced finds the disbursal that a row names, and counts the row there.
func (s *scan) referenced(name string, way uint32, faults *Faults) uint32 {
	if err := CheckReference(name); err != nil {
		faults.add("reference", "%s", err)
		return noGroup
	}
	index, known := s.byReference[name]
	if !known {
		index, name = uint32(len(s.references)), strings.Clone(name)
		s.references = append(s.references, reference{name: name, way: way})
		s.byReference[name] = index
	}
	found := &s.references[index]
	found.count++
	if found.way != way {
		faults.add("reference", "its earlier rows have another provider, currency or campaign")
	}
	if found.count > state.MaxRecipients {
		faults.add("reference", "more than %d rows; a disbursal holds at most %d",
			state.MaxRecipients, state.MaxRecipients)
	}
	return index
}

// repeat reports a number that occurred before. A number counts as seen even when its row is
// refused: the corrected row will come, and then it would be paid twice.
func (s *scan) repeat(r row, path string, faults *Faults) {
	if r.phone == 0 {
		return
	}
	before, repeated := s.seen[r.phone]
	if !repeated {
		s.seen[r.phone] = r.line
	} else {
		s.repeats++
	}
	if s.options.AllowRepeats {
		if s.byReference == nil || r.group == noGroup {
			return
		}
		key := numberIn{r.phone, r.group}
		if before, repeated = s.within[key]; !repeated {
			s.within[key] = r.line
		}
	}
	if repeated {
		faults.add(path+"phone_number", "same number as on line %d", before)
	}
}

// job checks a line that is a whole job.
func (s *scan) job(line []byte, number int) (faults Faults) {
	p := newParser(line, &faults)
	p.ignored = reasonField
	var job Job
	p.document(func() { job = p.job("", jobFields, nil) })
	if p.broken {
		return faults
	}
	if job.Provider == "" && !job.broken.has(jobProvider) {
		job.Provider = s.options.Provider
	}
	disbursal := job.check(s.rules, "", &faults)
	group := s.jobGroup(job, &faults)
	start := len(s.rows)
	for i, r := range disbursal.Recipients {
		kept := row{number64(r.Phone), r.Amount.Minor, uint32(number), group}
		if len(faults) < maxFaults && !s.repeatedInJob(kept) {
			s.repeat(kept, recipientPath("", i)+".", &faults)
		}
		s.rows = append(s.rows, kept)
	}
	if len(faults) > 0 {
		s.rows = s.rows[:start]
	}
	return faults
}

// jobGroup books the reference of a job.
func (s *scan) jobGroup(job Job, faults *Faults) uint32 {
	if CheckReference(job.Reference) != nil {
		return noGroup
	}
	if _, known := s.byReference[job.Reference]; known {
		faults.add("reference", "an earlier line has the same")
		return noGroup
	}
	way, _ := s.way(job.Provider, job.Currency, job.Campaign, new(Faults)) // check reports those.
	group := uint32(len(s.references))
	s.references = append(s.references, reference{name: job.Reference, way: way})
	s.byReference[job.Reference] = group
	return group
}

// repeatedInJob reports whether the number was on the same line before: check has reported it.
func (s *scan) repeatedInJob(r row) bool {
	line, seen := s.seen[r.phone]
	return seen && line == r.line
}

// isSpoiled reports whether the disbursal of that name has a refused row.
func (s *scan) isSpoiled(name string) bool {
	index, known := s.byReference[name]
	return known && s.references[index].spoiled
}

// refuseSpoiled refuses the good rows of disbursals of which another row is refused.
func (s *scan) refuseSpoiled() {
	if s.byReference == nil {
		return
	}
	var more []RowFault
	for i := range s.rows {
		r := &s.rows[i]
		if r.minor == 0 || !s.references[r.group].spoiled {
			continue
		}
		r.minor = 0
		s.refused++
		if len(more) < maxListed {
			more = append(more, RowFault{int(r.line), spoiledFault()})
		}
	}
	s.faults = append(s.faults, more...)
	slices.SortStableFunc(s.faults, func(a, b RowFault) int { return cmp.Compare(a.Line, b.Line) })
	s.faults = s.faults[:min(len(s.faults), maxListed)]
}

func number64(phone airtime.MSISDN) uint64 {
	number, err := strconv.ParseUint(phone.Digits(), 10, 64)
	if err != nil {
		return 0 // Only the zero number is not a number.
	}
	return number
}
