package providers

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tuma/internal/airtime"
)

// Scalar is the text of a JSON string, number or boolean. Providers mix the types of the same
// field, and an id that looks like a number must not go through a float. Null, arrays and objects
// are the empty text.
type Scalar string

// UnmarshalJSONFrom keeps the text of any scalar as it is.
func (s *Scalar) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	raw, err := from.ReadValue()
	if err != nil {
		return err
	}
	switch raw[0] {
	case '"':
		inner := raw[1 : len(raw)-1]
		if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			*s = Scalar(inner)
			return nil
		}
		// The decoder has read it: only its UTF-8 can be wrong, and that has been replaced.
		text, _ := jsontext.AppendUnquote(nil, raw)
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

// Objects is a list of objects. What else stands in its place is no list; what else stands in the
// place of an element leaves that one empty, so that the others are still facts.
type Objects[T any] []T

// UnmarshalJSONFrom reads the list.
func (l *Objects[T]) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	*l = nil
	if from.PeekKind() != '[' {
		return from.SkipValue()
	}
	if _, err := from.ReadToken(); err != nil {
		return err
	}
	*l = Objects[T]{} // A list without elements is one.
	for from.PeekKind() != ']' {
		var line T
		var err error
		if from.PeekKind() == '{' {
			err = json.UnmarshalDecode(from, &line)
		} else {
			err = from.SkipValue()
		}
		if err != nil {
			return err
		}
		*l = append(*l, line)
	}
	_, err := from.ReadToken()
	return err
}

// DecodeObject is Decode for a body that must be one JSON object. An error is returned for anything
// else.
func DecodeObject(body []byte, into any) error {
	if FirstByte(body) != '{' {
		return errors.New("the answer is no JSON object")
	}
	return Decode(body, into)
}

// Decode reads JSON from a provider. Names of fields count as the provider's pages spell them. An
// error is returned also when an object gives a name twice: an answer that says two things about a
// payment says nothing.
func Decode(body []byte, into any) error {
	return json.Unmarshal(body, into, jsontext.AllowInvalidUTF8(true))
}

// byteOrderMark is what some servers put before text in UTF-8.
var byteOrderMark = []byte("\ufeff")

// unmarked returns what a provider sent without a leading byte-order mark. All bytes of providers
// come through it: answers in the client, callbacks in ReadFields.
func unmarked(body []byte) []byte { return bytes.TrimPrefix(body, byteOrderMark) }

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
