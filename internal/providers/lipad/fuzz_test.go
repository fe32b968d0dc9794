package lipad

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// longRun is a run of digits that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]{9}`)

// FuzzStatus reads answers to the question about a batch. "Never seen" permits sending it again,
// so nothing but an empty list, or a 404 that is no page, may say it.
func FuzzStatus(f *testing.F) {
	const batch, secret = "0199a6a4-7c1e-7d2b-8a51-5f2f6f0c1a11", "t0ken-of-ours"
	for _, name := range []string{"testdata/status.json", "testdata/status_lenient.json"} {
		sample, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(uint16(200), sample)
	}
	for _, seed := range []string{
		"[]", " [ ] ", "[null]", "null", "{}", "", "<html></html>", "[[]]", `[{"phone_number":"0"}]`,
		`{"response_code":799,"response_description":"254711000100 ` + secret + `"}`,
		`[{"phone_number":"0711000100","service_status":602,"service_status":603}]`,
		`[{"phone_number":"254711000100","service_status":254711000100,"message":"` + secret + `"}]`,
		`[{"phone_number":"254711000100","service_status":602},{"phone_number":"0711000100",` +
			`"service_status":600}]`,
	} {
		for _, status := range []uint16{200, 404, 401, 500} {
			f.Add(status, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		reported, err := readStatus(batch, secret,
			providers.Response{Status: int(status), Body: body})
		if err != nil {
			var nothing *providers.QueryError
			require.ErrorAs(t, err, &nothing)
			require.NotEmpty(t, nothing.Reason)
			requireFit(t, secret, strings.ReplaceAll(err.Error(), batch, ""))
			require.Empty(t, reported)
			return
		}
		success := status >= 200 && status <= 299
		require.True(t, success || status == 404)
		if status == 404 {
			require.Empty(t, reported)
			return
		}
		var list []json.RawMessage
		require.NoError(t, json.Unmarshal(body, &list))
		require.Equal(t, len(list) > 0, reported.Known, "only an empty list says never seen")
		require.LessOrEqual(t, len(reported.Lines)+reported.Unmatched, len(list))
		seen := map[airtime.MSISDN]bool{}
		for _, line := range reported.Lines {
			require.False(t, seen[line.Phone])
			seen[line.Phone] = true
			require.NotEqual(t, line.Status == 0, line.Code == "", "a code or its meaning")
			require.True(t, line.Status == 0 || line.Status.Effect())
			require.LessOrEqual(t, len(line.ProviderReference), providers.MaxID)
			requireFit(t, secret, line.Code, line.Message)
			require.True(t, shown(list, line), "nothing in the list says so")
		}
	})
}

// shown reports whether an element of the list says of the number what the line says.
func shown(list []json.RawMessage, line providers.RecipientStatus) bool {
	for _, element := range list {
		var fields map[string]json.RawMessage
		if json.Unmarshal(element, &fields) != nil {
			continue
		}
		var phone, code providers.Scalar
		_ = providers.Decode(fields["phone_number"], &phone)
		_ = providers.Decode(fields["service_status"], &code)
		read, _ := providers.ReadPhone(string(phone))
		if read == line.Phone && statuses[code.Trimmed()] == line.Status {
			return true
		}
	}
	return false
}

func requireFit(t *testing.T, secret string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.NotRegexp(t, longRun, text)
		require.NotContains(t, text, secret)
		require.LessOrEqual(t, len(text), 2*providers.MaxMessage)
	}
}

// FuzzTokenLife reads how long a token may be used: always some time, and never for ever.
func FuzzTokenLife(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","expiresIn":3600}`, `{"expires_in":"3599.9"}`, `{"expiresIn":-1}`,
		`{"expiresIn":1e9}`, `{"expiresIn":99999999999999999999}`, `{"expiresIn":null}`, `{}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var answer tokenAnswer
		if providers.DecodeObject(body, &answer) != nil {
			return
		}
		require.Positive(t, answer.life())
		require.LessOrEqual(t, answer.life(), maxLife)
	})
}
