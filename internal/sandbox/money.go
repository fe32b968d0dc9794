package sandbox

import (
	"errors"
	"strconv"
	"strings"
)

// Cents is an amount in hundredths of the currency.
type Cents int64

// String writes the amount with two decimals, such as "10.50".
func (c Cents) String() string {
	text := strconv.AppendInt(nil, int64(c/100), 10)
	return string(append(text, '.', byte('0'+c/10%10), byte('0'+c%10)))
}

// MarshalText writes the amount as String does.
func (c Cents) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes. An error is returned when the text is not a decimal
// with at most two decimals.
func (c *Cents) UnmarshalText(text []byte) error {
	value, err := parseCents(string(text))
	if err != nil {
		return err
	}
	*c = value
	return nil
}

// parseCents reads a decimal such as "10" or "10.50" exactly.
func parseCents(text string) (Cents, error) {
	wrong := errors.New("want a decimal string with at most two decimals")
	whole, part, pointed := strings.Cut(text, ".")
	if whole == "" || len(whole) > 12 || pointed && (part == "" || len(part) > 2) {
		return 0, wrong
	}
	var value Cents
	for i := range len(whole) + 2 {
		digit := byte('0')
		switch {
		case i < len(whole):
			digit = whole[i]
		case i-len(whole) < len(part):
			digit = part[i-len(whole)]
		}
		if digit < '0' || digit > '9' {
			return 0, wrong
		}
		value = value*10 + Cents(digit-'0')
	}
	return value, nil
}

// appendNumber writes an amount the way JSON encoders write numbers: 10, 10.5, 10.05.
func appendNumber(dst []byte, c Cents) []byte {
	dst = strconv.AppendInt(dst, int64(c/100), 10)
	if c%100 == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+c/10%10))
	if c%10 == 0 {
		return dst
	}
	return append(dst, byte('0'+c%10))
}

// shillings writes an amount as the pages do where they show two decimals: "KES 10.00".
func shillings(c Cents) string { return Currency + " " + c.String() }

// parseShillings reads the currency, one space and a decimal, such as "KES 10.50". An error is
// returned when the text is anything else.
func parseShillings(text string) (Cents, error) {
	number, found := strings.CutPrefix(text, Currency+" ")
	if !found {
		return 0, errors.New("want " + Currency + " and a decimal")
	}
	return parseCents(number)
}
