package providers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"tuma/internal/airtime"
)

// Scalar is the text of a JSON string, number or boolean. Providers mix the types of the same
// field, and an id that looks like a number must not go through a float. Null, arrays and objects
// are the empty text.
type Scalar string

// UnmarshalJSON keeps the text of any scalar as it is.
func (s *Scalar) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		inner := raw[1 : len(raw)-1]
		if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			*s = Scalar(inner)
			return nil
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*s = Scalar(text)
	case 'n', '{', '[':
		*s = ""
	default:
		*s = Scalar(raw)
	}
	return nil
}

// Trimmed returns the text without the white space around it.
func (s Scalar) Trimmed() string { return strings.TrimSpace(string(s)) }

// DecodeObject is Decode for a body that must be one JSON object. An error is returned for anything
// else.
func DecodeObject(body []byte, into any) error {
	if FirstByte(body) != '{' {
		return errors.New("the answer is no JSON object")
	}
	return Decode(body, into)
}

var (
	errRepeated = errors.New("a field is given twice")
	errCrowded  = errors.New("an object has more than 1000 fields")
)

// Decode is json.Unmarshal for what comes from a provider. An error is returned also when an object
// in it gives a field twice, in whatever case: encoding/json would take the last of the two for the
// same field, and an answer that says two things about a payment says nothing.
func Decode(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return err
	}
	return cmp.Or(checkNames(body), err)
}

// manyNames is more fields than an object of any provider has.
const manyNames = 1000

// checkNames returns an error if an object in valid JSON has two fields that encoding/json holds
// for the same one, or so many that looking for such two would take long.
func checkNames(body []byte) error {
	var names [][]byte // Of all open objects, one behind the other.
	var open []int     // Where the names of each open object begin; -1 for a list.
	isName := false    // A string would be the name of a field.
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{':
			open, isName = append(open, len(names)), true
		case '[':
			open, isName = append(open, -1), false
		case '}', ']':
			if first := open[len(open)-1]; first >= 0 {
				names = names[:first]
			}
			open, isName = open[:len(open)-1], false
		case ',':
			isName = open[len(open)-1] >= 0
		case '"':
			text, size := quoted(body[i:])
			i += size - 1
			if !isName {
				continue
			}
			isName = false
			others := names[open[len(open)-1]:]
			same := func(other []byte) bool { return bytes.EqualFold(other, text) }
			if slices.ContainsFunc(others, same) {
				return errRepeated
			}
			if len(others) == manyNames {
				return errCrowded
			}
			names = append(names, text)
		}
	}
	return nil
}

// quoted returns the text of the string that valid JSON begins with, and its length with quotes.
func quoted(body []byte) (text []byte, size int) {
	escaped := false
	for size = 1; body[size] != '"'; size++ {
		if body[size] == '\\' {
			escaped = true
			size++
		}
	}
	size++
	if !escaped {
		return body[1 : size-1], size
	}
	var name string
	if err := json.Unmarshal(body[:size], &name); err != nil {
		return body[1 : size-1], size // It is valid, so that this cannot be.
	}
	return []byte(name), size
}

// FirstByte returns the first byte of a body that is not white space, or zero.
func FirstByte(body []byte) byte {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return 0
	}
	return body[0]
}

// ReadPhone reads a number as an answer may spell it: +254…, 254…, 07…, 7…, with spaces or dashes.
// It is compared with what we sent, so nothing but the spelling is checked; ok is false for what
// has no spelling of a number.
func ReadPhone(text string) (phone airtime.MSISDN, ok bool) {
	digits := make([]byte, 0, 16)
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == ' ' || c == '-' || c == '(' || c == ')' || (c == '+' && len(digits) == 0):
		default:
			return airtime.MSISDN{}, false
		}
	}
	number := string(digits)
	number = strings.TrimPrefix(number, "00")
	if national := strings.TrimPrefix(number, "0"); len(national) == 9 {
		number = "254" + national
	}
	if len(number) < 10 || len(number) > 15 || number[0] == '0' {
		return airtime.MSISDN{}, false
	}
	return airtime.MSISDNFromE164(number), true
}

// ReadMoney reads an amount as an answer may spell it: "KES 27.6000", "27.60", "10", "0". A bare
// amount is in fallback; zero needs no currency at all. Zeros beyond the currency's decimals are
// dropped. An error is returned for a fraction that the currency cannot express and for every other
// spelling; it does not repeat the text.
func ReadMoney(text string, fallback airtime.Currency) (airtime.Money, error) {
	currency, number := fallback, strings.TrimSpace(text)
	if code, rest, spaced := strings.Cut(number, " "); spaced {
		currency, number = airtime.Currency(code), strings.TrimSpace(rest)
	}
	whole, fraction, pointed := strings.Cut(number, ".")
	if strings.Trim(whole+fraction, "0") == "" && whole != "" && (fraction != "") == pointed {
		if currency != "" && !currency.Known() {
			return airtime.Money{}, errors.New("currency is not known")
		}
		return airtime.Money{Currency: currency}, nil
	}
	if currency == "" {
		return airtime.Money{}, errors.New("names no currency")
	}
	if decimals, _ := currency.Decimals(); len(fraction) > decimals {
		kept := max(decimals, len(strings.TrimRight(fraction, "0")))
		if number = whole; kept > 0 {
			number += "." + fraction[:kept]
		}
	}
	return airtime.ParseAmount(number, currency)
}

// HeaderSafe reports whether a text, a key or a token for example, can be the value of a header as
// it stands: printable ASCII without spaces, and not empty.
func HeaderSafe(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return text != ""
}

// TransportReason names why a question got no HTTP answer.
func TransportReason(err error) airtime.Reason {
	if e := (*TransportError)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return airtime.ReasonConnect
}
