package sandbox

import "fmt"

// How answers, queries and callbacks name the amount of a recipient. The ledger holds what was
// paid, which is what was asked for.
const (
	NameAsked     = "asked"     // as asked
	NameOther     = "other"     // one shilling more
	NameMalformed = "malformed" // a text that is no amount
)

// How they name a discount.
const (
	DiscountDocumented = "documented" // as the page's samples: 4 % or 0.4 %, at Sozuri 0
	DiscountGiven      = "given"      // at Sozuri 0.6 %, as "KES 0.0600"
	DiscountMalformed  = "malformed"  // a text that is no amount
)

// noAmount is the malformed amount and discount.
const noAmount = "KES ten"

// otherBy is how much more another amount is.
const otherBy = 1_00

// amount is an amount as it is named, written by write.
func (f *Faults) amount(c Cents, write func(Cents) string) string {
	switch f.Amounts {
	case NameOther:
		return write(c + otherBy)
	case NameMalformed:
		return noAmount
	}
	return write(c)
}

// discount is a discount as it is named; documented is the page's.
func (f *Faults) discount(documented string) string {
	if f.Discounts == DiscountMalformed {
		return noAmount
	}
	return documented
}

// sozuriDiscount is the discount of an amount at Sozuri.
func (f *Faults) sozuriDiscount(c Cents) string {
	if f.Discounts == DiscountGiven {
		units := int64(c) * 6 / 10 // 0.6 %, in ten-thousandths.
		return fmt.Sprintf("%s %d.%04d", Currency, units/10_000, units%10_000)
	}
	return f.discount("KES 0.00")
}

// bareAmount is an amount as it is named where the page has a JSON number.
func (f *Faults) bareAmount(c Cents) []byte {
	switch f.Amounts {
	case NameOther:
		c += otherBy
	case NameMalformed:
		return quote(noAmount)
	}
	return appendNumber(nil, c)
}
