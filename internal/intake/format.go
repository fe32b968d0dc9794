package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The columns of a row, as positions in rowFields.
const (
	rowPhone = iota
	rowAmount
	rowReference
	rowCurrency
	rowProvider
	rowCampaign
	rowID
	rowStatus // Of a report only.
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

// rowText is one row as written, by column.
type rowText [rowWidth]string

// format reads and writes the lines of one kind of file. Exactly one of row and job is used.
type format struct {
	// header says that the first line names columns.
	header bool
	// jobs says that lines are jobs; otherwise they are rows.
	jobs bool
	// referenced says that rows name their reference.
	referenced bool
	// report says that it is a report: its references are old.
	report bool
	// row reads a line; the faults are about its form only.
	row func(line []byte, faults *findings) rowText
	// reject writes a refused line with the reason.
	reject func(line []byte, reason string) error
}

// detect finds the format by the first line, of that number. Rejected lines are written to rejects.
func detect(first []byte, number int, rejects io.Writer) (*format, error) {
	switch first[0] {
	case '{':
		return jsonLines(first, rejects), nil
	case '[':
		return nil, fmt.Errorf("line %d: a JSON list; write one object per line (JSON Lines)", number)
	default:
		found, err := commaSeparated(first, rejects)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		return found, nil
	}
}

// blankRow reports whether a line of CSV holds nothing: what a spreadsheet writes for an empty row.
func blankRow(line []byte) bool {
	return len(bytes.Trim(line, ", \t\"")) == 0
}

// isReport reports whether fields are those of a report or a list of doubts.
func isReport(names []string) bool {
	return !slices.ContainsFunc(reportMarks, func(mark string) bool {
		return !slices.Contains(names, mark)
	})
}

// commaSeparated reads CSV with the given header.
func commaSeparated(header []byte, rejects io.Writer) (*format, error) {
	names, err := splitCSV(header, nil)
	if err != nil {
		return nil, err
	}
	names = withoutBlanks(names, 0)
	columns, err := columnsOf(names)
	if err != nil {
		return nil, err
	}
	var fields []string
	split := func(line []byte) error {
		fields, err = splitCSV(line, fields[:0])
		fields = withoutBlanks(fields, len(columns))
		if err == nil && len(fields) != len(columns) {
			err = fmt.Errorf("%d columns, but the header has %d", len(fields), len(columns))
		}
		return err
	}
	report := isReport(names)
	return &format{
		header:     true,
		report:     report,
		referenced: !report && slices.Contains(columns, rowReference),
		row: func(line []byte, faults *findings) (row rowText) {
			if err := split(line); err != nil {
				faults.unreadable = true
				faults.append(err.Error())
				return rowText{}
			}
			for i, column := range columns {
				if column >= 0 {
					row[column] = fields[i]
				}
			}
			return row
		},
		reject: rejectCSV(rejects, names, split, &fields),
	}, nil
}

// columnsOf returns the position in rowFields of each column, -1 for those that are ignored.
func columnsOf(names []string) ([]int, error) {
	columns, came := make([]int, len(names)), map[string]bool{}
	report := isReport(names)
	for i, name := range names {
		columns[i] = slices.Index(rowFields, name)
		switch {
		case name == reasonField, report && slices.Contains(reportFields, name):
			columns[i] = -1
		case columns[i] < 0, columns[i] == rowStatus && !report:
			return nil, fmt.Errorf("unknown column %s; known: %s", shownName(name),
				strings.Join(rowChoice, ", "))
		}
		if came[name] {
			return nil, fmt.Errorf("column %s is there twice", name)
		}
		came[name] = true
	}
	for _, column := range []int{rowPhone, rowAmount} {
		if !came[rowFields[column]] {
			return nil, fmt.Errorf("column %s is missing", rowFields[column])
		}
	}
	return columns, nil
}

// withoutBlanks cuts empty fields off the end, beyond a width: spreadsheets write such columns.
func withoutBlanks(fields []string, width int) []string {
	for len(fields) > width && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	return fields
}

// rejectCSV returns a function that writes refused rows: the columns as they came, then the reason.
// A row that cannot be split goes whole into the first column: nothing of it is lost, and nobody
// can import it before it is corrected.
func rejectCSV(to io.Writer, names []string, split func([]byte) error, fields *[]string,
) func([]byte, string) error {
	out := NewCellWriter(to)
	keep := func(fields []string) []string {
		var kept []string
		for i, name := range names {
			if name != reasonField {
				kept = append(kept, fields[i])
			}
		}
		return kept
	}
	started := false
	return func(line []byte, reason string) error {
		if !started {
			started = true
			if err := out.Write(append(keep(names), reasonField)); err != nil {
				return err
			}
		}
		row := make([]string, len(keep(names)))
		if err := split(line); err != nil {
			row[0] = string(line)
		} else {
			row = keep(*fields)
		}
		if err := out.Write(append(row, reason)); err != nil {
			return err
		}
		return out.Flush()
	}
}

// splitCSV appends the fields of one line, trimmed. Quoted fields may hold commas and doubled
// quotes but no line ends: no column of ours has a use for them.
func splitCSV(line []byte, fields []string) ([]string, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("not valid UTF-8")
	}
	rest := string(line)
	for {
		rest = strings.TrimLeft(rest, " \t")
		var field string
		if strings.HasPrefix(rest, `"`) {
			var err error
			if field, rest, err = unquote(rest[1:]); err != nil {
				return nil, err
			}
			fields = append(fields, PlainCell(strings.TrimSpace(field)))
			if rest == "" {
				return fields, nil
			}
			rest = rest[1:]
			continue
		}
		field, after, more := strings.Cut(rest, ",")
		if strings.Contains(field, `"`) {
			return nil, errors.New("a quote inside a field: put the field in quotes and double it")
		}
		fields = append(fields, PlainCell(strings.TrimSpace(field)))
		if !more {
			return fields, nil
		}
		rest = after
	}
}

// unquote reads a field whose opening quote is consumed. What it returns as rest is empty or starts
// with a comma.
func unquote(text string) (field, rest string, err error) {
	for {
		piece, after, closed := strings.Cut(text, `"`)
		field += piece
		if !closed {
			return "", "", errors.New("a quote is not closed on its line")
		}
		if strings.HasPrefix(after, `"`) {
			field, text = field+`"`, after[1:]
			continue
		}
		after = strings.TrimLeft(after, " \t")
		if after != "" && after[0] != ',' {
			return "", "", errors.New("something follows a closing quote")
		}
		return field, after, nil
	}
}

// keyOf finds a key: only keys are followed by a colon, and within a string the quotes would be
// escaped.
func keyOf(name string) *regexp.Regexp { return regexp.MustCompile(`"` + name + `"\s*:`) }

var (
	recipientsKey = keyOf("recipients")
	referenceKey  = keyOf("reference")
	reportKeys    = []*regexp.Regexp{keyOf("status"), keyOf("batch")}
)

// jsonLines reads jobs or rows, one JSON object per line; the first line decides which.
func jsonLines(first []byte, rejects io.Writer) *format {
	jobs := recipientsKey.Match(first)
	report := !jobs && !slices.ContainsFunc(reportKeys, func(key *regexp.Regexp) bool {
		return !key.Match(first)
	})
	known, ignored := rowChoice, []string{reasonField}
	if report {
		known, ignored = rowFields, reportFields
	}
	return &format{
		jobs:       jobs,
		report:     report,
		referenced: jobs || !report && referenceKey.Match(first),
		row: func(line []byte, faults *findings) rowText {
			return decodeRow(line, known, ignored, faults)
		},
		reject: func(line []byte, reason string) error {
			_, err := rejects.Write(rejectedObject(line, reason))
			return err
		},
	}
}

func decodeRow(line []byte, known, ignored []string, faults *findings) (row rowText) {
	p := newParser(line, faults)
	p.ignored = ignored
	p.document(func() {
		p.object("", known, func(field int) {
			if field == rowAmount {
				row[field], _ = p.decimal(rowFields[field])
			} else {
				row[field], _ = p.string(rowFields[field])
			}
			row[field] = strings.TrimSpace(row[field])
		})
	})
	return row
}

// rejectedObject is the line with the reason as its last field. It is spliced as text, so that the
// object stays as it came, to the last faulty detail.
func rejectedObject(line []byte, reason string) []byte {
	quoted := quoteJSON(reason)
	if !json.Valid(line) || line[0] != '{' {
		return []byte(`{"unreadable":` + quoteJSON(string(line)) + `,"reason":` + quoted + "}\n")
	}
	body := strings.TrimSpace(string(line[1 : len(line)-1]))
	if body != "" {
		body += ","
	}
	return []byte("{" + body + `"reason":` + quoted + "}\n")
}

func quoteJSON(text string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // Strings always encode, and a Builder does not fail.
	return strings.TrimSuffix(out.String(), "\n")
}
