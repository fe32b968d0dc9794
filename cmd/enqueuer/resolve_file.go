package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/state"
)

// word is one row of the file of a person's word, with what the person saw: which sending, and how
// much.
type word struct {
	line      int
	reference string
	phone     airtime.MSISDN
	seen      airtime.Status
	batch     string
	amount    string
	// currency, attempt and since are empty in a file that does not have them.
	currency, attempt, since string
}

// file picks what a file names. Every row must stand as the file says.
func (p *picker) file(ctx context.Context) error {
	words, err := readWords(p.options.file)
	if errors.Is(err, errUnnamed) {
		return cli.Exit(cli.ExitRefused, fmt.Errorf("--file: %w; nothing was changed", err))
	}
	if err != nil {
		return cli.Usagef("--file: %w", err)
	}
	byReference := map[string][]word{}
	var order []string
	for _, w := range words {
		if byReference[w.reference] == nil {
			order = append(order, w.reference)
		}
		byReference[w.reference] = append(byReference[w.reference], w)
	}
	for _, reference := range order {
		if err := p.compare(ctx, reference, byReference[reference]); err != nil {
			return err
		}
	}
	return nil
}

// compare picks the recipients of one disbursal, and refuses if one has moved.
func (p *picker) compare(ctx context.Context, reference string, words []word) error {
	rows := map[airtime.MSISDN]state.Row{}
	name, err := p.disbursal(ctx, reference)
	if err == nil {
		err = p.store.Report(ctx, state.KindDisbursal, name, func(r state.Row) error {
			rows[r.Phone] = r
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("--file: line %d: %w", words[0].line, err)
	}
	twice := map[airtime.MSISDN]bool{}
	for _, w := range words {
		row, there := rows[w.phone]
		switch {
		case twice[w.phone]:
			err = fmt.Errorf("%s of %s is in the file twice", w.phone, reference)
		case !there:
			err = fmt.Errorf("%s has no recipient %s", reference, w.phone)
		default:
			err = p.take(w, row)
		}
		twice[w.phone] = true
		if err != nil {
			return cli.Exit(cli.ExitRefused, fmt.Errorf("line %d: %w; nothing was changed", w.line,
				err))
		}
	}
	return nil
}

// take picks a recipient that stands as the file says.
func (p *picker) take(w word, row state.Row) error {
	who := fmt.Sprintf("%s of %s", w.phone, w.reference)
	if row.Status != w.seen {
		return fmt.Errorf("%s is %s now: %w", who, row.Status, state.ErrMoved)
	}
	if !p.named(row) {
		return fmt.Errorf("%s is %s, and neither in doubt nor overdue", who, row.Status)
	}
	if what := w.differs(row, p.listing.since(row)); what != "" {
		return fmt.Errorf("%s %s: this word is about another sending, so list anew", who, what)
	}
	p.picked = append(p.picked, pickRow(row))
	return nil
}

// differs says what of the file is not as it is now; empty when nothing. A file without the column
// attempt, such as a report, is about the first sending of a batch.
func (w word) differs(row state.Row, since time.Time) string {
	if w.batch != row.Batch {
		return fmt.Sprintf("is in batch %q now, not %q", row.Batch, w.batch)
	}
	attempt := w.attempt
	if attempt == "" {
		attempt = "1"
	}
	if row.Attempt > 0 && attempt != strconv.Itoa(row.Attempt) {
		return fmt.Sprintf("was sent again: attempt %d of the batch, not %q", row.Attempt, attempt)
	}
	amount, err := airtime.ParseAmount(w.amount, row.Amount.Currency)
	if err != nil || amount != row.Amount ||
		w.currency != "" && w.currency != string(row.Amount.Currency) {
		return fmt.Sprintf("gets %s, not %q", row.Amount, strings.TrimSpace(w.currency+" "+w.amount))
	}
	if seen, err := time.Parse(time.RFC3339, w.since); w.since != "" && !since.IsZero() &&
		(err != nil || !seen.Equal(since.Truncate(time.Second))) {
		return fmt.Sprintf("is listed since %s, not %q", since.Format(time.RFC3339), w.since)
	}
	return ""
}

// errUnnamed is returned for a file that does not say which sending a word is about.
var errUnnamed = errors.New("is missing: a word is for the batch and the amount that were seen; " +
	"take the rows of indoubt list --csv")

// readWords reads the columns of a word; others are ignored.
func readWords(path string) ([]word, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	chunk := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	head, err := chunk.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	columns := map[string]int{}
	for i, name := range head {
		if _, twice := columns[name]; twice {
			return nil, fmt.Errorf("line 1: column %s is there twice", name)
		}
		columns[name] = i
	}
	for _, name := range []string{"reference", "phone_number", "status"} {
		if _, there := columns[name]; !there {
			return nil, fmt.Errorf("line 1: column %s is missing", name)
		}
	}
	for _, name := range []string{"batch", "amount"} {
		if _, there := columns[name]; !there {
			return nil, fmt.Errorf("line 1: column %s %w", name, errUnnamed)
		}
	}
	var words []word
	for {
		row, err := chunk.Read()
		if errors.Is(err, io.EOF) {
			return words, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := chunk.FieldPos(0)
		w, err := readWord(func(column string) string {
			if i, there := columns[column]; there {
				return intake.PlainCell(row[i])
			}
			return ""
		})
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		w.line = line
		words = append(words, w)
	}
}

func readWord(cell func(column string) string) (word, error) {
	w := word{
		reference: cell("reference"), batch: cell("batch"), amount: cell("amount"),
		currency: cell("currency"), attempt: cell("attempt"), since: cell("since"),
	}
	var err error
	if w.phone, err = airtime.ParseMSISDN(cell("phone_number")); err == nil {
		w.seen, err = airtime.ParseStatus(cell("status"))
	}
	return w, err
}
