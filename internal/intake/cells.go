package intake

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// plainNumber is a signed number: a spreadsheet shows it and runs nothing.
var plainNumber = regexp.MustCompile(`^[+-][0-9][0-9 ]*(\.[0-9]+)?$`)

// isFormula reports whether a spreadsheet would run a cell, or would if the apostrophes before it
// were taken away.
func isFormula(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != "" && strings.ContainsRune("=+-@\t\r\n", rune(rest[0])) &&
		!plainNumber.MatchString(cell)
}

// guardCell puts an apostrophe before a cell that a spreadsheet would run: what stands in it comes
// from strangers. PlainCell takes exactly that one away.
func guardCell(cell string) string {
	if isFormula(cell) {
		return "'" + cell
	}
	return cell
}

// PlainCell returns what was in a cell before a CellWriter wrote it.
func PlainCell(cell string) string {
	if rest, guarded := strings.CutPrefix(cell, "'"); guarded && isFormula(rest) {
		return rest
	}
	return cell
}

// CellWriter writes CSV that a spreadsheet shows and does not run.
type CellWriter struct{ out *csv.Writer }

// NewCellWriter returns a writer to a file.
func NewCellWriter(to io.Writer) *CellWriter { return &CellWriter{csv.NewWriter(to)} }

// Write writes one row. What goes wrong is also returned by Flush.
func (w *CellWriter) Write(cells []string) error {
	guarded := make([]string, len(cells))
	for i, cell := range cells {
		guarded[i] = guardCell(cell)
	}
	if err := w.out.Write(guarded); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// Flush writes what is still held back, and returns the first error of all.
func (w *CellWriter) Flush() error {
	w.out.Flush()
	if err := w.out.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}
