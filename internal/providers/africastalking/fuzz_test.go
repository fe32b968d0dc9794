package africastalking

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// longRun is a run of digits that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]{9}`)

// FuzzFound reads answers to the question about one recipient: a line is about nobody else, its
// status is in the body, and only Success and Failed settle anything.
func FuzzFound(f *testing.F) {
	const secret = "k3y-at-the-provider"
	asked := providers.Asked{
		Phone: airtime.MSISDNFromE164("254711000100"), ProviderReference: "ATQid_1",
	}
	for _, seed := range []string{
		`{"status":"Success"}`, `{"errorMessage":"None","status":"Failed"}`, `{"status":"None"}`,
		`{"status":"Success","data":{"requestId":"ATQid_1","status":"Failed"}}`,
		`{"status":"Success","data":{"requestId":"ATQid_2","status":"Success"}}`,
		`{"status":"Success","data":{"phoneNumber":"+254711000101","status":"Success"}}`,
		`{"status":"Success","data":null}`, `{"status":"254711000100 ` + secret + `"}`,
		`{"errorMessage":"no ` + secret + ` 0711000100"}`, `{"status":"InsufficientBalance"}`,
		`{"status":"Failed","Status":"Success"}`, "", "[]", "null", "<html>", `{"data":[]}`,
	} {
		for _, status := range []uint16{200, 404, 401, 500} {
			f.Add(status, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		got := readFound(secret, asked, providers.Response{Status: int(status), Body: body})
		if got.err != nil {
			require.NotEmpty(t, got.err.Reason)
			requireFit(t, secret, got.err.Error())
			require.False(t, got.matched || got.unmatched)
			return
		}
		require.NotEqual(t, got.matched, got.unmatched)
		require.True(t, status >= 200 && status <= 299)
		require.True(t, json.Valid(body) && providers.FirstByte(body) == '{')
		if got.unmatched {
			require.Zero(t, got.line)
			return
		}
		var said struct {
			Data struct{ RequestID any }
		}
		_ = json.Unmarshal(body, &said) // Of another type it names nobody.
		if id, _ := said.Data.RequestID.(string); !strings.EqualFold(strings.TrimSpace(id), "none") {
			require.Contains(t, []string{"", asked.ProviderReference}, strings.TrimSpace(id))
		}
		line := got.line
		require.Equal(t, asked.Phone, line.Phone)
		require.Equal(t, asked.ProviderReference, line.ProviderReference)
		require.NotEqual(t, line.Status == 0, line.Code == "", "a word or its meaning")
		requireFit(t, secret, line.Code, line.Message)
		require.True(t, line.Status == 0 || line.Status.Effect())
		if line.Status.Settled() {
			word := map[airtime.Status]string{
				airtime.Successful: "success", airtime.Failed: "failed",
			}[line.Status]
			require.True(t, word != "" && says(body, word), "no such word in the body")
		}
	})
}

// says reports whether a string somewhere in the body is the word.
func says(body []byte, word string) bool {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		text, _ := token.(string)
		if strings.ToLower(strings.TrimSpace(text)) == word {
			return true
		}
	}
}

func requireFit(t *testing.T, secret string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.NotRegexp(t, longRun, text)
		require.NotContains(t, text, secret)
		require.LessOrEqual(t, len(text), 2*providers.MaxMessage)
	}
}
