package state

import (
	"fmt"
	"strings"

	"tuma/internal/airtime"
)

// booked is what a book says of a provider, a currency and a status.
type booked struct {
	provider string
	currency airtime.Currency
	// word is the name of the status, or requested for all of them.
	word              string
	recipients, minor int64
	// units are discounts in units of airtime.DiscountScale.
	units int64
}

// requested is the word for all recipients, whatever their status.
const requested = "requested"

// readBook reads a book as lua/include/figures.lua spells it.
func readBook(stored map[string]string) ([]booked, error) {
	list := make([]booked, 0, len(stored))
	for field, figures := range stored {
		words := strings.Fields(field)
		if len(words) != 3 {
			return nil, fmt.Errorf("book: %q names no provider, currency and status", field)
		}
		b := booked{provider: words[0], currency: airtime.Currency(words[1]), word: words[2]}
		if _, err := fmt.Sscan(figures, &b.recipients, &b.minor, &b.units); err != nil {
			return nil, fmt.Errorf("book: %s is %q, want three figures: %w", field, figures, err)
		}
		list = append(list, b)
	}
	return list, nil
}

// figuresOf reads a book as Stats.Book has it.
func figuresOf(stored map[string]string) (map[string]int64, error) {
	lines, err := readBook(stored)
	if err != nil {
		return nil, err
	}
	figures := make(map[string]int64, 2*len(lines))
	for _, b := range lines {
		field := fmt.Sprintf("%s %s %s", b.provider, b.currency, b.word)
		figures[field], figures[field+" minor"] = b.recipients, b.minor
		if b.units != 0 {
			figures[field+" discount"] = b.units
		}
	}
	return figures, nil
}
