package providers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// longRun is a run of digits that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]{9}`)

// requireFit checks that texts can be shown: no number in them, no secret, valid, not too long.
func requireFit(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.NotRegexp(t, longRun, text)
		require.NotContains(t, text, secret)
		require.True(t, utf8.ValidString(text), "%q", text)
		require.LessOrEqual(t, len(text), 2*providers.MaxMessage)
	}
}

// plainDecimal is how amounts are written; big.Rat alone also reads fractions and exponents.
var plainDecimal = regexp.MustCompile(`\A[0-9]+(\.[0-9]+)?\z`)

// wantMoney says by exact arithmetic what an amount of an answer is worth; ok is false for what
// must be refused. Zeros beyond the currency's decimals change nothing.
func wantMoney(text string, fallback airtime.Currency) (want airtime.Money, ok bool) {
	number, currency := strings.TrimSpace(text), fallback
	if code, rest, spaced := strings.Cut(number, " "); spaced {
		currency, number = airtime.Currency(code), strings.TrimSpace(rest)
	}
	worth, read := new(big.Rat).SetString(number)
	if !plainDecimal.MatchString(number) || !read {
		return want, false
	}
	decimals, known := currency.Decimals()
	if !known {
		return want, currency == "" && worth.Sign() == 0
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	worth.Mul(worth, new(big.Rat).SetInt(scale))
	if !worth.IsInt() || worth.Cmp(new(big.Rat).SetInt64(airtime.MaxMinor)) > 0 {
		return want, false
	}
	return airtime.Money{Minor: worth.Num().Int64(), Currency: currency}, true
}

func FuzzReadMoney(f *testing.F) {
	for _, seed := range []string{
		"KES 27.6000", "27.60", "10", "0", "KES 0.00", "KES 10.005", "UGX 500.0", "TND 1.0010", "",
		"KES", " KES  10 ", "KSH 10", "10000000000.0000", "KES 10000000000.01", "KES 1e3", "1 0",
		"KES 10.", "KES .5", "KES -0", "000.000", "KES\t10", "KES 1/2", "\u00a010", "KES \u00a010",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, fallback := range []airtime.Currency{"", "KES", "UGX", "TND"} {
			want, ok := wantMoney(text, fallback)
			got, err := providers.ReadMoney(text, fallback)
			if !ok {
				require.Error(t, err, "%q in %q", text, fallback)
				require.Zero(t, got)
				requireFit(t, err.Error())
				continue
			}
			require.NoError(t, err, "%q in %q", text, fallback)
			require.Equal(t, want, got)
		}
	})
}

// FuzzReadPhone holds the spelling of answers against the parser of jobs: a number that a job may
// hold is found again in an answer, however either spells it.
func FuzzReadPhone(f *testing.F) {
	for _, seed := range []string{
		"0711000000", "+254711000000", "254 711-000 000", "711000000", "00254711000000", "",
		"+256772123456", "(0711) 000000", "2.547e11", "+2482510123", "0254711000000", "+0711000000",
		"27821234567", "000711000000", "٠٧١١٠٠٠٠٠٠",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, ok := providers.ReadPhone(text)
		require.Equal(t, ok, !read.IsZero())
		if ok {
			require.Regexp(t, `^[1-9][0-9]{9,14}$`, read.Digits())
			again, ok := providers.ReadPhone("+" + read.Digits())
			require.True(t, ok)
			require.Equal(t, read, again)
			require.NotRegexp(t, longRun, fmt.Sprintf("%v %+v %#v %d", read, read, read, read))
		}
		asked, err := airtime.ParseMSISDN(text)
		if err != nil || len(asked.Digits()) < 10 { // No currency has so short a number.
			return
		}
		for _, spelling := range []string{text, asked.Digits(), "+" + asked.Digits()} {
			read, ok = providers.ReadPhone(spelling)
			require.True(t, ok, "%s", asked)
			require.Equal(t, asked, read)
		}
	})
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{
		"call 0711 000 004\u0007now", "254711000111", "(0711) 000-000", "\xff\xfe", "at " + secret,
		strings.Repeat("711 ", 100), strings.Repeat("é", 150) + "0711000000", "٠٧١١٠٠٠٠٠٠", "",
		"2547" + secret + "11000111", "+254\u00a0711\u2010000\u2011111", "20261121T030000", "a\u2028b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean := providers.Clean(text, secret)
		requireFit(t, clean)
		require.LessOrEqual(t, len(clean), providers.MaxMessage)
		// Numbers with one character between their digits are found as well.
		require.NotRegexp(t, `[0-9]([ ./()-]?[0-9]){8}`, clean)
		require.Equal(t, strings.TrimSpace(clean), providers.Clean(clean, secret), "it stays so")
	})
}

func FuzzReadFields(f *testing.F) {
	for _, seed := range []struct{ media, body string }{
		{"application/json", `{"status":"Success","requestId":17,"x":null,"y":[1],"z":true}`},
		{"application/x-www-form-urlencoded", "status=Success&phoneNumber=%2B254711000111"},
		{"", ` {"a":1}{}`},
		{"", "a=1&a=2"},
		{"application/json", `{"a":"1","a":"2"}`},
		{"application/json", `{"a":"1","\u0061":"1"}`},
		{"application/json", `{"a":{"b":1,"b":2}}`},
		{"text/plain", "254711000111=%zz"},
		{"application/x+json", "null"},
		{"multipart/form-data; boundary=x", "--x"},
	} {
		f.Add(seed.media, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		fields, err := providers.ReadFields(media, body)
		if err != nil {
			require.Nil(t, fields)
			requireFit(t, err.Error())
			return
		}
		again, err := providers.ReadFields(media, body)
		require.NoError(t, err)
		require.Equal(t, fields, again)
		if providers.FirstByte(body) == '{' {
			require.NoError(t, givenOnce(body), "a field with two values is refused")
		}
	})
}

// callbackSeeds are bodies as the providers send them, and what they might become.
var callbackSeeds = []string{
	`{"phone_number":"254711000111","amount":10,"service_status":602,"external_reference":"b",` +
		`"provider_reference":"RK14","message":"about 254711000111"}`,
	`{"phone_number":"0711000111","amount":"10.00","service_status":"254711000111",` +
		`"external_reference":"254711000111","provider_reference":254711000111}`,
	`{"phoneNumber":"+254711000111","description":"about +254711000111","status":"Success",` +
		`"requestId":"ATQid_1","discount":"KES 0.6000","value":"KES 10.0000"}`,
	"phoneNumber=%2B254711000111&status=Failed&requestId=ATQid_1&value=0",
	`{"transactionId":"ATXid_1","phoneNumber":"+254711000111","sourceIpAddress":"127.12.32.24",` +
		`"currencyCode":"KES","amount":500.00}`,
	"transactionId=1&phoneNumber=0711000111&currencyCode=KES&amount=500",
	`{"number":"254711000111","amount":"KES 1000.00","requestId":5015342,"status":"success",` +
		`"type":"airtimeDelivery","description":"success","authKey":"k"}`,
	`{"number":"254711000111","amount":"KES 0.00","status":"254711000111","type":"airtimeDelivery"}`,
	`{"type":"sms","requestId":1}`,
	`{"status":"Success","status":"Failed","requestId":"1"}`,
	"", "{}", "[]", "null", `{"requestId":[],"status":{}}`,
}

// FuzzCallbacks gives every body to every provider's reader, in what it calls itself.
func FuzzCallbacks(f *testing.F) {
	for _, seed := range callbackSeeds {
		f.Add("application/json", []byte(seed))
		f.Add("", []byte(seed))
	}
	entries := build(f)
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		for name, entry := range entries {
			if entry.Callbacks != nil {
				said, err := entry.Callbacks.ReadCallback(media, body)
				requireCallback(t, name, said, err, body)
			}
			if entry.Validations == nil {
				continue
			}
			question, err := entry.Validations.ReadValidation(media, body)
			if err != nil {
				requireFit(t, err.Error())
				continue
			}
			require.NotEmpty(t, question.ID)
			require.Positive(t, question.Amount.Minor)
			require.LessOrEqual(t, question.Amount.Minor, airtime.MaxMinor)
			require.True(t, question.Amount.Currency.Known())
			require.True(t, names(textOf(body), question.Phone), "the body names whom it is about")
		}
	})
}

func requireCallback(
	t *testing.T, provider string, said providers.Callback, err error, body []byte,
) {
	t.Helper()
	if err != nil {
		requireFit(t, err.Error())
		return
	}
	requireFit(t, said.Code, said.Message)
	require.NotEqual(t, said.Status == 0, said.Code == "", "%s: a word or its meaning", provider)
	require.True(t, said.Status == 0 || said.Status.Effect(), "a callback reports on a payment")
	require.True(t, said.BatchID != "" || said.ProviderReference != "" ||
		!said.Phone.IsZero() && said.Amount.Minor > 0, "it is about somebody")
	require.LessOrEqual(t, len(said.ProviderReference), providers.MaxID)
	require.LessOrEqual(t, said.Amount.Minor, airtime.MaxMinor)
	require.True(t, said.Phone.IsZero() || names(textOf(body), said.Phone))
}

// FuzzDecode holds the search for fields that are given twice against a walk over all tokens.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":[{"a":2},{"A":3,"b":"a","a":4}],"c":{"a":{},"b":{}}}`, `{"a\"":"\\","a\u0022":2}`,
		`{"\u0061":1,"a":2}`,
		`{"\u0061":1,"A":2}`, `{"K":1,"k":2,"\u212a":3}`, `[{},{"a":1},"{\"a\":1,\"a\":2}",","]`, `"a"`,
		`{"a":{"b":1,"c":[1,2]},"b":{"b":1}}`, `{"":1,"":2}`, `3`, `{"a":"}","b":"]","b":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) || !utf8.Valid(body) || bytes.Contains(body, []byte(`\ud`)) {
			return
		}
		var into json.RawMessage
		err := providers.Decode(body, &into)
		require.Equal(t, givenOnce(body) != nil, err != nil, "%q: %v", body, err)
	})
}
