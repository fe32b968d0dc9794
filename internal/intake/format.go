package intake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The fields of a row, as positions in rowFields.
const (
	rowPhone = iota
	rowAmount
	rowReference
	rowCurrency
	rowProvider
	rowCampaign
	rowID
	rowStatus // Of a report only.
	// rowNamedCurrency is no field: the currency that stands beside an amount or in its heading.
	rowNamedCurrency
	rowWidth
)

var rowFields = []string{
	"phone_number", "amount", "reference", "currency", "provider", "campaign", "id", "status",
}

// rowChoice are the fields that a person may write.
var rowChoice = rowFields[:rowStatus]

// reasonField is the column that WriteRejects adds; readers ignore it.
const reasonField = "reason"

// reportMarks are the fields by which a report or a list of doubts is known, beside those of a row.
// Its references are those of the disbursals that its rows were in: they will be in others.
var reportMarks = []string{"status", "batch"}

// reportFields are the other fields that Tuma writes into such files; readers ignore them.
var reportFields = []string{
	reasonField, "provider_reference", "batch", "message", "at", "discount", "release_at",
	"attempt", "kind", "since", "why", "not_before", "settle_by", "history",
}

// isReport reports whether headings are those of a report or a list of doubts.
func isReport(headings []string) bool {
	return !slices.ContainsFunc(reportMarks, func(mark string) bool {
		return !slices.ContainsFunc(headings, func(heading string) bool {
			return foldHeading(heading) == mark
		})
	})
}

// groupFields are the fields that all rows of one disbursal have in common.
const groupFields fieldSet = 1<<rowProvider | 1<<rowCurrency | 1<<rowCampaign

// rowText is one row as written, by field.
type rowText struct {
	of     [rowWidth]string
	broken fieldSet // Fields that have been reported already.
}

// traits are what the scan must know of a file before its rows.
type traits struct {
	// jobs says that entries are jobs; otherwise they are rows.
	jobs bool
	// referenced says that rows name their reference.
	referenced bool
	// report says that it is a report: its references are old.
	report bool
	// notices are for the person who imports it.
	notices []string
}

// format reads the entries of one kind of file, and writes the refused ones.
type format interface {
	traits() traits
	// next returns the next entry that is not blank; io.EOF is returned after the last one.
	next(ctx context.Context) (entry, error)
	// row reads an entry that is a row; the faults are about its form only. It reports false when
	// no field of it is known.
	row(e entry, faults *findings) (rowText, bool)
	// reject writes a refused entry with the reason.
	reject(e entry, reason string) error
	// end returns an error if the file as a whole cannot be understood, once all of it is read.
	end() error
	// hash identifies the bytes that were read.
	hash() string
	// close removes what was put aside for reading.
	close() error
}

var (
	_ format = (*table)(nil)
	_ format = (*jsonLines)(nil)
)

// errEmpty is returned for a file that holds nothing.
var errEmpty = errors.New("the file is empty")

// openFormat finds the format of a file by how it begins. Refused entries are written to rejects.
func openFormat(ctx context.Context, from io.Reader, options Options, rejects io.Writer,
) (format, error) {
	if err := options.Map.check(); err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(from, 1<<16)
	head, err := buffered.Peek(len(zipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read import file: %w", err)
	}
	xlsx, err := packedFormat(head)
	if err != nil {
		return nil, err
	}
	if xlsx {
		return openXLSX(ctx, buffered, options, rejects)
	}
	text, err := textOf(buffered)
	if err != nil {
		return nil, err
	}
	found, err := newLines(text)
	if err != nil {
		return nil, err
	}
	var line []byte
	for len(bytes.TrimSpace(line)) == 0 {
		if line, err = found.next(ctx); errors.Is(err, io.EOF) {
			return nil, errEmpty
		} else if err != nil {
			return nil, err
		}
	}
	first := numbered{string(line), found.number}
	if options.Sheet != "" {
		return nil, &OptionError{"sheet", errors.New("the file is no XLSX, it has no sheets")}
	}
	switch bytes.TrimSpace(line)[0] {
	case '{':
		if options.Map != nil {
			return nil, &OptionError{"map", errNoColumns}
		}
		if options.IgnoreExtra {
			return nil, &OptionError{"ignore-extra", errNoColumns}
		}
		first.text = string(bytes.TrimSpace(line))
		return openJSONLines(found, first, rejects), nil
	case '[':
		return nil, fmt.Errorf("line %d: a JSON list; write one object per line (JSON Lines)",
			first.number)
	default:
		return openCSV(ctx, found, first, options, rejects)
	}
}

// openCSV reads the header of a text file with columns.
func openCSV(ctx context.Context, from *lines, first numbered, options Options, rejects io.Writer,
) (format, error) {
	rows, header, err := openDelimited(ctx, from, first, options.Map)
	if errors.Is(err, io.EOF) {
		return nil, errEmpty
	}
	if err != nil {
		return nil, err
	}
	found, err := newTable(rows, header, options, rejects)
	if err != nil {
		return nil, err
	}
	rows.phone = slices.Index(found.columns, rowPhone)
	found.amounts.commas = rows.delimiter != ','
	found.rejected.out.Comma = rune(rows.delimiter)
	return found, nil
}
