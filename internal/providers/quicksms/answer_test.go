package quicksms

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

// answeredLine is what an answer with these lines means for the first recipient.
func answeredLine(t *testing.T, lines ...string) (providers.Line, providers.Answer) {
	t.Helper()
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, "FIRST", `"recipient":"`+first+`"`)
	}
	answer := answered(t, 200, `{"code":200,"results":[`+strings.Join(lines, ",")+`]}`)
	if len(answer.Lines) == 0 {
		return providers.Line{Verdict: answer.Verdict, Reason: answer.Reason}, answer
	}
	require.Len(t, answer.Lines, 1)
	return answer.Lines[0], answer
}

const (
	unreadable = airtime.ReasonUnreadable
	refused    = airtime.ReasonRefused
)

// oneLine are lines about the first recipient and what they mean.
var oneLine = []struct {
	line    string
	verdict airtime.Verdict
	reason  airtime.Reason
	id      string
}{
	{`{FIRST,"code":201,"request_id":10990}`, airtime.Accepted, "", "10990"},
	{`{FIRST,"code":"201","request_id":"10990"}`, airtime.Accepted, "", "10990"},
	{`{FIRST,"code":" 201 ","request_id":"AB-1"}`, airtime.Accepted, "", "AB-1"},
	{
		`{FIRST,"code":201,"request_id":12345678901234567890123}`, airtime.Accepted, "",
		"12345678901234567890123",
	},
	{`{FIRST,"code":201,"request_id":null}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201,"request_id":""}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201,"request_id":"None"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201,"request_id":0}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201,"request_id":false}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201,"request_id":{"id":7}}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201}`, airtime.Unknown, unreadable, ""},
	{
		`{FIRST,"code":201,"request_id":"` + strings.Repeat("1", 129) + `"}`,
		airtime.Unknown, unreadable, "",
	},

	{`{FIRST,"code":400,"message":"Invalid recipient"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":"1003","message":"Invalid number"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":422,"request_id":null}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":422,"request_id":"none"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":422,"request_id":0}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":400,"message":"Unsuccessful"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":400,"message":"Maximum is 10000"}`, airtime.Refused, airtime.ReasonLimit, ""},
	{`{FIRST,"code":400,"message":"below MINIMUM"}`, airtime.Refused, airtime.ReasonLimit, ""},
	{
		`{FIRST,"code":400,"message":"Unsupported network"}`, airtime.Refused,
		airtime.ReasonNetwork, "",
	},
	{`{FIRST,"code":400,"message":"network error"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":400,"message":"could not be queued"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":422,"message":"Request not successful"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":1003,"message":"Airtime was NOT queued"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":400,"message":"Failed: no success at the network"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":200,"message":"Unsuccessful"}`, airtime.Refused, refused, ""},
	{`{FIRST,"code":500,"message":"Airtime could not be queued"}`, airtime.Refused, refused, ""},

	{`{FIRST,"code":400,"request_id":10990}`, airtime.Unknown, unreadable, "10990"},
	{`{FIRST,"code":400,"request_id":[]}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":400,"request_id":true}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":400,"message":"queued for disbursal"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":400,"message":"not paid before, queued now"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201,"message":"could not be queued"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":409,"message":"not queued again"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"message":"could not be queued"}`, airtime.Unknown, unreadable, ""},
	{
		`{FIRST,"code":400,"message":"could not be queued","request_id":7}`, airtime.Unknown,
		unreadable, "7",
	},
	{`{FIRST,"code":200,"message":"ok"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":202,"request_id":10990}`, airtime.Unknown, unreadable, "10990"},
	{`{FIRST,"code":500,"message":"error"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":4090,"message":"Internal error"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":409,"message":"seen before"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":"PENDING"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"code":201.0,"request_id":1}`, airtime.Unknown, unreadable, "1"},
	{`{FIRST,"message":"Invalid"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"response-code":1003}`, airtime.Unknown, unreadable, ""},

	{`{"recipient":"2547XXXXXXXX","code":201,"request_id":1}`, airtime.Unknown, "missing", ""},
	{`{"code":201,"request_id":1}`, airtime.Unknown, "missing", ""},
	{`"text"`, airtime.Unknown, "missing", ""},
	{`null`, airtime.Unknown, "missing", ""},
	{`[[1]]`, airtime.Unknown, "missing", ""},
}

// Only 201 with an id is an acceptance; only another clear code without an id is a refusal.
func TestOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range oneLine {
		line, answer := answeredLine(t, c.line)
		require.Equal(t, c.verdict.String(), line.Verdict.String(), c.line)
		require.Equal(t, c.reason, line.Reason, c.line)
		require.Equal(t, c.id, line.ProviderReference, c.line)
		require.Empty(t, answer.Pause, c.line)
	}
}

// An empty account is no recipient's fault: the recipient stays queued and the channel pauses.
func TestALineThatSpeaksOfOurBalance(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"Insufficient balance", "Low credit units", "INSUFFICIENT FUNDS"} {
		line, answer := answeredLine(t, fmt.Sprintf(`{FIRST,"code":402,"message":%q}`, said))
		require.Equal(t, airtime.Unsent, line.Verdict, said)
		require.Equal(t, airtime.ReasonBalance, line.Reason)
		require.Equal(t, airtime.ReasonBalance, answer.Pause)
	}
	line, answer := answeredLine(t,
		`{FIRST,"code":402,"message":"Insufficient balance","request_id":7}`)
	require.Equal(t, airtime.Unknown, line.Verdict, "with an id nothing is sure")
	require.Empty(t, answer.Pause)
}

// The same number twice in an answer: the stronger sign of an effect counts, whatever the order.
func TestTwoLinesAboutOneRecipient(t *testing.T) {
	t.Parallel()
	const (
		accepted = `{FIRST,"code":201,"request_id":1}`
		again    = `{FIRST,"code":201,"request_id":2}`
		unclear  = `{FIRST,"code":500}`
		refused  = `{FIRST,"code":400}`
		unsent   = `{FIRST,"code":400,"message":"Insufficient balance"}`
	)
	cases := []struct {
		lines []string
		want  airtime.Verdict
		id    string
	}{
		{[]string{accepted, again}, airtime.Accepted, "1"},
		{[]string{again, accepted}, airtime.Accepted, "2"},
		{[]string{refused, accepted}, airtime.Accepted, "1"},
		{[]string{accepted, refused}, airtime.Accepted, "1"},
		{[]string{unclear, accepted, unsent}, airtime.Accepted, "1"},
		{[]string{refused, unclear}, airtime.Unknown, ""},
		{[]string{unsent, unclear}, airtime.Unknown, ""},
		{[]string{unsent, refused}, airtime.Refused, ""},
	}
	for _, c := range cases {
		line, answer := answeredLine(t, c.lines...)
		require.Equal(t, c.want.String(), line.Verdict.String(), c.lines)
		require.Equal(t, c.id, line.ProviderReference, c.lines)
		require.Empty(t, answer.Pause, "nobody is unsent in the end")
	}
}

// Numbers in an answer are matched however they are spelt.
func TestSpellingsOfANumber(t *testing.T) {
	t.Parallel()
	for _, spelt := range []string{
		`"254711000100"`, `254711000100`, `"+254711000100"`, `"0711000100"`, `"711000100"`,
		`711000100`, `" +254 711 000 100 "`,
	} {
		line, _ := answeredLine(t, `{"recipient":`+spelt+`,"code":201,"request_id":1}`)
		require.Equal(t, first, line.Phone.Digits(), spelt)
		require.Equal(t, airtime.Accepted, line.Verdict)
	}
}

// Lines count for more than the HTTP status, the outer code and the totals.
func TestLinesDecideWhateverStandsAroundThem(t *testing.T) {
	t.Parallel()
	lines := `"results":[{"recipient":"` + first + `","code":201,"request_id":1},` +
		`{"recipient":"` + second + `","code":400,"message":"Invalid"}]`
	for _, status := range []int{200, 201, 207, 302, 400, 401, 403, 408, 409, 422, 429, 500, 503} {
		for _, outer := range []string{
			"", `"code":200,`, `"code":401,`, `"code":400,"message":"Total:1 Success:0 Failed:9",`,
		} {
			answer := answered(t, status, "{"+outer+lines+"}")
			require.Equal(t, airtime.Unknown, answer.Verdict)
			require.Equal(t, airtime.ReasonMissing, answer.Reason)
			require.Empty(t, answer.Pause)
			for digits, want := range map[string]airtime.Verdict{
				first: airtime.Accepted, second: airtime.Refused,
			} {
				phone := airtime.MSISDNFromE164(digits)
				require.Equal(t, want, providertest.VerdictOf(answer, phone), "HTTP %d", status)
			}
		}
	}
}

// An error without lines.
func TestErrorsWithoutLines(t *testing.T) {
	t.Parallel()
	const (
		accountFault, credentials = airtime.ReasonAccountFault, airtime.ReasonCredentials
		balance, limited          = airtime.ReasonBalance, airtime.ReasonRateLimited
		unreadable, broken        = airtime.ReasonUnreadable, airtime.ReasonServerError
		whole                     = airtime.ReasonBatchRefused
	)
	unsent, unknown := airtime.Unsent, airtime.Unknown
	cases := []struct {
		status  int
		body    string
		verdict airtime.Verdict
		reason  airtime.Reason
		pause   airtime.Reason
	}{
		{401, `{"message":"Unauthenticated."}`, unsent, credentials, credentials},
		{401, `Invalid App-Token`, unsent, credentials, credentials},
		{401, ``, unsent, credentials, credentials},
		{403, `{"code":403,"message":"Forbidden","results":[]}`, unsent, credentials, credentials},
		{200, `{"code":401,"message":"Invalid token"}`, unsent, credentials, credentials},
		{200, `{"code":"403","message":"No","results":null}`, unsent, credentials, credentials},
		{400, `{"message":"recipients is required"}`, unsent, whole, ""},
		{422, `{"code":422,"message":"Invalid data","results":[]}`, unsent, whole, ""},
		{404, `{"message":"No such route"}`, unsent, accountFault, accountFault},
		{400, `Malformed request`, unsent, accountFault, accountFault},
		{402, `{"message":"Insufficient balance"}`, unsent, balance, balance},
		{400, `Low credit`, unsent, balance, balance},
		{429, `{"message":"Too many requests"}`, unsent, limited, limited},

		{400, `{"code":201,"message":"ok"}`, unknown, unreadable, ""},
		{401, `{"code":200,"message":"ok"}`, unknown, unreadable, ""},
		{429, `{"code":201}`, unknown, unreadable, ""},
		{400, `{"message":"queued for disbursal"}`, unknown, unreadable, ""},
		{403, `{"message":"Total:2 Success:2 Failed:0"}`, unknown, unreadable, ""},
		{400, `{"message":"bad","request_id":7}`, unknown, unreadable, ""},
		{401, `{"message":"bad","request_id":{}}`, unknown, unreadable, ""},
		{400, `{"message":"bad","results":{"0":{"code":201}}}`, unknown, unreadable, ""},
		{401, `{"message":"bad","results":"two"}`, unknown, unreadable, ""},
		{400, `request queued`, unknown, unreadable, ""},
		{400, `{"code":500,"message":"Internal error"}`, unknown, unreadable, ""},
		{408, `{"message":"Request timeout"}`, unknown, airtime.ReasonTimeout, ""},
		{408, `Request timeout`, unknown, airtime.ReasonTimeout, ""},
		{409, `{"message":"Conflict"}`, unknown, unreadable, ""},
		{425, `Too early`, unknown, unreadable, ""},
		{400, `{"foo":1}`, unknown, unreadable, ""},
		{400, `{"message":null}`, unknown, unreadable, ""},
		{400, `<html>Bad request</html>`, unknown, unreadable, ""},
		{400, ``, unknown, unreadable, ""},
		{400, "bytes \x00\x01", unknown, unreadable, ""},

		{200, `{"code":200,"message":"Total:2 Success:2 Failed:0"}`, unknown, unreadable, ""},
		{200, `{"code":200,"message":"Total:2","results":[]}`, unknown, unreadable, ""},
		{200, `{"code":400,"message":"Invalid"}`, unknown, unreadable, ""},
		{200, `{"code":1006,"message":"Bad credentials"}`, unknown, unreadable, ""},
		{200, `{"message":"ok"}`, unknown, unreadable, ""},
		{200, `OK`, unknown, unreadable, ""},
		{302, `{"message":"moved"}`, unknown, unreadable, airtime.ReasonConnect},
		{500, `{"message":"Server error"}`, unknown, broken, ""},
		{503, `{"code":503,"message":"Insufficient balance"}`, unknown, broken, ""},
	}
	for _, c := range cases {
		got := answered(t, c.status, c.body)
		require.Empty(t, got.Lines)
		require.Equal(t, c.verdict.String(), got.Verdict.String(), "HTTP %d %s", c.status, c.body)
		require.Equal(t, c.reason, got.Reason, "HTTP %d %s", c.status, c.body)
		require.Equal(t, c.pause, got.Pause, "HTTP %d %s", c.status, c.body)
	}
}

func TestAnswersAreShownWithoutNumbersAndSecrets(t *testing.T) {
	t.Parallel()
	said := "to " + first + " with " + testKey + " and " + testToken
	for _, body := range []string{
		fmt.Sprintf(`{"message":%q}`, said),
		fmt.Sprintf(`{"code":200,"message":%q}`, said),
		fmt.Sprintf(`{"message":%q,"results":[{"recipient":%q,"message":%q}]}`, said, first, said),
		said,
	} {
		answer := answered(t, 400, body)
		shown := fmt.Sprintf("%+v", answer)
		require.Contains(t, shown, "to •••100 with ••• and •••")
		for _, hidden := range []string{first, testKey, testToken} {
			require.NotContains(t, shown, hidden)
		}
	}
}
