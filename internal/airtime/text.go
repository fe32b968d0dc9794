package airtime

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// noNumber finds what has as many digits as a phone number and is none: UUIDs, hashes, times and
// dates, durations, amounts and addresses.
var noNumber = regexp.MustCompile(
	`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}\b` +
		`|\b[0-9a-f]{32,}\b` +
		`|\b(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])` +
		`(?:[T ][0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?\b` +
		`|\b\d{1,4}\.\d{1,9}(?:s|ms|µs)\b` +
		`|\b(?:[1-9]\d{0,8}\.\d\d|0\.\d{1,8})\b` +
		`|\b\d{1,3}(?:\.\d{1,3}){3}\b`)

// digitRuns finds digits with what people and URLs write between them, and, so that they are not
// taken for digits, what URLs write for other characters.
var digitRuns = regexp.MustCompile(`%[0-9A-Fa-f]{2}` +
	`|\p{Nd}+(?:(?:[ +.()/\x{2010}\x{2011}\x{a0}-]|%[2-9A-F][0-9A-F]){1,3}\p{Nd}+)*`)

// urlEscape is what a URL writes for one character.
var urlEscape = regexp.MustCompile(`%[2-9A-F][0-9A-F]`)

// Prefixes of numbers as people write them, and how many digits such a number has at least.
var written = []struct {
	prefix string
	digits int
}{
	{kenya, kenyanDigits},
	{"07", nationalDigits + 1},
	{"01", nationalDigits + 1},
	{"00", maxDigits - 4},
}

// MaskText masks what looks like a phone number in a text of any origin: nine digits or more in a
// row, and fewer in a row where together they read like one (0711 000-000, +254 (711) 000.000).
// UUIDs, hashes, times, amounts and addresses stay. It is the last line of defence, for logs and
// the dashboard: what is known to be a number is an MSISDN, and masks itself.
func MaskText(text string) string {
	if countDigits(text) < nationalDigits {
		return text
	}
	var out strings.Builder
	at := 0
	for _, found := range noNumber.FindAllStringIndex(text, -1) {
		if harmless(text, found[0], found[1]) {
			maskRuns(&out, text[at:found[0]])
			out.WriteString(text[found[0]:found[1]])
			at = found[1]
		}
	}
	maskRuns(&out, text[at:])
	return out.String()
}

func countDigits(text string) int {
	n := 0
	for _, r := range text {
		if unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

// harmless takes a second look at what noNumber has found in text[from:to].
func harmless(text string, from, to int) bool {
	found, before, after := text[from:to], text[:from], text[to:]
	switch address, err := netip.ParseAddr(found); {
	case err == nil && address.Is4():
		return address.As4()[0] < 0xf0 // No host has 254.7…; Kenya has.
	case strings.Count(found, ".") == 3, strings.HasSuffix(before, "+"):
		return false
	case strings.ContainsAny(found, "-:"): // A UUID or a time.
		return true
	case strings.Contains(found, "."): // One of many groups is no amount and no duration.
		first, _ := utf8.DecodeRuneInString(strings.TrimLeft(after, " .-/()"))
		last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(before, " .-/()"))
		return !unicode.IsDigit(first) && !unicode.IsDigit(last)
	default:
		return strings.ContainsAny(found, "abcdef") && !strings.Contains(found, kenya+"7") &&
			!strings.Contains(found, kenya+"1")
	}
}

// maskRuns writes text with its phone numbers masked.
func maskRuns(out *strings.Builder, text string) {
	at := 0
	for _, found := range digitRuns.FindAllStringIndex(text, -1) {
		run := urlEscape.ReplaceAllString(text[found[0]:found[1]], " ")
		marked := found[0] > 0 && strings.ContainsAny(text[found[0]-1:found[0]], "+(")
		if !readsAsNumber(run, marked) {
			continue
		}
		out.WriteString(text[at:found[0]])
		out.WriteString(maskRun(run))
		at = found[1]
	}
	out.WriteString(text[at:])
}

// readsAsNumber reports whether a run of digits holds a phone number. A plus sign or bracket before
// it marks it as one.
func readsAsNumber(run string, marked bool) bool {
	blocks := strings.FieldsFunc(run, func(r rune) bool { return !unicode.IsDigit(r) })
	total := countDigits(run)
	if total < nationalDigits {
		return false
	}
	digits := asciiDigits(run)
	if marked || len(digits) < total {
		return true
	}
	for _, block := range blocks {
		if len(block) >= nationalDigits || startsAsNumber(digits) {
			return true
		}
		digits = digits[len(block):]
	}
	return false
}

func startsAsNumber(digits string) bool {
	for _, w := range written {
		if strings.HasPrefix(digits, w.prefix) && len(digits) >= w.digits {
			return true
		}
	}
	_, err := ParseMSISDN(digits)
	return err == nil
}

// maskRun masks digits and what is between them; of other scripts' digits nothing is shown.
func maskRun(run string) string {
	if digits := asciiDigits(run); len(digits) == countDigits(run) {
		return mask(digits)
	}
	return mask("0")
}

// asciiDigits keeps the digits 0 to 9.
func asciiDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// Line makes a text from outside fit for one line of a report: what cannot be printed (control
// characters, C1 and what turns the direction of writing included, and what is no UTF-8) becomes a
// space, and at most limit bytes are kept, without halving a character. It is the one reader of
// words and ids that others wrote.
func Line(text string, limit int) string {
	if !printableASCII(text) {
		text = strings.Map(printable, strings.ToValidUTF8(text, " "))
	}
	return strings.TrimSpace(cut(strings.TrimSpace(text), limit))
}

// Printable reports whether Line would keep a text as it is, but for its length.
func Printable(text string) bool { return Line(text, len(text)) == text }

// printableASCII tells what most texts are without looking at them character by character.
func printableASCII(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// printable keeps what can be printed. The space is the only one of its kind.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// cut shortens text to at most limit bytes without halving a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
