package providers

import (
	"strings"

	"tuma/internal/airtime"
)

// Sums are what a provider says about the money of one recipient, beside its verdict or status.
// None of it is ever a reason to doubt a payment.
type Sums struct {
	// Amount is the amount that it names. Its currency is empty where it names none, and where it
	// names one in another currency than the recipient's: that of a wallet.
	Amount airtime.Money
	// Discount is what it takes off, as airtime.ParseDiscount spells it; empty where it says nothing.
	Discount string
	// OddAmount and OddDiscount say that there stands something that cannot be read as such.
	OddAmount, OddDiscount bool
}

// ReadSums reads what stands in the fields of the amount and the discount, for a recipient of that
// currency. Without a currency in front they are in it.
func ReadSums(amount, discount Scalar, currency airtime.Currency) Sums {
	var sums Sums
	if text := textOrEmpty(amount); text != "" && !otherCurrency(text, currency) {
		money, err := ReadMoney(text, currency)
		sums.Amount, sums.OddAmount = money, err != nil
	}
	if text := textOrEmpty(discount); text != "" {
		number, own := text, true
		if code, rest, spaced := strings.Cut(text, " "); spaced {
			number, own = strings.TrimSpace(rest), airtime.Currency(code) == currency
		}
		spelt, err := airtime.ParseDiscount(number)
		sums.OddDiscount = err != nil || !own
		if !sums.OddDiscount {
			sums.Discount = spelt
		}
	}
	return sums
}

// otherCurrency reports whether an amount is in another currency than the recipient's.
func otherCurrency(text string, currency airtime.Currency) bool {
	code, _, spaced := strings.Cut(text, " ")
	return spaced && airtime.Currency(code) != currency && airtime.Currency(code).Known()
}

// textOrEmpty returns a text, or nothing where providers write a word for nothing.
func textOrEmpty(text Scalar) string {
	switch trimmed := text.Trimmed(); strings.ToLower(trimmed) {
	case "none", "null":
		return ""
	default:
		return trimmed
	}
}

// Other is the amount that the provider names where it is not the one that was sent, without a
// currency otherwise. Zero is nobody's amount where nobody is paid: a failure may say it.
func (s Sums) Other(sent airtime.Money, paid bool) airtime.Money {
	if s.Amount.Currency == "" || s.Amount == sent || s.Amount.Minor == 0 && !paid {
		return airtime.Money{}
	}
	return s.Amount
}
