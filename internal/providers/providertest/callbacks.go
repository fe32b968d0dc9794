package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/providers"
)

// reading is one of the two ways in which a provider talks to us by itself.
type reading struct {
	// sample is a body as the provider sends it, a JSON object.
	sample string
	// read reads a body and returns the texts of ours that it led to.
	read func(mediaType string, body []byte) (shown []string, err error)
}

// runCallbacks checks that no body, whoever sent it, does more than fail, and that none makes us
// show a phone number.
func runCallbacks(t *testing.T, s Suite) {
	provider := s.New("http://127.0.0.1:1", NewClient(t))
	callbacks, _ := provider.(providers.CallbackReader)
	validations, _ := provider.(providers.ValidationReader)
	require.Equal(t, callbacks != nil, s.Callback != "", "a CallbackReader needs Suite.Callback")
	require.Equal(t, validations != nil, s.Validation != "",
		"a ValidationReader needs Suite.Validation")
	if callbacks != nil {
		runReading(t, s, reading{s.Callback, func(kind string, body []byte) ([]string, error) {
			c, err := callbacks.ReadCallback(kind, body)
			require.True(t, c.Status == 0 || c.Status.Effect(), "a callback reports on a payment")
			return []string{c.Code, c.Message, fmt.Sprintf("%v %+v", c.Phone, c.Phone)}, err
		}})
	}
	if validations != nil {
		runReading(t, s, reading{s.Validation, func(kind string, body []byte) ([]string, error) {
			v, err := validations.ReadValidation(kind, body)
			return []string{fmt.Sprintf("%v %+v", v.Phone, v.Phone)}, err
		}})
	}
}

// mediaTypes are what a body may call itself, rightly or not.
var mediaTypes = []string{
	"application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded",
	"text/plain", "", "multipart/form-data; boundary=x", "\x00;;=",
}

func runReading(t *testing.T, s Suite, r reading) {
	_, err := r.read("application/json", []byte(r.sample))
	require.NoError(t, err, "the sample is a good one")
	for _, kind := range []string{"application/json", "text/plain", ""} {
		_, err = r.read(kind, []byte("\ufeff"+r.sample))
		require.NoError(t, err, "a byte-order mark says nothing")
	}
	h := &harness{suite: s}
	try := func(body []byte) {
		for _, kind := range mediaTypes {
			shown, err := r.read(kind, bytes.Clone(body))
			if err != nil {
				shown = append(shown, err.Error())
			}
			for _, text := range shown {
				h.requireNoLeak(t, text)
				require.LessOrEqual(t, len(text), 2*providers.MaxMessage)
			}
		}
	}
	for _, body := range hostileBodies() {
		try(body)
	}
	for at := range len(r.sample) {
		try([]byte(r.sample[:at]))
		try([]byte(r.sample[:at] + "\xff" + r.sample[at+1:]))
	}
	for _, body := range spoilt(t, s, r.sample) {
		try(body)
	}
	for _, body := range []string{"", "{}", "[]", "null", "<html></html>", "[" + r.sample + "]"} {
		_, err := r.read("application/json", []byte(body))
		require.Error(t, err, "%q says nothing", body)
	}
}

// hostileBodies are bodies that no provider sends.
func hostileBodies() [][]byte {
	const large = 1 << 20
	repeat := func(text string) []byte { return bytes.Repeat([]byte(text), large/len(text)) }
	return [][]byte{
		nil, []byte(" \r\n\t"), []byte("\x00"), []byte("\xff\xfe\x00{"), []byte("\xef\xbb\xbf{}"),
		[]byte("<html><body>254711000111</body></html>"), []byte("254711000111"), []byte("null"),
		[]byte("true"), []byte("[]"), []byte("{}"), []byte(`"text"`), []byte("{}{}"),
		[]byte("%zz=%&a;b=254711000111"), []byte("254711000111=%zz"), []byte("=&=&="),
		repeat("["), repeat(`{"a":`), repeat("a"), repeat("a=b&"), repeat("%"), repeat("\xff"),
		fmt.Appendf(nil, "[%s1]", repeat("1,")), fmt.Appendf(nil, `{"number":"%s"}`, repeat("7")),
	}
}

// spoilt replaces each value of a sample by values of every kind, in JSON and as a form.
func spoilt(t *testing.T, s Suite, sample string) [][]byte {
	t.Helper()
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(sample), &fields))
	quoted := s.Batch.Recipients[0].Phone.Digits()
	values := []any{
		nil, true, -1, json.Number("1e999"), json.Number("0.1e-5"), "", " ", "None",
		[]any{},
		map[string]any{"a": quoted},
		[]any{quoted},
		quoted, json.Number("254711000111254711000111"),
		"+" + quoted + ".5", strings.Repeat(quoted+" ", 100), "KES " + quoted, "\x00\u2028\ufffd",
	}
	var bodies [][]byte
	for key, kept := range fields {
		for _, value := range values {
			fields[key] = value
			body, err := json.Marshal(fields)
			require.NoError(t, err)
			form := url.Values{}
			for name, v := range fields {
				form.Set(name, fmt.Sprint(v))
			}
			bodies = append(bodies, body, []byte(form.Encode()))
		}
		fields[key] = kept
	}
	return bodies
}
