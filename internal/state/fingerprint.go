package state

import (
	"crypto/sha1" //nolint:gosec // It tells texts apart in an index; Redis's Lua has no other.
	"slices"
	"strconv"

	"tuma/internal/airtime"
)

// fingerprintWidth is the length of a fingerprint in bytes: see lua/include/fingerprints.lua.
const fingerprintWidth = 2

// fingerprint says where a page has a text: the digit of the string, and what stands for it there.
type fingerprint struct {
	digit byte
	value string
}

func fingerprintOf(text string) fingerprint {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // As above.
	return fingerprint{
		digit: "0123456789abcdef"[sum[0]>>4],
		value: string([]byte{sum[0]<<4 | sum[1]>>4, sum[1]<<4 | sum[2]>>4}),
	}
}

// namesIn are the phone numbers and ids of recipients.
func namesIn(recipients []airtime.Recipient) []string {
	list := make([]string, 0, 2*len(recipients))
	for _, r := range recipients {
		list = append(list, r.Phone.Digits(), r.ID)
	}
	return list
}

// fingerprintsOf writes the fingerprints of the texts that are not empty, as
// lua/include/fingerprints.lua reads them.
func fingerprintsOf(texts []string) string {
	list := make([]fingerprint, 0, len(texts))
	for _, text := range texts {
		if text != "" {
			list = append(list, fingerprintOf(text))
		}
	}
	slices.SortStableFunc(list, func(a, b fingerprint) int { return int(a.digit) - int(b.digit) })
	text := make([]byte, 0, fingerprintWidth*len(list)+16*len("f1000:"))
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].digit == list[0].digit {
			n++
		}
		text = append(strconv.AppendInt(append(text, list[0].digit), int64(n), 10), ':')
		for _, f := range list[:n] {
			text = append(text, f.value...)
		}
		list = list[n:]
	}
	return string(text)
}

// has reports whether a string of fingerprints has this one.
func (f fingerprint) has(text string) bool {
	for at := 0; at+fingerprintWidth <= len(text); at += fingerprintWidth {
		if text[at:at+fingerprintWidth] == f.value {
			return true
		}
	}
	return false
}
