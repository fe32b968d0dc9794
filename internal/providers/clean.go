package providers

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"tuma/internal/airtime"
)

// MaxMessage is the longest message kept of a provider's text, in bytes.
const MaxMessage = 200

const (
	mask         = "•••"
	minPhone     = 9 // Digits in a row, separators left out, that may be a phone number.
	shownDigits  = 3
	maxSeparator = 2 // "(0711) 000-000" has two characters between its digits.
)

// Clean makes a provider's text fit to be shown: secrets and everything that looks like a phone
// number are masked, control characters become spaces, and at most MaxMessage bytes are kept. Too
// much is masked rather than too little, a long date for example.
func Clean(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		text = strings.ReplaceAll(text, secret, mask)
		text = strings.ReplaceAll(text, url.QueryEscape(secret), mask)
	}
	text = airtime.Line(text, len(text))
	if countDigits(text) >= minPhone {
		text = maskNumbers(text)
	}
	return airtime.Line(text, MaxMessage)
}

// countDigits says whether there can be a phone number at all: mostly not, and a thousand texts
// come with one answer.
func countDigits(text string) int {
	digits := 0
	for _, r := range text {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return digits
}

// maskNumbers replaces every run of at least minPhone digits by its last three.
func maskNumbers(text string) string {
	var out strings.Builder
	kept := 0
	for at := 0; at < len(text); {
		if r, size := utf8.DecodeRuneInString(text[at:]); !unicode.IsDigit(r) {
			at += size
			continue
		}
		run := digitRun(text[at:])
		if run.digits >= minPhone {
			out.WriteString(text[kept:at])
			out.WriteString(mask)
			out.WriteString(string(run.last[:]))
			kept = at + run.length
		}
		at += run.length
	}
	if kept == 0 {
		return text
	}
	out.WriteString(text[kept:])
	return out.String()
}

type numberRun struct {
	length, digits int
	last           [shownDigits]rune
}

// digitRun measures the digits at the start of text, up to the last digit of the run.
func digitRun(text string) numberRun {
	var run numberRun
	separators := 0
	for at, r := range text {
		switch {
		case unicode.IsDigit(r):
			separators = 0
			run.digits++
			run.length = at + utf8.RuneLen(r)
			copy(run.last[:], run.last[1:])
			run.last[shownDigits-1] = r
		case separators < maxSeparator && strings.ContainsRune(" -.()/\u2010\u2011\u00a0", r):
			separators++
		default:
			return run
		}
	}
	return run
}
