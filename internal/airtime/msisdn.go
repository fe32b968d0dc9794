package airtime

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// maxDigits is the longest number that E.164 allows; maxNumberText bounds what is read at all.
const (
	maxDigits     = 15
	maxNumberText = 40
)

const (
	kenya          = "254"
	kenyanDigits   = 12 // 254 and nine more.
	nationalDigits = 9
)

var (
	errNumberEmpty = errors.New("is empty")
	errNumberText  = errors.New("may hold only digits, spaces, dashes, brackets and a leading +")
	errNumberLong  = errors.New("is too long for a phone number")
	errBrackets    = errors.New("has brackets that do not match")
)

// MSISDN is a mobile number in E.164 digits without the plus sign. Printing it in any way shows it
// masked (254711•••000); Digits gives the number itself. The zero value is no number. Where a
// number was erased, it is what stands for it: see ParseErased.
type MSISDN struct {
	digits string
}

// ParseMSISDN reads a mobile number: 07…, 01…, 7…, 1…, 254… and +254… for Kenya, country code and
// number with or without + for other countries. Spaces, dashes and matching brackets between the
// digits are fine. An error is returned for everything else, above all for what phone libraries
// would quietly repair into some real subscriber; it never shows the full number.
func ParseMSISDN(text string) (MSISDN, error) {
	var buffer [maxDigits]byte
	digits, plus, err := readDigits(buffer[:0], text)
	if err != nil {
		return MSISDN{}, err
	}
	switch {
	case len(digits) == 0:
		return MSISDN{}, errNumberEmpty
	case string(digits[:min(3, len(digits))]) == kenya:
		if len(digits) != kenyanDigits {
			return MSISDN{}, numberError(digits, "has not nine digits after 254")
		}
		return kenyanMobile(digits, digits[len(kenya):])
	case plus:
		return foreignMobile(digits)
	case digits[0] == '0':
		if len(digits) != nationalDigits+1 || digits[1] != '7' && digits[1] != '1' {
			return MSISDN{}, numberError(digits, "is not a mobile number (07… or 01…, ten digits)")
		}
		return kenyanMobile(digits, digits[1:])
	case len(digits) == nationalDigits && (digits[0] == '7' || digits[0] == '1'):
		return kenyanMobile(digits, digits)
	default:
		return foreignMobile(digits)
	}
}

// MSISDNFromE164 wraps digits that ParseMSISDN has let through before: it is for reading our own
// store and checks nothing.
func MSISDNFromE164(digits string) MSISDN { return MSISDN{digits} }

// erasedPrefix begins what stands for a number that was erased, erasedLetters is how many letters
// from a to p follow: lua/include/erased.lua in internal/state makes them.
const (
	erasedPrefix  = "erased-"
	erasedLetters = 16
)

// ParseErased reads what stands for a number that was erased, such as erased-kcambpidgolhnfje.
func ParseErased(text string) (MSISDN, bool) {
	letters, found := strings.CutPrefix(text, erasedPrefix)
	if !found || len(letters) != erasedLetters || strings.Trim(letters, "abcdefghijklmnop") != "" {
		return MSISDN{}, false
	}
	return MSISDN{text}, true
}

// Erased reports whether m stands for a number that was erased.
func (m MSISDN) Erased() bool { return strings.HasPrefix(m.digits, erasedPrefix) }

// masked is what is shown of a number; of what stands for one all.
func (m MSISDN) masked() string {
	if m.Erased() {
		return m.digits
	}
	return mask(m.digits)
}

// readDigits appends the digits of text to digits and reports a leading plus sign.
func readDigits(digits []byte, text string) (_ []byte, plus bool, err error) {
	if len(text) > maxNumberText {
		return nil, false, errNumberLong
	}
	open := -1 // Where the open bracket is, in digits; -1 when none is open.
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			if len(digits) == maxDigits {
				return nil, false, errNumberLong
			}
			digits = append(digits, c)
		case c == '+' && !plus && len(digits) == 0 && open < 0:
			plus = true
		case c == '(' && open < 0:
			open = len(digits)
		case c == ')' && open >= 0 && len(digits) > open:
			open = -1
		case c == '(' || c == ')':
			return nil, false, errBrackets
		case c != ' ' && c != '-':
			return nil, false, errNumberText
		}
	}
	if open >= 0 {
		return nil, false, errBrackets
	}
	return digits, plus, nil
}

// kenyanMobile checks the nine national digits; given is what to show when they are wrong.
func kenyanMobile(given, national []byte) (MSISDN, error) {
	if kenyanNetwork(national) == NoNetwork {
		return MSISDN{}, numberError(given, "is not a Kenyan mobile number")
	}
	var full [kenyanDigits]byte
	copy(full[:], kenya)
	copy(full[len(kenya):], national)
	return MSISDN{string(full[:])}, nil
}

// foreignMobile asks the library about a number with country code.
func foreignMobile(digits []byte) (MSISDN, error) {
	e164 := "+" + string(digits)
	number, err := phonenumbers.Parse(e164, "")
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return MSISDN{}, numberError(digits, "is not a valid number with country code")
	}
	// The library repairs what it reads, such as a trunk zero after the country code. What is
	// repaired may be somebody else's number, so nothing that it changed is taken.
	if phonenumbers.Format(number, phonenumbers.E164) != e164 {
		return MSISDN{}, numberError(digits, "is not a valid number with country code")
	}
	switch phonenumbers.GetNumberType(number) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
		return MSISDN{e164[1:]}, nil
	default:
		return MSISDN{}, numberError(digits, "is not a mobile number")
	}
}

func numberError(digits []byte, what string) error {
	return fmt.Errorf("%s %s", mask(string(digits)), what)
}

// mask hides the middle of a number: at least three digits, and all of it where little is left.
func mask(digits string) string {
	const dots, tail = "•••", 3
	switch {
	case digits == "":
		return ""
	case len(digits) < nationalDigits:
		return dots
	}
	return digits[:min(6, len(digits)-6)] + dots + digits[len(digits)-tail:]
}

// Digits returns the full number, for the wire, reports and results; never for logs or errors. Of a
// number that was erased it is what stands for it.
func (m MSISDN) Digits() string { return m.digits }

// IsZero reports whether m is no number.
func (m MSISDN) IsZero() bool { return m.digits == "" }

// Equal reports whether both are the same number; test tools that must not see inside use it.
func (m MSISDN) Equal(other MSISDN) bool { return m == other }

// String returns the masked number: 254711•••000.
func (m MSISDN) String() string { return m.masked() }

// GoString returns the masked number, for %#v.
func (m MSISDN) GoString() string { return m.masked() }

// Format writes the masked number whatever the verb, so that no %d or %x reveals it.
func (m MSISDN) Format(f fmt.State, verb rune) {
	text := m.masked()
	if verb == 'q' {
		text = `"` + text + `"`
	}
	if width, set := f.Width(); set && width > len([]rune(text)) {
		space := strings.Repeat(" ", width-len([]rune(text)))
		if f.Flag('-') {
			text += space
		} else {
			text = space + text
		}
	}
	_, _ = io.WriteString(f, text) // fmt.State reports no error that a Formatter could act on.
}

// MarshalText writes the masked number, so that a logger's encoder does not reveal it either. Code
// that stores or sends a number takes Digits.
func (m MSISDN) MarshalText() ([]byte, error) { return []byte(m.masked()), nil }

// Network returns the operator that a Kenyan number's prefix was first given to, NoNetwork for
// other countries. Numbers can be ported: it is a hint.
func (m MSISDN) Network() Network {
	if len(m.digits) != kenyanDigits || !strings.HasPrefix(m.digits, kenya) {
		return NoNetwork
	}
	return kenyanNetwork(m.digits[len(kenya):])
}
