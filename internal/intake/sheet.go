package intake

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// sheetRows reads the rows of a sheet. The stream of the library tells texts only; what the cells
// are (a number, a date, a formula), and that the sheet is whole, is read beside it.
type sheetRows struct {
	*workbook
	texts  *excelize.Rows
	row    int // Where texts stands.
	raw    io.Closer
	marks  *markReader
	styles map[int]cellStyle
	hidden int
	cells  []cell
}

// cellStyle is what of a number's format matters.
type cellStyle struct {
	date     bool
	currency string
}

func (s *sheetRows) next(ctx context.Context) (entry, error) {
	for {
		if s.row%1024 == 0 && ctx.Err() != nil {
			return entry{}, context.Cause(ctx)
		}
		marks, err := s.marks.next()
		if errors.Is(err, io.EOF) {
			return entry{}, io.EOF
		}
		if err != nil {
			return entry{}, fmt.Errorf("the XLSX file is broken after line %d: %w", s.row, err)
		}
		texts, err := s.textsOf(marks.number)
		if err != nil {
			return entry{}, err
		}
		s.cells = s.cells[:0]
		for i, mark := range marks.cells {
			text := ""
			if i < len(texts) {
				text = texts[i]
			}
			s.cells = append(s.cells, s.cell(mark, text))
		}
		s.cells = withoutBlanks(s.cells, 0)
		if len(s.cells) == 0 {
			continue
		}
		if marks.hidden {
			s.hidden++
		}
		return entry{number: marks.number, cells: s.cells}, nil
	}
}

// textsOf returns the texts of a row.
func (s *sheetRows) textsOf(number int) (texts []string, err error) {
	err = guarded(func() error {
		for s.row < number {
			if !s.texts.Next() {
				return fmt.Errorf("row %d is not to be found", number)
			}
			s.row++
		}
		texts, err = s.texts.Columns(excelize.Options{RawCellValue: true})
		return err
	})
	return texts, err
}

// cell puts together what a cell is and what it says.
func (s *sheetRows) cell(mark cellMark, text string) cell {
	switch {
	case mark.formula != nil:
		return cell{text: "=" + trimCell(*mark.formula), kind: formulaCell}
	case text == "":
		return cell{}
	}
	switch mark.kind {
	case "s", "str", "inlineStr":
		return cell{text: PlainCell(trimCell(text))}
	case "b":
		switch text {
		case "1":
			text = "TRUE"
		case "0":
			text = "FALSE"
		}
		return cell{text: text, kind: booleanCell}
	case "e":
		return cell{text: text, kind: errorCell}
	case "d":
		return cell{text: text, kind: dateCell}
	}
	style := s.style(mark.style)
	number, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return cell{text: trimCell(text)}
	case style.date:
		if date, err := excelize.ExcelDateToTime(number, false); err == nil {
			text = date.Format("2006-01-02 15:04")
		}
		return cell{text: text, kind: dateCell}
	}
	return cell{text: trimCell(style.currency + " " + plainNumberText(number)), kind: numberCell}
}

// plainNumberText writes a number without exponent and with the 15 digits that a spreadsheet shows:
// the others are what is left of calculating.
func plainNumberText(number float64) string {
	if rounded, err := strconv.ParseFloat(strconv.FormatFloat(number, 'g', 15, 64), 64); err == nil {
		number = rounded
	}
	return strconv.FormatFloat(number, 'f', -1, 64)
}

// style returns what matters of a style.
func (s *sheetRows) style(index int) cellStyle {
	style, known := s.styles[index]
	if known {
		return style
	}
	sheet := s.book.Styles
	if sheet != nil && sheet.CellXfs != nil && index >= 0 && index < len(sheet.CellXfs.Xf) {
		if id := sheet.CellXfs.Xf[index].NumFmtID; id != nil {
			style = cellStyle{date: isDateFormat(*id)}
			if sheet.NumFmts != nil {
				for _, format := range sheet.NumFmts.NumFmt {
					if format != nil && format.NumFmtID == *id {
						style = styleOf(format.FormatCode)
					}
				}
			}
		}
	}
	if s.styles == nil {
		s.styles = map[int]cellStyle{}
	}
	s.styles[index] = style
	return style
}

// isDateFormat reports whether a format that every spreadsheet has is one of dates or times.
func isDateFormat(id int) bool {
	return id >= 14 && id <= 22 || id >= 27 && id <= 36 || id >= 45 && id <= 47 ||
		id >= 50 && id <= 58
}

var (
	// elapsed is a time that counts on beyond a day.
	elapsed = regexp.MustCompile(`(?i)\[(h+|m+|s+)\]`)
	// literal is what a format writes as it stands, or says of colours and places.
	literal = regexp.MustCompile(`"[^"]*"|\\.|_.|\*.|\[[^\]]*\]`)
	// formatCurrency is the currency that a format writes beside a number.
	formatCurrency = regexp.MustCompile(`\[\$([A-Za-z]{3})[-\]]|"\s*([A-Za-z]{3})\.?\s*"`)
)

// styleOf reads a format of its own.
func styleOf(code string) cellStyle {
	var style cellStyle
	plain := strings.ReplaceAll(literal.ReplaceAllString(code, ""), "General", "")
	style.date = elapsed.MatchString(code) || strings.ContainsAny(plain, "dDmMyYhHsS")
	for _, found := range formatCurrency.FindAllStringSubmatch(code, -1) {
		if currency := currencyOf(found[1] + found[2]); currency != "" {
			style.currency = currency
		}
	}
	return style
}

func (s *sheetRows) notices() []string {
	if s.hidden == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d rows that the sheet hides are read, too", s.hidden)}
}

func (s *sheetRows) close() error {
	return errors.Join(s.texts.Close(), s.raw.Close(), s.workbook.close())
}

// cellMark is what a cell is: its type and style as the file writes them, and its formula.
type cellMark struct {
	kind    string
	style   int
	formula *string
}

// rowMarks are the cells of one row, by column.
type rowMarks struct {
	number int
	hidden bool
	cells  []cellMark
}

// maxColumns bounds the columns that are looked at.
const maxColumns = 16_384

// markReader reads what the cells of a sheet are.
type markReader struct {
	decoder *xml.Decoder
	row     rowMarks
	done    bool
}

func newMarkReader(from io.Reader) *markReader {
	return &markReader{decoder: xml.NewDecoder(from)}
}

// next returns the next row; it is valid until the next call. Behind the last one it reads the file
// to its end, so that one that was cut is an error and not a shorter list.
func (m *markReader) next() (rowMarks, error) {
	for {
		token, err := m.decoder.Token()
		if errors.Is(err, io.EOF) && !m.done {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return rowMarks{}, err
		}
		switch element := token.(type) {
		case xml.StartElement:
			if element.Name.Local == "row" && !m.done {
				err := m.readRow(element)
				return m.row, err
			}
		case xml.EndElement:
			m.done = m.done || element.Name.Local == "sheetData"
		}
	}
}

// readRow reads the cells of a row.
func (m *markReader) readRow(start xml.StartElement) error {
	number, cells := m.row.number+1, m.row.cells[:0]
	if text := attribute(start, "r"); text != "" {
		given, err := strconv.Atoi(text)
		if err != nil || given < number || given > excelize.TotalRows {
			return errors.New("its rows are not in order")
		}
		number = given
	}
	hidden := slices.Contains([]string{"1", "true"}, attribute(start, "hidden"))
	for {
		token, err := m.decoder.Token()
		if err != nil {
			return err
		}
		switch element := token.(type) {
		case xml.StartElement:
			if element.Name.Local != "c" {
				if err := m.decoder.Skip(); err != nil {
					return err
				}
				continue
			}
			if cells, err = m.readCell(element, cells); err != nil {
				return err
			}
		case xml.EndElement:
			m.row = rowMarks{number, hidden, cells}
			return nil
		}
	}
}

// readCell appends a cell at its column.
func (m *markReader) readCell(start xml.StartElement, cells []cellMark) ([]cellMark, error) {
	column := len(cells) + 1
	if name := attribute(start, "r"); name != "" {
		given, _, err := excelize.CellNameToCoordinates(name)
		if err != nil || given < column || given > maxColumns {
			return nil, errors.New("its cells are not in order")
		}
		column = given
	}
	for len(cells) < column {
		cells = append(cells, cellMark{})
	}
	mark := &cells[column-1]
	mark.kind = attribute(start, "t")
	if style := attribute(start, "s"); style != "" {
		mark.style, _ = strconv.Atoi(style) // A style that there is not is none.
	}
	for {
		token, err := m.decoder.Token()
		if err != nil {
			return nil, err
		}
		switch element := token.(type) {
		case xml.StartElement:
			if element.Name.Local != "f" {
				if err := m.decoder.Skip(); err != nil {
					return nil, err
				}
				continue
			}
			mark.formula = new(string)
			if err := m.decoder.DecodeElement(mark.formula, &element); err != nil {
				return nil, err
			}
		case xml.EndElement:
			return cells, nil
		}
	}
}

// attribute is the value of an attribute, empty when it is not there.
func attribute(element xml.StartElement, name string) string {
	for _, a := range element.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}
