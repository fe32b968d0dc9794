package airtime

import (
	"regexp"
	"strings"
)

// Spelling finds a phone number in texts of any origin, in every way of writing it that
// ParseMSISDN takes.
type Spelling struct{ written *regexp.Regexp }

// between is what people and URLs write between the digits of a number.
const between = `(?:[ .()/\x{2010}\x{2011}\x{a0}-]|%20|%2D){0,3}`

// SpellingOf is that of a number. The zero value and what stands for an erased number have none.
func SpellingOf(phone MSISDN) Spelling {
	if phone.IsZero() || phone.Erased() {
		return Spelling{}
	}
	international := `(?:(?:\+|00)` + between + `)?`
	pattern := international + spaced(phone.digits)
	if national, kenyan := strings.CutPrefix(phone.digits, kenya); kenyan {
		pattern = `(?:` + international + spaced(kenya) + between + `|\(?0\)?` + between + `)?` +
			spaced(national)
	}
	return Spelling{regexp.MustCompile(pattern)}
}

// spaced is a pattern of digits with anything of between after each but the last.
func spaced(digits string) string { return strings.Join(strings.Split(digits, ""), between) }

// Replace puts another text in the place of the number, wherever it stands alone and not within
// more digits.
func (s Spelling) Replace(text, by string) string {
	if s.written == nil || countDigits(text) < nationalDigits {
		return text
	}
	var out strings.Builder
	at := 0
	for _, found := range s.written.FindAllStringIndex(text, -1) {
		if digitAt(text, found[0]-1) || digitAt(text, found[1]) {
			continue
		}
		out.WriteString(text[at:found[0]])
		out.WriteString(by)
		at = found[1]
	}
	out.WriteString(text[at:])
	return out.String()
}

// In reports whether the number stands in a text.
func (s Spelling) In(text string) bool { return s.Replace(text, "") != text }

func digitAt(text string, at int) bool {
	return at >= 0 && at < len(text) && text[at] >= '0' && text[at] <= '9'
}
