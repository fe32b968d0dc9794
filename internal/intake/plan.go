package intake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// maxListed bounds Plan.Faults.
const maxListed = 1000

// maxImportReference leaves room for "/k.n" behind an import's reference.
const maxImportReference = maxReference - len("/9999999.9999")

// CheckImportReference is CheckReference for the reference of an import, which must leave room for
// the number of the disbursal that follows it.
func CheckImportReference(reference string) error {
	return checkReference(reference, maxImportReference)
}

// errChanged is returned when a file is not the same any more when it is read the second time.
var errChanged = errors.New("the file changed while it was being imported: import it again")

// Options are what a person says about an import. All of them but SubmittedBy, Progress and Stdin
// decide what the disbursals are.
type Options struct {
	// Reference is the import's reference; empty means the first 16 hex digits of the content hash.
	Reference string
	// Again lets rows of a report be paid again that say themselves that they were paid.
	Again bool
	// Provider and Currency stand for rows and jobs that name none.
	Provider string
	Currency airtime.Currency
	// Map says which columns are which fields, where the headings do not.
	Map Mapping
	// IgnoreExtra leaves columns out that are no field. So does Map, when it names any.
	IgnoreExtra bool
	// Sheet is the sheet of an XLSX file that is read; empty means the first.
	Sheet string
	// AllowRepeats lets a phone number occur more than once in the import.
	AllowRepeats bool
	// SubmittedBy is who imports the file: jobs in it do not say that of themselves.
	SubmittedBy string
	// NotBefore is when the import may be sent; zero for at once.
	NotBefore time.Time
	// Progress, if set, is told how many bytes of the file are read, and of how many.
	Progress func(read, total int64)
	// Stdin is what the path "-" reads; nil means the process's standard input.
	Stdin io.Reader
}

// RowFault is one refused line of a file.
type RowFault struct {
	// Line counts from 1 and includes the header and blank lines.
	Line int
	Faults
}

// Error names the line and what is wrong on it.
func (f RowFault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Faults.Error()) }

// Route is where money goes: a provider and a currency.
type Route struct {
	Provider string
	Currency airtime.Currency
}

// Total counts recipients and their money in minor units.
type Total struct {
	Recipients int64
	Minor      int64
}

// Plan is a file that has been read and checked: what would be accepted, and what is refused.
type Plan struct {
	// Reference is the import's reference.
	Reference string
	// ContentHash is the hex SHA-256 of what the file pays: the same however it was saved, and
	// whatever rules are in force.
	ContentHash string
	// Rows counts rows (or jobs) in the file, Good those that are not refused.
	Rows, Good int64
	// Repeats counts recipients whose number occurred before, refused or not.
	Repeats int64
	// Recipients counts the recipients that Disbursals yields, Count the disbursals.
	Recipients, Count int64
	// Totals is the money of the good rows.
	Totals map[Route]Total
	// Faults are the first refused lines, at most 1,000, in file order.
	Faults []RowFault
	// Notices are what a person should know of the file, such as which columns are not read.
	Notices []string
	// Held are those who would not be sent at once, as Rehearse found them.
	Held []state.Holding

	sums    routing.Sums // What the good rows pay altogether, by approval.
	path    string
	spooled bool
	bytes   string // The hash of the file's bytes.
	scan    *scan
}

// Refused counts the rows (or jobs) that are refused.
func (p *Plan) Refused() int64 { return p.Rows - p.Good }

// Close removes the temporary copy of standard input, if there is one.
func (p *Plan) Close() error {
	if !p.spooled {
		return nil
	}
	p.spooled = false
	if err := os.Remove(p.path); err != nil {
		return fmt.Errorf("remove the copy of standard input: %w", err)
	}
	return nil
}

// Disbursals calls yield with every disbursal: the same ones in the same order for the same file
// and options. It stops at the first error of yield and returns it.
func (p *Plan) Disbursals(yield func(state.Disbursal) error) error {
	return p.scan.eachDraft(p.Reference, func(draft draft) error {
		d := p.disbursal(draft)
		if len(d.Recipients) == 0 {
			return nil
		}
		return yield(d)
	})
}

// disbursal is the disbursal of a draft's good rows.
func (p *Plan) disbursal(of draft) state.Disbursal {
	d := p.scan.disbursal(of)
	d.Import, d.SubmittedBy = p.Reference, p.scan.options.SubmittedBy
	if d.Sums = p.sums; d.NotBefore.IsZero() {
		d.NotBefore = p.scan.options.NotBefore
	}
	return d
}

// Scan reads and checks a file ("-" is standard input) without accepting anything. Refused rows are
// in the plan; an error is returned when the file as a whole cannot be imported: unreadable, no
// rows, a header that is not ours. It is an OptionError when an option does not fit the file. The
// caller closes the plan.
func Scan(ctx context.Context, path string, options Options, rules Rules) (*Plan, error) {
	if options.Reference != "" {
		if err := CheckImportReference(options.Reference); err != nil {
			return nil, fmt.Errorf("import reference: %w", err)
		}
	}
	plan := &Plan{path: path, scan: newScan(options, rules)}
	if err := plan.fill(ctx); err != nil {
		return nil, errors.Join(err, plan.Close())
	}
	return plan, nil
}

// fill reads the plan's file.
func (p *Plan) fill(ctx context.Context) error {
	if err := p.spool(); err != nil {
		return err
	}
	file, err := p.open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // It was only read.
	if p.bytes, err = p.scan.read(ctx, file); err != nil {
		return err
	}
	if p.scan.count == 0 {
		return errors.New("the file has no rows")
	}
	p.ContentHash = p.scan.content.hash()
	if p.Reference = p.scan.options.Reference; p.Reference == "" {
		p.Reference = p.ContentHash[:16]
	}
	p.Notices = p.scan.notices
	p.scan.refuseSpoiled()
	p.sum()
	return nil
}

// sum counts what the scan has found.
func (p *Plan) sum() {
	p.Rows, p.Good = p.scan.count, p.scan.count-p.scan.refused
	p.Repeats, p.Faults = p.scan.repeats, p.scan.faults
	p.Count, p.Recipients, p.Totals = 0, 0, map[Route]Total{}
	p.sums = routing.Sums{}
	_ = p.Disbursals(func(d state.Disbursal) error { // Only what it calls can fail.
		p.Count++
		p.Recipients += int64(len(d.Recipients))
		p.addTotals(d)
		gate := p.scan.rules.Gate(d.Currency, d.Campaign, "")
		for _, to := range d.Recipients {
			gate.AddSums(p.sums, to)
		}
		return nil
	})
}

// addTotals adds the money of a disbursal to the totals of its routes.
func (p *Plan) addTotals(d state.Disbursal) {
	route := Route{d.Provider, d.Currency}
	total := p.Totals[route]
	for i, r := range d.Recipients {
		if d.Providers != nil && d.Providers[i] != route.Provider {
			p.Totals[route] = total
			route.Provider = d.Providers[i]
			total = p.Totals[route]
		}
		total.Recipients++
		total.Minor += r.Amount.Minor
	}
	p.Totals[route] = total
}

// spool makes sure that the file can be read twice: pipes are copied first.
func (p *Plan) spool() error {
	from := p.scan.options.Stdin
	if p.path != "-" {
		info, err := os.Stat(p.path)
		if err != nil {
			return fmt.Errorf("open import file: %w", err)
		}
		if info.Mode().IsRegular() {
			return nil
		}
		if info.IsDir() {
			return fmt.Errorf("open import file: %s is a directory", p.path)
		}
		pipe, err := os.Open(p.path)
		if err != nil {
			return fmt.Errorf("open import file: %w", err)
		}
		defer func() { _ = pipe.Close() }() // It was only read.
		from = pipe
	} else if from == nil {
		from = os.Stdin
	}
	path, err := spool(from)
	if err != nil {
		return err
	}
	p.path, p.spooled = path, true
	return nil
}

// open opens the file with progress.
func (p *Plan) open() (io.ReadCloser, error) {
	progress := p.scan.options.Progress
	if progress == nil {
		return OpenFile(p.path)
	}
	file, err := os.Open(p.path)
	if err != nil {
		return nil, fmt.Errorf("open import file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open import file: %w", err), file.Close())
	}
	report := func(read int64) { progress(read, info.Size()) }
	return unpack(file, report, strings.HasSuffix(p.path, ".gz"))
}

// WriteRejects writes the refused rows as CSV with the delimiter of the file, or as JSON Lines,
// each with the reason as an additional column or field that an import ignores. The file is read
// again; an error is returned when it has changed, so call it before anything is accepted.
func (p *Plan) WriteRejects(ctx context.Context, to io.Writer) error {
	file, err := OpenFile(p.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // It was only read.
	out := bufio.NewWriter(to)
	again := newScan(p.scan.options, p.scan.rules)
	again.rejects, again.first, again.guarded = out, p.scan.rows, p.scan.guarded
	hash, err := again.read(ctx, file)
	switch {
	case err != nil:
		return err
	case hash != p.bytes:
		return errChanged
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	return nil
}
