package intake

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tuma/internal/nearest"
)

// Mapping says which column of another's file is which field: the headings by the fields' names.
type Mapping map[string]string

// OptionError is returned for an option that does not fit the file, or says nothing that can be.
type OptionError struct {
	// Option is the option's name: "map", "sheet" or "ignore-extra".
	Option string
	Err    error
}

// Error names the option and what is wrong with it.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the option.
func (e *OptionError) Unwrap() error { return e.Err }

func mapError(format string, values ...any) error {
	return &OptionError{"map", fmt.Errorf(format, values...)}
}

// ParseMapping reads FIELD=COLUMN pairs with commas between them. A column whose heading holds a
// comma or a quote stands in double quotes, and quotes within it are doubled. An OptionError is
// returned for a field that there is not, or that is named twice.
func ParseMapping(text string) (Mapping, error) {
	mapping := Mapping{}
	for rest := text; rest != ""; {
		field, after, found := strings.Cut(rest, "=")
		field = strings.TrimSpace(field)
		if !found {
			return nil, mapError("%s is no pair FIELD=COLUMN", shown(rest))
		}
		known := slices.IndexFunc(rowChoice, func(name string) bool {
			return headingKey(name) == headingKey(field)
		})
		if known < 0 {
			return nil, mapError("%s is no field; the nearest is %s; fields: %s", shown(field),
				nearestField(field), strings.Join(rowChoice, ", "))
		}
		field = rowChoice[known]
		column, left, err := cutColumn(after)
		switch {
		case err != nil:
			return nil, mapError("%s: %w", field, err)
		case column == "":
			return nil, mapError("%s: names no column", field)
		case mapping[field] != "":
			return nil, mapError("%s is there twice", field)
		}
		mapping[field], rest = column, left
	}
	if len(mapping) == 0 {
		return nil, mapError("names no column: FIELD=COLUMN, with commas between several")
	}
	return mapping, nil
}

// cutColumn cuts a heading, quoted or not, off the pairs that follow it.
func cutColumn(text string) (column, rest string, err error) {
	text = strings.TrimLeft(text, " ")
	if !strings.HasPrefix(text, `"`) {
		column, rest, _ = strings.Cut(text, ",")
		return trimCell(column), rest, nil
	}
	column, rest, err = unquote(text[1:], ',')
	return trimCell(column), strings.TrimPrefix(rest, ","), err
}

// find returns which of the headings is the field's column; -1 when the mapping does not name it.
func (m Mapping) find(field string, headings []string) (int, error) {
	column, named := m[field]
	if !named {
		return -1, nil
	}
	var alike []int
	for i, heading := range headings {
		if heading == column {
			return i, nil
		}
		if headingKey(heading) == headingKey(column) {
			alike = append(alike, i)
		}
	}
	switch len(alike) {
	case 1:
		return alike[0], nil
	case 0:
		if closest := nearest.Of(column, headings); closest != "" {
			return -1, mapError("%s: the file has no column %s; the nearest is %s", field,
				shown(column), shown(closest))
		}
		return -1, mapError("%s: the file has no column %s", field, shown(column))
	default:
		return -1, mapError("%s: %s could be any of %d columns: write it as in the file", field,
			shown(column), len(alike))
	}
}

// check refuses a mapping whose fields are not those of rows, or of which two share a column.
func (m Mapping) check() error {
	fields := map[string]string{}
	for _, field := range sortedFields(m) {
		if !slices.Contains(rowChoice, field) {
			return mapError("%s is no field; fields: %s", shown(field), strings.Join(rowChoice, ", "))
		}
		if before := fields[m[field]]; before != "" {
			return mapError("%s and %s are both %s", before, field, shown(m[field]))
		}
		fields[m[field]] = field
	}
	return nil
}

// sortedFields are the fields of a mapping, in the same order whenever it is asked for.
func sortedFields(m Mapping) []string {
	var fields []string
	for field := range m {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	return fields
}

// errNoColumns is returned for options about columns where a file has none.
var errNoColumns = errors.New("JSON Lines have no columns: it is for CSV and XLSX")
