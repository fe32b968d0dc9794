package providers

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

func TestReadFieldsTakesBothKinds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ media, body string }{
		{"application/json", `{"status":"Success","id":17,"gone":null,"none":"None"}`},
		{"application/vnd.provider+json; charset=utf-8", `{"status":"Success","id":"17"}`},
		{"", ` {"status":"Success","id":17}`},
		{"application/x-www-form-urlencoded", `{"status":"Success","id":17}`},
		{"application/x-www-form-urlencoded", "status=Success&id=17&none=None\n"},
		{"", "status=+Success&id=17&id=17"},
	} {
		f, err := ReadFields(row.media, []byte(row.body))
		require.NoError(t, err, row.body)
		require.Equal(t, "Success", f.Get("status"), row.body)
		require.Equal(t, "17", f.Get("id"), row.body)
		require.Empty(t, f.Get("none")+f.Get("gone")+f.Get("absent"), row.body)
	}
	for media, body := range map[string]string{
		"application/json": "status=Success", "text/json+json": "[]", "": "a=%zz",
		"application/x-www-form-urlencoded": "status=Success&status=Failed",
	} {
		_, err := ReadFields(media, []byte(body))
		require.Error(t, err, body)
		require.NotContains(t, err.Error(), "Success")
	}
}

func TestLinesKeepTheStrongestSignOfAnEffect(t *testing.T) {
	t.Parallel()
	line := func(v airtime.Verdict, id string) Line {
		return Line{Phone: airtime.MSISDNFromE164("254711000111"), Verdict: v, ProviderReference: id}
	}
	verdicts := airtime.Verdicts()
	for _, first := range verdicts {
		for _, second := range verdicts {
			lines := NewLines(2)
			lines.Add(line(first, "1"))
			lines.Add(line(second, "2"))
			var answer Answer
			lines.Into(&answer, Response{RetryAfter: 7})
			require.Len(t, answer.Lines, 1)
			want := first
			if Evidence(second) > Evidence(first) {
				want = second
			}
			require.Equal(t, want, answer.Lines[0].Verdict)
			twice := first == airtime.Accepted && second == airtime.Accepted
			require.Equal(t, twice, answer.Lines[0].Message != "", "accepted twice is said")
			require.Equal(t, want == airtime.Unsent, answer.RetryAfter == 7, "only then it pauses")
		}
	}
}

func TestReadIDKnowsWhatIsNone(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`4971724`: "4971724", `"ATQid_1"`: "ATQid_1", `" x "`: "x", `"None"`: "", `null`: "", ``: "",
		`0`: "", `"0"`: "", `12345678901234567890`: "12345678901234567890",
	} {
		id, clear := ReadID(json.RawMessage(raw))
		require.True(t, clear, raw)
		require.Equal(t, want, id, raw)
	}
	for _, raw := range []string{`{}`, `[1]`, `true`, `"` + string(make([]byte, MaxID+1)) + `"`} {
		_, clear := ReadID(json.RawMessage(raw))
		require.False(t, clear, raw)
	}
}
