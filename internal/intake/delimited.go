package intake

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// delimiters are what may stand between the cells of a text file.
var delimiters = []byte{',', ';', '\t'}

// maxCellLines bounds the lines of one cell; only columns that are no field can have several.
const maxCellLines = 50

// errOpenQuote is returned for a line on which a quote is opened and not closed.
var errOpenQuote = errors.New("a quote is not closed before the next row: close it, or double it " +
	"if it belongs to the text")

// delimited reads CSV: with commas, semicolons or tabs.
type delimited struct {
	lines     *lines
	delimiter byte
	phone     int // The column of phone numbers, -1 while it is not known.
	cells     []cell
	again     []numbered // Lines that were read ahead.
	read      []numbered // The lines that next has read last, blank ones before the row, too.
}

// numbered is a line with its number.
type numbered struct {
	text   string
	number int
}

// line returns the next line, also one that was read ahead.
func (d *delimited) line(ctx context.Context) (numbered, error) {
	if len(d.again) > 0 {
		next := d.again[0]
		d.again, d.read = d.again[1:], append(d.read, next)
		return next, nil
	}
	line, err := d.lines.next(ctx)
	if err != nil {
		return numbered{}, err
	}
	next := numbered{string(line), d.lines.number}
	d.read = append(d.read, next)
	return next, nil
}

func (d *delimited) next(ctx context.Context) (entry, error) {
	for d.read = d.read[:0]; ; {
		line, err := d.line(ctx)
		if err != nil {
			return entry{}, err
		}
		d.cells, err = splitCells(line.text, d.delimiter, d.cells[:0])
		if errors.Is(err, errOpenQuote) {
			if line.text, err = d.join(ctx, line.text); err != nil && !errors.Is(err, errOpenQuote) {
				return entry{}, err
			}
		}
		if err == nil && len(withoutBlanks(d.cells, 0)) == 0 {
			continue
		}
		e := entry{number: line.number, line: line.text, cells: d.cells}
		if err != nil {
			e.fault = err.Error()
		}
		return e, nil
	}
}

// join puts the lines of a row together of which a cell has several. errOpenQuote is returned, and
// the lines are read again, when the quote is not closed, or only beyond what could be another row:
// of a quote that was forgotten, the recipients behind it must not become the text of one cell.
func (d *delimited) join(ctx context.Context, first string) (string, error) {
	joined, ahead := first, []numbered(nil)
	for len(ahead) < maxCellLines && len(joined) < maxLine {
		line, err := d.line(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		ahead = append(ahead, line)
		if d.isRow(line.text) {
			break
		}
		joined += "\n" + line.text
		d.cells, err = splitCells(joined, d.delimiter, d.cells[:0])
		if err == nil {
			return joined, nil
		}
		if !errors.Is(err, errOpenQuote) {
			break
		}
	}
	d.again, d.read = slices.Concat(ahead, d.again), d.read[:len(d.read)-len(ahead)]
	return first, errOpenQuote
}

// isRow reports whether a line has a number where phone numbers are.
func (d *delimited) isRow(line string) bool {
	cells := strings.Split(line, string(d.delimiter))
	if d.phone < 0 || d.phone >= len(cells) {
		return false
	}
	digits := strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, cells[d.phone])
	return len(digits) > 6
}

func (d *delimited) notices() []string { return nil }

func (d *delimited) hash() string { return d.lines.contentHash() }

func (d *delimited) close() error { return nil }

// splitCells appends the cells of one row. A quoted cell may hold delimiters, doubled quotes and
// line ends.
func splitCells(row string, delimiter byte, cells []cell) ([]cell, error) {
	if !utf8.ValidString(row) {
		return nil, errors.New("not valid UTF-8: save the file as CSV in UTF-8")
	}
	spaces := spacesBeside(delimiter)
	for rest := row; ; {
		rest = strings.TrimLeft(rest, spaces)
		if strings.HasPrefix(rest, `"`) {
			text, after, err := unquote(rest[1:], delimiter)
			if err != nil {
				return nil, err
			}
			cells = append(cells, cell{text: PlainCell(trimCell(text))})
			if after == "" {
				return cells, nil
			}
			rest = after[1:]
			continue
		}
		text, after, more := rest, "", false
		if end := strings.IndexByte(rest, delimiter); end >= 0 {
			text, after, more = rest[:end], rest[end+1:], true
		}
		if strings.Contains(text, `"`) {
			return nil, errors.New("a quote inside a field: put the field in quotes and double it")
		}
		cells = append(cells, cell{text: PlainCell(trimCell(text))})
		if !more {
			return cells, nil
		}
		rest = after
	}
}

// spacesBeside are what may stand beside the quotes of a cell.
func spacesBeside(delimiter byte) string {
	if delimiter == '\t' {
		return " \r"
	}
	return " \t\r"
}

// unquote reads a cell whose opening quote is consumed. What it returns as rest is empty or starts
// with the delimiter.
func unquote(text string, delimiter byte) (cell, rest string, err error) {
	spaces := spacesBeside(delimiter)
	for {
		piece, after, closed := strings.Cut(text, `"`)
		cell += piece
		if !closed {
			return "", "", errOpenQuote
		}
		if strings.HasPrefix(after, `"`) {
			cell, text = cell+`"`, after[1:]
			continue
		}
		after = strings.TrimLeft(after, spaces)
		if after != "" && after[0] != delimiter {
			return "", "", errors.New("something follows a closing quote")
		}
		return cell, after, nil
	}
}

// openDelimited reads the header, whose first line is given, and finds the delimiter by it: the one
// with which most headings are fields. A line "sep=;" before it, which spreadsheets understand,
// says which it is.
func openDelimited(ctx context.Context, from *lines, first numbered, mapping Mapping,
) (*delimited, entry, error) {
	d := &delimited{lines: from, phone: -1, again: []numbered{first}}
	choice := delimiters
	if said, ok := strings.CutPrefix(strings.ToLower(strings.TrimRight(first.text, " ")), "sep="); ok {
		if len(said) != 1 || !strings.Contains(string(delimiters), said) {
			return nil, entry{}, errors.New(`line 1: "sep=" must name a comma, a semicolon or a tab`)
		}
		choice, d.again = []byte{said[0]}, nil
	}
	best, mostFields, mostCells := choice[0], -1, 0
	for _, delimiter := range choice {
		d.delimiter = delimiter
		header, err := d.next(ctx)
		if err != nil {
			return nil, entry{}, err
		}
		fields := 0
		for _, c := range header.cells {
			if isField(c.text, mapping) {
				fields++
			}
		}
		if fields > mostFields || fields == mostFields && len(header.cells) > mostCells {
			best, mostFields, mostCells = delimiter, fields, len(header.cells)
		}
		d.again = slices.Concat(d.read, d.again)
	}
	d.delimiter = best
	header, err := d.next(ctx)
	return d, header, err
}
