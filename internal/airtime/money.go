package airtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MaxMinor is the largest amount in minor units. It leaves room for nine million such amounts in
// one int64 total, and is itself exact in the doubles that Redis scripts calculate with.
const MaxMinor int64 = 1_000_000_000_000

// Errors of ParseAmount. None repeats the text: it may be a phone number in the wrong place.
var (
	errAmountShape = errors.New("must be a plain decimal such as 10 or 10.50")
	errAmountZero  = errors.New("must be greater than zero")
	errAmountLarge = errors.New("is too large")
)

// Money is an amount in integer minor units of its currency (KES 10.50 is 1050).
type Money struct {
	Minor    int64
	Currency Currency
}

// ParseAmount reads a plain decimal amount: digits, and optionally a point with as many decimals as
// the currency has at most. An error is returned for anything else (signs, exponents, spaces,
// separators), for zero, for amounts above MaxMinor and for currencies that are not known.
func ParseAmount(text string, c Currency) (Money, error) {
	money, err := ParseBound(text, c)
	if err == nil && money.Minor == 0 {
		return Money{}, errAmountZero
	}
	return money, err
}

// ParseBound is ParseAmount for the bound of a sum, which may be zero.
func ParseBound(text string, c Currency) (Money, error) {
	decimals, known := c.Decimals()
	if !known {
		return Money{}, errors.New("currency is not known")
	}
	whole, fraction, pointed := strings.Cut(text, ".")
	if !allDigits(whole) || pointed && !allDigits(fraction) {
		return Money{}, errAmountShape
	}
	if len(fraction) > decimals {
		return Money{}, fmt.Errorf("has more decimals than %s has (%d)", c, decimals)
	}
	minor, err := scaled(whole, fraction, decimals)
	if err != nil {
		return Money{}, err
	}
	return Money{Minor: minor, Currency: c}, nil
}

// scaled turns the digits before and after the point into minor units.
func scaled(whole, fraction string, decimals int) (int64, error) {
	var minor int64
	for _, part := range [...]string{whole, fraction} {
		for _, digit := range []byte(part) {
			minor = minor*10 + int64(digit-'0')
			if minor > MaxMinor {
				return 0, errAmountLarge
			}
		}
	}
	for range decimals - len(fraction) {
		minor *= 10
	}
	if minor > MaxMinor {
		return 0, errAmountLarge
	}
	return minor, nil
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// Decimal returns the amount without the currency, with exactly the currency's decimals: "10.00".
func (m Money) Decimal() string { return FormatMinor(m.Minor, m.Currency) }

// Short returns the amount with decimals only where there are any: "10", "10.50". It is what goes
// on provider wires.
func (m Money) Short() string {
	text := m.Decimal()
	whole, fraction, pointed := strings.Cut(text, ".")
	if pointed && strings.Trim(fraction, "0") == "" {
		return whole
	}
	return text
}

// String returns the amount with its currency: "KES 10.00".
func (m Money) String() string { return string(m.Currency) + " " + m.Decimal() }

// FormatMinor writes minor units with exactly the currency's decimals: 1050 of KES is "10.50". It
// may be negative. Minor units of an unknown currency are written as "1050 minor", which nobody can
// take for an amount.
func FormatMinor(minor int64, c Currency) string {
	decimals, known := c.Decimals()
	if !known {
		return strconv.FormatInt(minor, 10) + " minor"
	}
	digits := strconv.FormatInt(minor, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if decimals == 0 {
		return sign + digits
	}
	if missing := decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - decimals
	return sign + digits[:point] + "." + digits[point:]
}

// SumsText writes sums in minor units per currency, in the order of their names: "KES 60.00, UGX
// 500".
func SumsText(minor map[Currency]int64) string {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(minor)) {
		parts = append(parts, Money{Minor: minor[c], Currency: c}.String())
	}
	return strings.Join(parts, ", ")
}
