package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"tuma/internal/airtime"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// word is one row of the file of a person's word.
type word struct {
	line      int
	reference string
	phone     airtime.MSISDN
	seen      airtime.Status
}

// file picks what a file names. Every row must stand as the file says.
func (p *picker) file(ctx context.Context) error {
	words, err := readWords(p.options.file)
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
	err := p.store.Report(ctx, state.KindDisbursal, reference, func(r state.Row) error {
		rows[r.Phone] = r
		return nil
	})
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
		case row.Status != w.seen:
			err = fmt.Errorf("%s of %s is %s now: %w", w.phone, reference, row.Status,
				state.ErrMoved)
		case !p.named(row):
			err = fmt.Errorf("%s of %s is %s, and neither in doubt nor overdue", w.phone, reference,
				row.Status)
		default:
			p.picked = append(p.picked, row.Resolution())
		}
		twice[w.phone] = true
		if err != nil {
			return cli.Exit(cli.ExitRefused, fmt.Errorf("line %d: %w; nothing was changed", w.line,
				err))
		}
	}
	return nil
}

// readWords reads the columns reference, phone_number and status; others are ignored.
func readWords(path string) ([]word, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sheet := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	head, err := sheet.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	columns := [3]int{}
	for i, name := range []string{"reference", "phone_number", "status"} {
		if columns[i] = slices.Index(head, name); columns[i] < 0 {
			return nil, fmt.Errorf("line 1: column %s is missing", name)
		}
	}
	var words []word
	for {
		row, err := sheet.Read()
		if errors.Is(err, io.EOF) {
			return words, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := sheet.FieldPos(0)
		w := word{line: line, reference: row[columns[0]]}
		if w.phone, err = airtime.ParseMSISDN(row[columns[1]]); err == nil {
			w.seen, err = airtime.ParseStatus(row[columns[2]])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		words = append(words, w)
	}
}
