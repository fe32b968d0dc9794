package state

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// AmbiguousError is returned when a name belongs to several kinds and none was given.
type AmbiguousError struct {
	Name  string
	Kinds []Kind
}

// Error names the kinds to choose from.
func (e *AmbiguousError) Error() string {
	words := make([]string, len(e.Kinds))
	for i, k := range e.Kinds {
		words[i] = "--" + string(k)
	}
	return fmt.Sprintf("%s is several things: choose with %s", e.Name, strings.Join(words, " or "))
}

// KindOf finds out what a name belongs to. ErrNotFound is returned when nothing has it, an
// *AmbiguousError when several things have.
func (s *Store) KindOf(ctx context.Context, name string) (Kind, error) {
	pipe := s.client.Pipeline()
	exists := map[Kind]*redis.IntCmd{
		KindDisbursal: pipe.Exists(ctx, s.keys.disbursal(name)),
		KindImport: pipe.Exists(ctx, s.keys.named("import", name),
			s.keys.named("importbook", name)),
		KindCampaign: pipe.Exists(ctx, s.keys.named("campaign", name)),
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return "", fmt.Errorf("look up %s: %w", Shown(name), err)
	}
	var found []Kind
	for _, kind := range []Kind{KindDisbursal, KindImport, KindCampaign} {
		if exists[kind].Val() > 0 {
			found = append(found, kind)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: %w: no disbursal, import or campaign has this name", Shown(name),
			ErrNotFound)
	case 1:
		return found[0], nil
	default:
		return "", &AmbiguousError{Name: Shown(name), Kinds: found}
	}
}

// Summarize counts where the recipients of a disbursal, import or campaign stand. The name is the
// one in the state: Own, or one of Readings.
func (s *Store) Summarize(ctx context.Context, kind Kind, name string) (Summary, error) {
	sum := Summary{
		Reference: Shown(name), Name: name, Kind: kind, Settled: true,
		Statuses: map[airtime.Status]Totals{},
	}
	mark, err := s.client.HExists(ctx, s.keys.plain("cancelled"), string(kind)+" "+name).Result()
	if err != nil {
		return sum, fmt.Errorf("summarize %s: %w", Shown(name), err)
	}
	sum.Cancelled = mark
	if kind == KindDisbursal {
		err = s.Report(ctx, kind, name, func(r Row) error {
			sum.add(r.Status, 1, r.Amount.Currency, r.Amount.Minor)
			return sum.addDiscount(r)
		})
		return sum, err
	}
	sums := []*Summary{&sum}
	if err := s.addBooks(ctx, sums); err != nil {
		return sum, fmt.Errorf("summarize %s: %w", Shown(name), err)
	}
	return sum, nil
}

// addBooks adds the books of imports and campaigns to what is summed up of them.
func (s *Store) addBooks(ctx context.Context, sums []*Summary) error {
	pipe := s.client.Pipeline()
	days := map[string]*redis.StringSliceCmd{}
	for _, sum := range sums {
		if sum.Kind == KindCampaign {
			days[sum.Name] = pipe.SMembers(ctx, s.keys.named("campaigndays", sum.Name))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	books := make([][]*redis.MapStringStringCmd, len(sums))
	for i, sum := range sums {
		if sum.Kind == KindImport {
			books[i] = append(books[i], pipe.HGetAll(ctx, s.keys.named("importbook", sum.Name)))
			continue
		}
		for _, day := range days[sum.Name].Val() {
			books[i] = append(books[i], pipe.HGetAll(ctx, s.keys.dayBook(day, sum.Name)))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, sum := range sums {
		for _, book := range books[i] {
			if err := sum.addBook(book.Val()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (sum *Summary) add(s airtime.Status, n int64, c airtime.Currency, minor int64) {
	totals := sum.Statuses[s]
	if totals.Amounts == nil {
		totals.Amounts = map[airtime.Currency]int64{}
	}
	totals.Recipients += n
	totals.Amounts[c] += minor
	sum.Statuses[s] = totals
	sum.Recipients += n
	sum.Settled = sum.Settled && (s.Settled() || n == 0)
}

// discounted says whether the discount on a recipient counts: the provider has paid, as far as it
// tells.
func discounted(s airtime.Status) bool {
	return s == airtime.Successful || s == airtime.Unconfirmed
}

func (sum *Summary) addUnits(c airtime.Currency, units int64) {
	if sum.Discounts == nil {
		sum.Discounts = map[airtime.Currency]int64{}
	}
	sum.Discounts[c] += units
}

func (sum *Summary) addDiscount(r Row) error {
	if r.Discount == "" || !discounted(r.Status) {
		return nil
	}
	units, err := airtime.DiscountUnits(r.Discount)
	if err != nil {
		return fmt.Errorf("stored discount: %w", err)
	}
	sum.addUnits(r.Amount.Currency, units)
	return nil
}

// addBook adds the figures of a book, leaving out statuses that nobody has.
func (sum *Summary) addBook(stored map[string]string) error {
	lines, err := readBook(stored)
	if err != nil {
		return err
	}
	for _, b := range lines {
		if b.word == requested {
			continue
		}
		status, err := airtime.ParseStatus(b.word)
		if err != nil {
			return fmt.Errorf("book: %w", err)
		}
		if b.recipients != 0 {
			sum.add(status, b.recipients, b.currency, b.minor)
		}
		if b.units != 0 && discounted(status) {
			sum.addUnits(b.currency, b.units)
		}
	}
	return nil
}

// reportStep is how many chunks a report reads at once.
const reportStep = 20

// Report calls fn for every recipient of a disbursal, import or campaign, in bounded memory.
// ErrNotFound is returned when there is no such disbursal.
func (s *Store) Report(ctx context.Context, kind Kind, name string, fn func(Row) error) error {
	why := doubts{}
	if kind == KindDisbursal {
		return s.reportDisbursal(ctx, name, why, fn)
	}
	return s.eachChunk(ctx, kind, name, reportStep, func(chunks []string) error {
		return s.reportChunks(ctx, chunks, why, fn)
	})
}

func (s *Store) reportDisbursal(
	ctx context.Context, ref string, why doubts, fn func(Row) error,
) error {
	at, err := s.placeOf(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil {
		return fmt.Errorf("report %s: %w", Shown(ref), err)
	}
	return s.reportChunks(ctx, []string{at.chunk}, why, func(r Row) error {
		if r.name != ref {
			return nil
		}
		return fn(r)
	})
}

func (s *Store) reportChunks(
	ctx context.Context, chunks []string, why doubts, fn func(Row) error,
) error {
	read, err := s.readChunks(ctx, chunks)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for i, chunk := range read {
		rows, err := s.rowsOf(ctx, chunk)
		if err != nil {
			return fmt.Errorf("report: chunk %s: %w", chunks[i], err)
		}
		for _, r := range rows {
			if r.Status == airtime.InDoubt {
				doubt, err := s.doubtOf(ctx, r.Batch, why)
				if err != nil {
					return err
				}
				r.explain(doubt)
			}
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// doubts are what a report has read about batches in doubt, by their ids.
type doubts map[string]doubt

// doubt is why a batch is in doubt, what the provider said of everybody in it, and its last
// sending.
type doubt struct {
	why     airtime.Reason
	words   string
	attempt int
}

// explain adds to a row in doubt what was said of all of its batch, where nothing was said of the
// recipient alone.
func (r *Row) explain(d doubt) {
	r.Attempt = d.attempt
	if r.Reason == airtime.NoReason {
		r.Reason, r.Message = d.why, d.words
	}
}

// doubtOf reads about a batch in doubt, once per batch.
func (s *Store) doubtOf(ctx context.Context, batch string, known doubts) (doubt, error) {
	if found, ok := known[batch]; ok {
		return found, nil
	}
	fields, err := s.client.HMGet(ctx, s.keys.batch(batch), "why", "words", "attempt").Result()
	if err != nil {
		return doubt{}, fmt.Errorf("report: %w", err)
	}
	why, _ := fields[0].(string)
	words, _ := fields[1].(string)
	known[batch] = doubt{airtime.Reason(why), words, int(whole(fields[2]))}
	return known[batch], nil
}

// Resolution names the row for Resolve, as it was seen.
func (r Row) Resolution() Resolution {
	return Resolution{
		Reference: r.name, Position: r.position, Seen: r.Status, Batch: r.Batch,
		Attempt: r.Attempt, Amount: r.Amount,
	}
}
