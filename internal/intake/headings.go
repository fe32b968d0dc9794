package intake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"tuma/internal/airtime"
	"tuma/internal/nearest"
)

// synonyms are what people call the fields in their own files, as keys. None of them may mean
// anything else: "network" is whose number it is and not who is paid through, and "ref" is often
// another system's.
var synonyms = map[string]int{
	"phone": rowPhone, "phoneno": rowPhone, "phonenr": rowPhone, "phonenumbers": rowPhone,
	"mobile": rowPhone, "mobileno": rowPhone, "mobilenumber": rowPhone, "mobilephone": rowPhone,
	"mobilephonenumber": rowPhone, "msisdn": rowPhone, "tel": rowPhone, "telno": rowPhone,
	"telephone": rowPhone, "telephoneno": rowPhone, "telephonenumber": rowPhone,
	"cell": rowPhone, "cellno": rowPhone, "cellnumber": rowPhone, "cellphone": rowPhone,
	"cellphonenumber": rowPhone, "contactnumber": rowPhone, "contactphone": rowPhone,
	"simu": rowPhone, "nambariyasimu": rowPhone,
	"value": rowAmount, "airtime": rowAmount, "airtimeamount": rowAmount,
	"airtimevalue": rowAmount, "amt": rowAmount, "amountofairtime": rowAmount,
	"topup": rowAmount, "topupamount": rowAmount, "denomination": rowAmount, "kiasi": rowAmount,
	"currencycode": rowCurrency, "campaignname": rowCampaign, "recipientid": rowID,
}

// headingKey is what of a heading counts: its letters and digits, in small letters.
func headingKey(heading string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, heading)
}

// fieldOf finds the field that a heading names, -1 when it is none. The heading of an amount may
// say its currency: "Amount (KES)".
func fieldOf(heading string) (field int, currency string) {
	key := headingKey(heading)
	if field = fieldOfKey(key); field >= 0 {
		return field, ""
	}
	cut := len(key) - len("kes")
	if cut <= 0 {
		return -1, ""
	}
	currency = currencyOf(key[cut:])
	if currency != "" && fieldOfKey(strings.TrimSuffix(key[:cut], "in")) == rowAmount {
		return rowAmount, currency
	}
	return -1, ""
}

// fieldOfKey finds the field that a key names by itself.
func fieldOfKey(key string) int {
	if field, known := synonyms[key]; known {
		return field
	}
	return slices.IndexFunc(rowFields, func(name string) bool { return headingKey(name) == key })
}

// currencyOf is the currency that a word names in any case, empty when it names none.
func currencyOf(word string) string {
	word = strings.ToUpper(word)
	switch {
	case word == "KSH":
		return "KES"
	case airtime.Currency(word).Known():
		return word
	default:
		return ""
	}
}

// Columns that are no field.
const (
	columnIgnored = -1 // Whatever it holds.
	columnUnnamed = -2 // It has no heading, and must hold nothing.
)

// layout says what the columns of a table are.
type layout struct {
	columns  []int  // The field of each column.
	currency string // What the heading of the amount says.
	report   bool   // It is a report: its references are old.
	ignored  []string
}

// layoutOf finds the columns of a table by its headings, in the file or as the options name them.
func layoutOf(headings []string, options Options) (layout, error) {
	l := layout{columns: make([]int, len(headings)), report: isReport(headings)}
	if !named(headings, options.Map) {
		return l, errors.New("there is no header: the first row must name the columns, at least " +
			"phone_number and amount (--map says which they are under other headings)")
	}
	if err := l.take(headings, options.Map); err != nil {
		return l, err
	}
	extra := l.extra(headings)
	if len(extra) > 0 && options.Map == nil && !options.IgnoreExtra {
		return l, unknownColumns(headings, extra)
	}
	for _, i := range extra {
		l.columns[i] = columnIgnored
		l.ignored = append(l.ignored, columnName(headings, i))
	}
	if options.Map != nil || options.IgnoreExtra {
		for i, column := range l.columns {
			if column == columnUnnamed {
				l.columns[i] = columnIgnored
			}
		}
	}
	return l, l.complete()
}

// columnUnknown is a heading that is no field.
const columnUnknown = -3

// take gives the columns their fields: those of the mapping first, then the others by heading.
func (l *layout) take(headings []string, mapping Mapping) error {
	from := map[int]int{} // The columns by their fields.
	for i := range headings {
		l.columns[i] = columnUnknown
	}
	for _, field := range sortedFields(mapping) {
		i, err := mapping.find(field, headings)
		if err != nil {
			return err
		}
		if before := l.columns[i]; before != columnUnknown {
			return mapError("%s and %s are both %s", rowFields[before], field, shown(headings[i]))
		}
		l.columns[i] = slices.Index(rowFields, field)
		from[l.columns[i]] = i
	}
	for i, heading := range headings {
		if l.columns[i] != columnUnknown {
			continue
		}
		field, currency := fieldOf(heading)
		_, mapped := mapping[fieldName(field)]
		switch {
		case heading == "":
			l.columns[i] = columnUnnamed
			continue
		case headingKey(heading) == reasonField,
			l.report && slices.Contains(reportFields, foldHeading(heading)):
			l.columns[i] = columnIgnored
			continue
		case field < 0, mapped, field == rowStatus && !l.report:
			continue
		}
		if before, taken := from[field]; taken {
			return fmt.Errorf("the columns %s and %s are both %s: keep one of them in the header, "+
				"or say which it is with --map %s=COLUMN", shownName(headings[before]),
				shownName(heading), rowFields[field], rowFields[field])
		}
		from[field], l.columns[i] = i, field
		if field == rowAmount {
			l.currency = currency
		}
	}
	return nil
}

// fieldName is the name of a field, empty for none.
func fieldName(field int) string {
	if field < 0 {
		return ""
	}
	return rowFields[field]
}

// foldHeading writes a heading as Tuma writes its own.
func foldHeading(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), " ", "_")
}

// isField reports whether a heading names a field, by itself or by the mapping.
func isField(heading string, mapping Mapping) bool {
	field, _ := fieldOf(heading)
	return field >= 0 || slices.ContainsFunc(slices.Collect(maps.Values(mapping)),
		func(column string) bool { return headingKey(column) == headingKey(heading) })
}

// named reports whether a first row has headings: one of them is a field, or none is a number.
func named(headings []string, mapping Mapping) bool {
	numbers := false
	for _, heading := range headings {
		if isField(heading, mapping) {
			return true
		}
		key := headingKey(heading)
		numbers = numbers || key != "" && strings.IndexFunc(key, isNoDigit) < 0
	}
	return !numbers
}

func isNoDigit(c rune) bool { return !unicode.IsDigit(c) }

// extra are the columns that are no field.
func (l *layout) extra(headings []string) (extra []int) {
	for i := range headings {
		if l.columns[i] == columnUnknown {
			extra = append(extra, i)
		}
	}
	return extra
}

// complete refuses a header that lacks a column that is needed.
func (l *layout) complete() error {
	for _, field := range []int{rowPhone, rowAmount} {
		if slices.Contains(l.columns, field) {
			continue
		}
		return fmt.Errorf("the header has no column %s; it needs phone_number and amount "+
			"(--map %s=COLUMN says which it is under another heading)", rowFields[field],
			rowFields[field])
	}
	return nil
}

// columnName shows a column by its heading, or by its number.
func columnName(headings []string, i int) string {
	if headings[i] == "" {
		return fmt.Sprintf("number %d, which has no heading", i+1)
	}
	return shownName(headings[i])
}

// nearestField is the field that a heading may have meant.
func nearestField(heading string) string {
	var keys, fields []string
	for i, name := range rowChoice {
		words := []string{headingKey(name)}
		for _, word := range slices.Sorted(maps.Keys(synonyms)) {
			if synonyms[word] == i {
				words = append(words, word)
			}
		}
		for _, word := range words {
			keys, fields = append(keys, word), append(fields, name)
		}
	}
	return fields[slices.Index(keys, nearest.Of(headingKey(heading), keys))]
}

// maxNamedColumns bounds how many columns an error names.
const maxNamedColumns = 20

// unknownColumns is the error that names the columns that are no field, each with the nearest one.
func unknownColumns(headings []string, extra []int) error {
	var texts []string
	for n, i := range extra {
		if n == maxNamedColumns {
			texts = append(texts, fmt.Sprintf("and %d more", len(extra)-n))
			break
		}
		texts = append(texts, fmt.Sprintf("%s (the nearest field is %s)", shownName(headings[i]),
			nearestField(headings[i])))
	}
	word := "column"
	if len(extra) > 1 {
		word = "columns"
	}
	return fmt.Errorf("unknown %s %s; known: %s; the header needs phone_number and amount; say "+
		"what a column is with --map FIELD=COLUMN, or leave out what is no field with "+
		"--ignore-extra", word, strings.Join(texts, ", "), strings.Join(rowChoice, ", "))
}
