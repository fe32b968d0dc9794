package intake

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

var (
	// exponent is how a spreadsheet writes a number for which its column was too narrow.
	exponent = regexp.MustCompile(`^[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+$`)
	// spreadsheetError is what stands in a cell whose formula failed.
	spreadsheetError = regexp.MustCompile(`^#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!)$`)
	// floatZeros ends a whole number that was kept as a decimal.
	floatZeros = regexp.MustCompile(`^(\+?[0-9]{9,})[.,]0{1,2}$`)
)

// spoiled says why no field may take a cell, empty when it may: its text is not what was once
// written, and what was is not known.
func (c cell) spoiled(field int) string {
	kind := c.kind
	if kind == textCell && strings.HasPrefix(c.text, "#") && spreadsheetError.MatchString(c.text) {
		kind = errorCell
	}
	if kind == textCell && (field == rowPhone || field == rowAmount) &&
		strings.HasPrefix(c.text, "=") {
		kind = formulaCell
	}
	switch kind {
	case formulaCell:
		return "is a formula, whose value another program may see otherwise: copy the column and " +
			"paste its values only"
	case dateCell:
		return "is a date: a spreadsheet has taken it for one; format the column as text or number, " +
			"and write it anew"
	case errorCell:
		return "is an error of the spreadsheet: " + shown(c.text)
	case booleanCell:
		return "is TRUE or FALSE"
	case textCell, numberCell:
	}
	return ""
}

// phoneText is the text of a phone number, without what spreadsheets and telephones add to it, or
// the fault of one that has lost digits.
func phoneText(c cell) (text, fault string) {
	if strings.Trim(c.text, "0123456789") == "" {
		return c.text, "" // As most are.
	}
	text = plainSpaces(c.text)
	if c.kind == numberCell {
		text = text[strings.LastIndex(text, " ")+1:] // Its format may show a currency.
	}
	if rest, quoted := strings.CutPrefix(text, "'"); quoted && rest != "" &&
		strings.ContainsRune("+0123456789", rune(rest[0])) {
		text = rest // Whoever wrote it wanted to keep the zero.
	}
	if found := floatZeros.FindStringSubmatch(text); found != nil {
		text = found[1]
	}
	switch {
	case exponent.MatchString(text):
		return "", shown(text) + " has lost its digits in a spreadsheet: format the column as text, " +
			"or as a number without decimals, take the numbers from where they came, and save it again"
	case strings.HasPrefix(text, "-"), c.kind == numberCell && strings.Contains(text, "."):
		return "", shown(text) + " is no phone number"
	}
	return text, ""
}

// plainSpaces replaces the spaces that do not break a line by plain ones, and drops marks that are
// not seen.
func plainSpaces(text string) string {
	if strings.IndexFunc(text, func(c rune) bool { return c > unicode.MaxASCII }) < 0 {
		return text
	}
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\u00a0' || c == '\u202f' || c == '\u2007' || c == '\u2009':
			return ' '
		case unicode.Is(unicode.Cf, c):
			return -1
		default:
			return c
		}
	}, text)
}

// Shapes of amounts. Where a comma may be either, the whole file decides.
var (
	spacedAmount  = regexp.MustCompile(`^[0-9]{1,3}( [0-9]{3})+([.,][0-9]+)?$`)
	groupedAmount = regexp.MustCompile(`^[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?$`)
	commaAmount   = regexp.MustCompile(`^([0-9]+|[1-9][0-9]{0,2}(\.[0-9]{3})+),[0-9]+$`)
	// money is an amount with a currency before or after it.
	money = regexp.MustCompile(`^(?:([A-Za-z]{3})\.? ?)?([0-9].*?)(?: ?([A-Za-z]{3})\.?)?$`)
)

// amountReader reads amounts as people and spreadsheets write them, and keeps what the commas of a
// file stand for, by the lines that tell.
type amountReader struct {
	// commas says that commas may stand for decimals: no comma stands between the columns.
	commas bool
	// The first lines that use a comma for decimals, a comma for thousands, a point for decimals,
	// and a comma that may be for either.
	decimal, thousands, point, either int
}

// amountText is an amount as a plain decimal, and the currency that stands beside it, if any.
type amountText struct{ decimal, currency string }

// read reads an amount, or says why it cannot. What is no amount is returned as it is, for the scan
// to refuse.
func (a *amountReader) read(c cell, line int) (amount amountText, fault string) {
	text := plainSpaces(c.text)
	currency, number := "", text
	if !isPlainAmount(text) {
		currency, number = cutCurrency(text)
	}
	if strings.Contains(number, " ") && spacedAmount.MatchString(number) {
		number = strings.ReplaceAll(number, " ", "")
	}
	switch {
	case strings.ContainsAny(number, "eE") && exponent.MatchString(number):
		return amount, "must be a plain decimal such as 10 or 10.50: " + shown(text) + " may have " +
			"lost digits in a spreadsheet; format the column as a number, and save it again"
	case isPlainAmount(number):
		if _, fraction, pointed := strings.Cut(number, "."); pointed && len(fraction) < 3 {
			first(&a.point, line)
		}
	case groupedAmount.MatchString(number):
		a.grouped(number, line)
		number = strings.ReplaceAll(number, ",", "")
	case commaAmount.MatchString(number) && !a.commas:
		return amount, shown(text) + ": a comma stands for thousands here: write decimals with a point"
	case commaAmount.MatchString(number):
		first(&a.decimal, line)
		number = strings.Replace(strings.ReplaceAll(number, ".", ""), ",", ".", 1)
	}
	return amountText{number, currency}, ""
}

// isPlainAmount reports whether an amount has digits and a point only, as most have.
func isPlainAmount(text string) bool {
	const digits = "0123456789"
	whole, fraction, pointed := strings.Cut(text, ".")
	return strings.Trim(whole+fraction, digits) == "" && whole != "" && pointed == (fraction != "")
}

// grouped keeps what an amount with a comma before three digits tells.
func (a *amountReader) grouped(number string, line int) {
	if strings.Count(number, ",") > 1 || strings.Contains(number, ".") {
		first(&a.thousands, line)
	} else {
		first(&a.either, line)
	}
}

// first keeps the first line of a kind.
func first(kept *int, line int) {
	if *kept == 0 {
		*kept = line
	}
}

// unclear refuses a file in which a comma may stand for thousands and for decimals.
func (a *amountReader) unclear() error {
	const way = "in this file a comma may stand for thousands and for decimals; write all amounts " +
		"without separators of thousands"
	switch {
	case !a.commas:
		return nil
	case a.decimal > 0 && a.thousands > 0:
		return fmt.Errorf("line %d: amount: its comma stands for decimals, that on line %d for "+
			"thousands: %s", a.decimal, a.thousands, way)
	case a.either > 0 && (a.decimal > 0 || a.thousands == 0 && a.point == 0):
		return fmt.Errorf("line %d: amount: three digits after its comma: %s", a.either, way)
	}
	return nil
}

// rejected is how an amount is written into the file of rejects: with a comma for decimals or none.
func (a *amountReader) rejected(text string) string {
	currency, number := cutCurrency(plainSpaces(text))
	if !a.commas || !groupedAmount.MatchString(number) {
		return text
	}
	return strings.TrimSpace(currency + " " + strings.ReplaceAll(number, ",", ""))
}

// cutCurrency cuts the currency off an amount that stands beside one. A word that is no currency
// stays: then it is no amount.
func cutCurrency(text string) (currency, number string) {
	found := money.FindStringSubmatch(text)
	if found == nil || found[1] != "" && found[3] != "" {
		return "", text
	}
	if named := found[1] + found[3]; named != "" {
		if currency = currencyOf(named); currency == "" {
			return "", text
		}
	}
	return currency, found[2]
}
