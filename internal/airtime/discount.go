package airtime

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// discountDecimals is how many decimals of a discount providers give, whatever the currency has.
const discountDecimals = 4

// DiscountScale is how many units a discount of one has, where discounts are summed.
const DiscountScale = 10_000

// maxDiscountDigits bounds the whole part: such a sum is exact wherever it is calculated.
const maxDiscountDigits = 10

// ParseDiscount returns a discount as Tuma spells it, a plain decimal of up to four places without
// zeros that say nothing: "0.4", "0". An error is returned for anything else than a decimal of that
// kind (signs, exponents, separators, more places); it does not repeat the text.
func ParseDiscount(text string) (string, error) {
	whole, fraction, pointed := strings.Cut(text, ".")
	if !allDigits(whole) || pointed && !allDigits(fraction) {
		return "", errAmountShape
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	switch {
	case len(fraction) > discountDecimals:
		return "", errors.New("has more than four decimals")
	case len(whole) > maxDiscountDigits:
		return "", errAmountLarge
	case whole == "":
		whole = "0"
	}
	if fraction == "" {
		return whole, nil
	}
	return whole + "." + fraction, nil
}

// DiscountUnits returns a discount that ParseDiscount takes in units of DiscountScale.
func DiscountUnits(text string) (int64, error) {
	text, err := ParseDiscount(text)
	if err != nil {
		return 0, err
	}
	whole, fraction, _ := strings.Cut(text, ".")
	return strconv.ParseInt(whole+fraction+strings.Repeat("0", discountDecimals-len(fraction)), 10, 64)
}

// FormatDiscount writes a sum of discounts exactly, with at least two decimals: "4.20", "0.6125".
func FormatDiscount(units int64) string {
	text := big.NewRat(units, DiscountScale).FloatString(discountDecimals)
	for range discountDecimals - 2 {
		text = strings.TrimSuffix(text, "0")
	}
	return text
}
