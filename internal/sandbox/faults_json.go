package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time that JSON writes as a string such as "200ms".
type Duration time.Duration

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, time.Duration(d).String()), nil
}

// UnmarshalJSON reads a string such as "1.5s". A json.UnmarshalTypeError is returned when the value
// is anything else: it is the one error to which encoding/json adds the name of the field.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return wrongValue[Duration](data)
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		return wrongValue[Duration](data)
	}
	*d = Duration(value)
	return nil
}

// Chance says when a fault happens: to the next Next requests for sure, to the later ones with
// Probability. JSON takes a bare number as the probability, or {"probability": 0.1, "next": 3}.
type Chance struct {
	Probability float64 `json:"probability"`
	Next        int     `json:"next"`
}

// Never is the chance of a fault that is switched off.
func Never() Chance { return Chance{} }

// Sometimes is a chance of p, in 0 to 1, at every request.
func Sometimes(p float64) Chance { return Chance{Probability: p} }

// NextRequests is the certainty for the next n requests of that call, and nothing after them.
func NextRequests(n int) Chance { return Chance{Next: n} }

// MarshalJSON writes a bare probability unless a count is left.
func (c Chance) MarshalJSON() ([]byte, error) {
	type plain Chance
	if c.Next == 0 {
		return json.Marshal(c.Probability)
	}
	return json.Marshal(plain(c))
}

// UnmarshalJSON reads both forms. A json.UnmarshalTypeError is returned when the value is neither.
func (c *Chance) UnmarshalJSON(data []byte) error {
	type plain Chance
	var whole plain
	if json.Unmarshal(data, &whole.Probability) != nil || bytes.Equal(data, []byte("null")) {
		if decodeStrict(data, &whole) != nil || data[0] != '{' {
			return wrongValue[Chance](data)
		}
	}
	*c = Chance(whole)
	return nil
}

// UnmarshalJSON replaces all weights: one that is left out is zero, not what it was. A
// json.UnmarshalTypeError is returned when the value is not an object of known numbers.
func (w *Weights) UnmarshalJSON(data []byte) error {
	type plain Weights
	var whole plain
	if data[0] != '{' || decodeStrict(data, &whole) != nil {
		return wrongValue[Weights](data)
	}
	*w = Weights(whole)
	return nil
}

func wrongValue[T any](data []byte) error {
	return &json.UnmarshalTypeError{Value: string(data), Type: reflect.TypeFor[T]()}
}

const chanceWanted = `a probability from 0 to 1, or {"probability": 0.1, "next": 3}`

// wanted describes what a field takes, by the type that refused its value.
var wanted = map[reflect.Type]string{
	reflect.TypeFor[Duration](): `a duration as a string, such as "200ms"`,
	reflect.TypeFor[Chance]():   chanceWanted,
	reflect.TypeFor[Weights]():  `weights such as {"successful": 97, "failed": 3}`,
}

// ParseFaults reads faults from JSON; what it leaves out is as in DefaultFaults. An error that
// names the fields is returned when a field is unknown or a value is out of its range.
func ParseFaults(data []byte) (Faults, error) { return mergeFaults(DefaultFaults(), data) }

// mergeFaults lays JSON over existing faults.
func mergeFaults(base Faults, data []byte) (Faults, error) {
	if err := decodeStrict(data, &base); err != nil {
		var wrong *json.UnmarshalTypeError
		if !errors.As(err, &wrong) {
			return Faults{}, fmt.Errorf("faults: %w", err)
		}
		want := wanted[wrong.Type]
		if want == "" {
			want = "a " + wrong.Type.String()
		}
		// The path names embedded structs, which JSON does not.
		field := strings.ReplaceAll(wrong.Field, "CallFaults.", "")
		return Faults{}, fmt.Errorf("%s: want %s, not %s", field, want, wrong.Value)
	}
	if err := base.Validate(); err != nil {
		return Faults{}, err
	}
	return base, nil
}

// decodeStrict reads exactly one JSON value without unknown fields.
func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
