package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

const (
	// maxRows bounds an import. So many of the largest amounts still add up within an int64.
	maxRows = int(math.MaxInt64 / airtime.MaxMinor / 2)
	// maxRefused bounds the faulty recipients of an import, and what they bring with them: a small
	// packed file must not unpack into all of the memory.
	maxRefused = 100_000
	// maxListedText bounds Plan.Faults, in bytes: one line may have thousands of faults.
	maxListedText = 1 << 20
)

// row is what is kept of one recipient: small, so that a million fit into 24 MB.
type row struct {
	phone uint64 // The E.164 digits as a number; zero when they could not be read.
	minor int64  // The amount; zero when the row is refused, negative when only by today's rules.
	line  uint32
	group uint32 // Its combination, or its reference where rows name references.
}

// combination is what all rows of one disbursal have in common, as written.
type combination struct {
	provider, currency, campaign string
	notBefore                    int64 // In ms; zero for at once.
}

// rowGroup is all rows of one combination, with their route.
type rowGroup struct {
	given combination
	route
	faults findings
}

// reference is one disbursal of a file that names its disbursals.
type reference struct {
	name    string
	group   uint32
	count   int
	spoiled bool // One of its rows is refused, so all are.
	opposed bool // The same, but it is only today's rules that are against them.
	// priority is what a job says of itself.
	priority string
}

// numberIn is a phone number within one reference.
type numberIn struct {
	phone     uint64
	reference uint32
}

// idIn is a producer's id within one reference; in a file that names none, all are within one.
type idIn struct {
	id        string
	reference uint32
}

// scan reads a file once.
type scan struct {
	options Options
	rules   Rules
	traits

	rows        []row
	groups      []rowGroup
	byGiven     map[combination]uint32
	references  []reference
	byReference map[string]uint32   // nil when the file does not name references.
	seen        map[uint64]uint32   // The line that each phone number was first on.
	within      map[numberIn]uint32 // The same for each reference, when repeats are allowed.
	ids         map[uint32]string   // The producer's ids, by the indexes of their rows.
	lineOf      map[idIn]uint32     // The line that each of them was first on.
	content     content

	// count and refused are rows or jobs; opposed are those that only today's rules refuse.
	count, refused, opposed, repeats int64
	burden                           int // What faulty rows cost, in recipients.
	faults                           []RowFault
	listed                           int               // The bytes of faults.
	guarded                          map[uint32]Faults // What guards have against lines.
	// rejects is where refused lines go in the second reading, first what the first one found.
	rejects io.Writer
	first   []row
}

func newScan(options Options, rules Rules) *scan {
	if options.Currency != "" {
		rules.DefaultCurrency = options.Currency
	}
	return &scan{
		options: options, rules: rules, content: newContent(),
		byGiven: map[combination]uint32{}, seen: map[uint64]uint32{}, within: map[numberIn]uint32{},
		ids: map[uint32]string{}, lineOf: map[idIn]uint32{}, guarded: map[uint32]Faults{},
	}
}

// read reads the whole file and returns the hash of its bytes.
func (s *scan) read(ctx context.Context, from io.Reader) (hash string, err error) {
	format, err := openFormat(ctx, from, s.options, s.rejects)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, format.close()) }()
	s.traits = format.traits()
	if s.traits.referenced {
		s.byReference = map[string]uint32{}
	}
	for {
		entry, err := format.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if len(s.rows) >= maxRows || entry.number >= math.MaxUint32 {
			return "", fmt.Errorf("more than %d rows: split the file", maxRows)
		}
		if err := s.entry(format, entry); err != nil {
			return "", err
		}
	}
	s.notices = format.traits().notices
	return format.hash(), format.end()
}

// entry checks one row or job and books it.
func (s *scan) entry(format format, e entry) error {
	s.count++
	start, names := len(s.rows), len(s.groups)+len(s.references)
	var faults findings
	if s.jobs {
		s.job(e.text, e.number, &faults)
	} else {
		s.row(format, e, &faults)
	}
	refusal := faults.Faults
	if s.first != nil {
		refusal = s.decided(start, append(refusal, s.guarded[uint32(e.number)]...))
	}
	if len(refusal) == 0 {
		return nil
	}
	s.refused++
	if !faults.unreadable {
		s.opposed++
	}
	// A campaign or reference of its own costs more than a row does.
	s.burden += max(1, len(s.rows)-start) + 2*(len(s.groups)+len(s.references)-names)
	s.list(e.number, refusal)
	if s.burden > maxRefused && s.first == nil {
		first := RowFault{s.faults[0].Line, s.faults[0].Faults[:1]}
		return fmt.Errorf("too many faulty rows (%d so far); the first: %w", s.refused, first)
	}
	if s.rejects == nil {
		return nil
	}
	if err := format.reject(e, refusal.Error()); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	return nil
}

func (s *scan) list(line int, faults Faults) {
	if len(s.faults) < maxListed && s.listed < maxListedText {
		s.faults = append(s.faults, RowFault{line, slices.Clip(faults)})
		s.listed += len(faults.Error())
	}
}

// row checks an entry that is one recipient.
func (s *scan) row(format format, e entry, faults *findings) {
	line := uint32(e.number)
	text, known := format.row(e, faults)
	if !known {
		s.rows = append(s.rows, row{line: line, group: noGroup})
		s.content.unreadable()
		return
	}
	index, group := s.group(text.of[rowProvider], text.of[rowCurrency], text.of[rowCampaign],
		time.Time{}, faults)
	if text.broken&groupFields != 0 {
		index = noGroup
	}
	to := s.recipient(text, group, faults)
	s.rules.checkCoverage(&group.route, to, faults)
	kept := row{phone: number64(to.Phone), line: line, group: index}
	switch reference := text.of[rowReference]; {
	case s.report:
		s.checkStatus(text.of[rowStatus], faults)
	case s.byReference != nil && text.broken.has(rowReference):
		kept.group = noGroup
	case s.byReference != nil:
		kept.group = s.referenced(reference, index, faults)
	case reference != "":
		faults.add("reference", "the first row has none, so no row may have one")
	}
	s.repeat(kept, "", faults)
	id := recipientIDOf(text.of[rowID], "", faults)
	s.keepID(kept, id, "", faults)
	switch {
	case faults.unreadable:
	case len(faults.Faults) > 0:
		kept.minor = -to.Amount.Minor
	default:
		kept.minor = to.Amount.Minor
	}
	if s.byReference != nil && kept.group != noGroup && kept.minor <= 0 {
		group := &s.references[kept.group]
		group.spoiled, group.opposed = group.spoiled || kept.minor == 0, true
	}
	s.rows = append(s.rows, kept)
	if faults.unreadable {
		s.content.unreadable()
	} else {
		s.content.recipient(kept.phone, to.Amount.Minor, index, text.of[rowReference], id)
	}
}

// recipient reads who gets how much in a row; what cannot be read is zero.
func (s *scan) recipient(text rowText, group *rowGroup, faults *findings) (to airtime.Recipient) {
	if !text.broken.has(rowPhone) {
		to.Phone = group.phone(text.of[rowPhone], "", faults)
	}
	if text.broken.has(rowAmount) {
		return to
	}
	named, currency := text.of[rowNamedCurrency], group.currency
	if named != "" && currency != "" && named != string(currency) {
		faults.add("amount", "is in %s, but the row's currency is %s: give it in the column currency",
			named, currency)
		return to
	}
	to.Amount = group.amount(text.of[rowAmount], "", faults)
	return to
}

// checkStatus objects to rows of a report or list that say themselves that they were paid, or may
// have been.
func (s *scan) checkStatus(text string, faults *findings) {
	if text == "" || s.options.Again {
		return
	}
	status, err := airtime.ParseStatus(text)
	switch {
	case err != nil:
		faults.add("status", "%s is not a status of a report", shown(text))
	case !unpaid(status):
		faults.object("status", "%s: it was paid or may yet be; --again pays it again", status)
	}
}

// noGroup is the group of rows whose reference cannot be used.
const noGroup = math.MaxUint32

// group finds the row group of a combination, with its route and faults.
func (s *scan) group(
	provider, currency, campaign string, notBefore time.Time, faults *findings,
) (uint32, *rowGroup) {
	if provider == "" {
		provider = s.options.Provider
	}
	if currency == "" {
		currency = string(s.rules.currency())
	}
	key := combination{provider: provider, currency: currency, campaign: campaign}
	if !notBefore.IsZero() {
		key.notBefore = notBefore.UnixMilli()
	}
	index, known := s.byGiven[key]
	if known {
		faults.merge("", s.groups[index].faults)
		return index, &s.groups[index]
	}
	fresh := rowGroup{given: key}
	fresh.route = s.rules.routeOf(provider, currency, campaign, "", &fresh.faults)
	err := checkCampaign(campaign)
	if err != nil {
		fresh.faults.add("campaign", "%s", err)
	}
	faults.merge("", fresh.faults)
	if err != nil || len(provider)+len(currency) > maxReference {
		faults.unreadable = true
		return noGroup, &fresh // Not worth the memory.
	}
	// The texts are parts of whole lines, which would stay in memory with them.
	fresh.given.campaign = strings.Clone(campaign)
	fresh.given.provider = strings.Clone(provider)
	fresh.given.currency = strings.Clone(currency)
	// Named again, so that the route does not hold on to the line either; faults are known.
	fresh.route = s.rules.routeOf(
		fresh.given.provider, fresh.given.currency, fresh.given.campaign, "", new(findings))
	index = uint32(len(s.groups))
	s.groups = append(s.groups, fresh)
	s.byGiven[fresh.given] = index
	s.content.addGroup(fresh.given)
	return index, &s.groups[index]
}

// referenced finds the disbursal that a row names, and counts the row there.
func (s *scan) referenced(name string, group uint32, faults *findings) uint32 {
	if err := CheckReference(name); err != nil {
		faults.add("reference", "%s", err)
		return noGroup
	}
	index, known := s.byReference[name]
	if !known {
		index, name = uint32(len(s.references)), strings.Clone(name)
		s.references = append(s.references, reference{name: name, group: group})
		s.byReference[name] = index
	}
	found := &s.references[index]
	found.count++
	if found.group != group {
		faults.add("reference", "its earlier rows have another provider, currency or campaign")
	}
	if found.count > state.MaxRecipients {
		faults.add("reference", "more than %d rows; a disbursal holds at most %d",
			state.MaxRecipients, state.MaxRecipients)
	}
	return index
}

// job checks a line that is a whole job.
func (s *scan) job(line []byte, number int, faults *findings) {
	p := newParser(line, faults)
	p.ignored = []string{reasonField}
	var job Job
	p.document(func() { job = p.job("", jobFields, nil) })
	if p.broken {
		s.content.unreadable()
		return
	}
	if job.Provider == "" && !job.broken.has(jobProvider) {
		job.Provider = s.options.Provider
	}
	disbursal := job.check(s.rules, "", faults)
	group, named := s.jobGroup(job, disbursal.NotBefore, faults)
	start := len(s.rows)
	for i, r := range disbursal.Recipients {
		kept := row{number64(r.Phone), r.Amount.Minor, uint32(number), named}
		if len(faults.Faults) < maxFaults && !s.repeatedInJob(kept) {
			s.repeat(kept, recipientPath("", i)+".", faults)
		}
		if r.ID != "" {
			s.ids[uint32(len(s.rows))] = r.ID // check has reported those that occur twice.
		}
		s.rows = append(s.rows, kept)
	}
	if faults.unreadable {
		s.burden += len(s.rows) - start
		for i := start; i < len(s.rows); i++ {
			delete(s.ids, uint32(i))
		}
		s.rows = s.rows[:start]
		s.content.unreadable()
		return
	}
	for i := start; i < len(s.rows); i++ {
		s.content.recipient(s.rows[i].phone, s.rows[i].minor, group, job.Reference,
			s.ids[uint32(i)])
		if len(faults.Faults) > 0 {
			s.rows[i].minor *= -1
		}
	}
}

// jobGroup returns the indexes of a job's row group and of its reference, which is new.
func (s *scan) jobGroup(job Job, at time.Time, faults *findings) (group, named uint32) {
	if CheckReference(job.Reference) != nil {
		return noGroup, noGroup
	}
	if _, known := s.byReference[job.Reference]; known {
		faults.add("reference", "an earlier line has the same")
		return noGroup, noGroup
	}
	// check reports the faults of those.
	group, _ = s.group(job.Provider, job.Currency, job.Campaign, at, new(findings))
	named = uint32(len(s.references))
	s.references = append(s.references, reference{
		name: job.Reference, group: group, priority: job.Priority,
	})
	s.byReference[job.Reference] = named
	return group, named
}
