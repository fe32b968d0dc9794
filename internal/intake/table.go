package intake

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// cellKind is what a cell is. A text file has texts only.
type cellKind uint8

const (
	textCell cellKind = iota
	numberCell
	formulaCell
	dateCell
	errorCell
	booleanCell
)

// cell is one cell of a table: its text without the spaces around it. A number is written with all
// of its digits; what no field takes is written so that no field takes its text either, since that
// is what goes into the file of rejects.
type cell struct {
	text string
	kind cellKind
}

// entry is one row of a table, or one line of JSON. It is valid until the next one is read.
type entry struct {
	number int    // Of its first line, or of the row in a sheet; from 1.
	text   []byte // Of JSON, as it stands in the file.
	line   string // Of CSV, likewise.
	cells  []cell // Of a table.
	fault  string // Why its cells cannot be told apart.
}

// rowReader reads the rows of one kind of table.
type rowReader interface {
	// next returns the next row that has something in it; io.EOF is returned after the last one.
	next(ctx context.Context) (entry, error)
	// notices are what is to be known of the rows that were read.
	notices() []string
	// hash identifies the bytes that were read.
	hash() string
	// close removes what was put aside.
	close() error
}

// table is a CSV file or a sheet: rows of cells under headings.
type table struct {
	rowReader
	layout
	headings []string
	ragged   bool // Rows end where their cells end, as in a sheet.
	amounts  amountReader
	rejected *CellWriter
	started  bool     // The header of the rejected rows is written.
	known    []string // What is to be known of the header.
}

// newTable reads the header, of which the reader knows the row already.
func newTable(rows rowReader, header entry, options Options, rejects io.Writer) (*table, error) {
	t := &table{rowReader: rows, rejected: NewCellWriter(rejects)}
	if header.fault != "" {
		return nil, RowFault{header.number, Faults{header.fault}}
	}
	for _, c := range withoutBlanks(header.cells, 0) {
		t.headings = append(t.headings, strings.Join(strings.Fields(c.text), " "))
	}
	var err error
	if t.layout, err = layoutOf(t.headings, options); err != nil {
		return nil, fmt.Errorf("line %d: %w", header.number, err)
	}
	if len(t.ignored) > 0 {
		t.known = append(t.known, "columns that are no field are not read: "+
			strings.Join(t.ignored, ", "))
	}
	return t, nil
}

// next returns the next row, with as many cells as there are headings.
func (t *table) next(ctx context.Context) (entry, error) {
	e, err := t.rowReader.next(ctx)
	if err != nil || e.fault != "" {
		return e, err
	}
	width := len(t.headings)
	e.cells = withoutBlanks(e.cells, width)
	for t.ragged && len(e.cells) < width {
		e.cells = append(e.cells, cell{})
	}
	if len(e.cells) != width {
		e.fault = fmt.Sprintf("%d columns, but the header has %d", len(e.cells), width)
		return e, nil
	}
	for i, column := range t.columns {
		if column == columnUnnamed && e.cells[i].text != "" {
			return e, fmt.Errorf("line %d: column %d holds something, and the header has no heading "+
				"for it: give it one, or leave it out with --ignore-extra", e.number, i+1)
		}
	}
	return e, nil
}

// row turns the cells of a row into the fields of a recipient.
func (t *table) row(e entry, faults *findings) (row rowText, known bool) {
	if e.fault != "" {
		faults.unreadable = true
		faults.append(e.fault)
		return row, false
	}
	row.of[rowNamedCurrency] = t.currency
	for i, field := range t.columns {
		if field < 0 {
			continue
		}
		c := e.cells[i]
		fault := c.spoiled(field)
		switch {
		case fault != "":
		case field == rowPhone:
			row.of[field], fault = phoneText(c)
		case field == rowAmount:
			var amount amountText
			amount, fault = t.amounts.read(c, e.number)
			if row.of[field] = amount.decimal; amount.currency != "" {
				row.of[rowNamedCurrency] = amount.currency
			}
		default:
			row.of[field] = c.text
		}
		if fault != "" {
			faults.add(rowFields[field], "%s", fault)
			row.broken |= 1 << field
		}
	}
	return row, true
}

// reject writes a refused row: the columns as they came, then the reason. A row that cannot be
// split goes whole into the first column: nothing of it is lost, and nobody can import it before it
// is corrected. Commas for thousands are left out: what they are is known by the whole file only.
func (t *table) reject(e entry, reason string) error {
	var header, row []string
	for i, heading := range t.headings {
		if headingKey(heading) == reasonField {
			continue
		}
		header = append(header, heading)
		switch {
		case e.fault != "" && heading != "":
			row, e.line = append(row, e.line), ""
		case e.fault != "":
			row = append(row, "")
		case t.columns[i] == rowAmount:
			row = append(row, t.amounts.rejected(e.cells[i].text))
		default:
			row = append(row, e.cells[i].text)
		}
	}
	if !t.started {
		t.started = true
		if err := t.rejected.Write(append(header, reasonField)); err != nil {
			return err
		}
	}
	if err := t.rejected.Write(append(row, reason)); err != nil {
		return err
	}
	return t.rejected.Flush()
}

// end returns what only the whole file tells.
func (t *table) end() error { return t.amounts.unclear() }

// traits are what the scan must know. Some notices are known only at the end.
func (t *table) traits() traits {
	return traits{
		report:     t.report,
		referenced: !t.report && slices.Contains(t.columns, rowReference),
		notices:    slices.Concat(t.known, t.notices()),
	}
}

// withoutBlanks cuts empty cells off the end, beyond a width: spreadsheets write such columns.
func withoutBlanks(cells []cell, width int) []cell {
	for len(cells) > width && cells[len(cells)-1].text == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}

// isVisible reports whether a byte is a character that is seen. Most cells begin and end with one.
func isVisible(c byte) bool { return c > ' ' && c < unicode.MaxASCII }

// trimCell takes the spaces and the marks that are not seen, such as those of the direction of
// writing around a number that was copied from a telephone, off both ends of a cell.
func trimCell(text string) string {
	if text == "" || isVisible(text[0]) && isVisible(text[len(text)-1]) {
		return text
	}
	return strings.TrimFunc(text, func(c rune) bool {
		return unicode.IsSpace(c) || unicode.Is(unicode.Cf, c)
	})
}
