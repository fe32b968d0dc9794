package sozuri

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
		lines[i] = strings.ReplaceAll(line, "FIRST", `"number":"`+first+`"`)
	}
	answer := answered(t, 2, 200, `{"responses":[`+strings.Join(lines, ",")+`]}`)
	require.Equal(t, airtime.Unknown, answer.Verdict)
	if len(answer.Lines) == 0 {
		return providers.Line{Verdict: answer.Verdict, Reason: answer.Reason}, answer
	}
	require.Len(t, answer.Lines, 1)
	return answer.Lines[0], answer
}

// oneLine are lines about the first recipient and what they mean.
var oneLine = []struct {
	line    string
	verdict airtime.Verdict
	reason  airtime.Reason
	id      string
}{
	// The id is a number, a text of digits or a text of letters.
	{
		`{FIRST,"status":"accepted","requestId":4971724,"errorMessage":"none"}`,
		airtime.Accepted, "", "4971724",
	},
	{`{FIRST,"status":"accepted","requestId":"4971724"}`, airtime.Accepted, "", "4971724"},
	{`{FIRST,"status":" ACCEPTED ","requestId":"AIR-A1B2"}`, airtime.Accepted, "", "AIR-A1B2"},
	{
		`{FIRST,"status":"accepted","requestId":12345678901234567890123}`,
		airtime.Accepted, "", "12345678901234567890123",
	},
	{
		`{FIRST,"status":"accepted","requestId":7,"errorMessage":"delayed"}`,
		airtime.Accepted, "", "7",
	},
	{`{FIRST,"status":"accepted"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"accepted","requestId":"none"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"accepted","requestId":0}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"accepted","requestId":null}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"accepted","requestId":true}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"accepted","requestId":{"a":7}}`, airtime.Unknown, unreadable, ""},
	{
		`{FIRST,"status":"accepted","requestId":"` + strings.Repeat("1", 129) + `"}`,
		airtime.Unknown, unreadable, "",
	},

	{
		`{FIRST,"status":"failed","errorMessage":"Invalid recipient number"}`,
		airtime.Refused, airtime.ReasonRefused, "",
	},
	{
		`{FIRST,"status":"failed","requestId":"none","errorMessage":"unsupported mobile network"}`,
		airtime.Refused, airtime.ReasonNetwork, "",
	},
	{
		`{FIRST,"status":"Failed","requestId":null,` +
			`"errorMessage":"Invalid airtime Value. Maximum limit per recipient is KES 5000"}`,
		airtime.Refused, airtime.ReasonLimit, "",
	},
	{
		`{FIRST,"status":"failed","errorMessage":"who knows"}`,
		airtime.Refused, airtime.ReasonRefused, "",
	},

	{
		`{FIRST,"status":"failed","requestId":7,"errorMessage":"who knows"}`,
		airtime.Unknown, unreadable, "7",
	},
	{
		`{FIRST,"status":"failed","requestId":[],"errorMessage":"who knows"}`,
		airtime.Unknown, unreadable, "",
	},
	{`{FIRST,"status":"failed","errorMessage":"none"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"failed","errorMessage":"None"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"failed"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":"queued","requestId":7}`, airtime.Unknown, unreadable, "7"},
	{`{FIRST,"status":"success"}`, airtime.Unknown, unreadable, ""},
	{`{FIRST,"status":11,"requestId":7}`, airtime.Unknown, unreadable, "7"},
	{`{FIRST,"requestId":7}`, airtime.Unknown, unreadable, "7"},
	{`{FIRST}`, airtime.Unknown, unreadable, ""},

	{`{"status":"accepted","requestId":7}`, airtime.Unknown, "missing", ""},
	{`{"number":null,"status":"accepted","requestId":7}`, airtime.Unknown, "missing", ""},
	{`"text"`, airtime.Unknown, "missing", ""},
	{`null`, airtime.Unknown, "missing", ""},
}

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
func TestALineThatSpeaksOfOurAccount(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]airtime.Reason{
		"Insufficient balance": airtime.ReasonBalance,
		"Unknown project.":     airtime.ReasonCredentials,
	} {
		line, answer := answeredLine(t,
			fmt.Sprintf(`{FIRST,"status":"failed","errorMessage":%q}`, said))
		require.Equal(t, airtime.Unsent, line.Verdict, said)
		require.Equal(t, want, line.Reason)
		require.Equal(t, want, answer.Pause)
	}
}

// The same number twice in an answer: the stronger sign of an effect counts, whatever the order.
func TestTwoLinesAboutOneRecipient(t *testing.T) {
	t.Parallel()
	const (
		accepted = `{FIRST,"status":"accepted","requestId":1}`
		again    = `{FIRST,"status":"accepted","requestId":"2"}`
		unclear  = `{FIRST,"status":"failed","requestId":3}`
		refused  = `{FIRST,"status":"failed","errorMessage":"Invalid"}`
		unsent   = `{FIRST,"status":"failed","errorMessage":"Insufficient balance"}`
	)
	cases := []struct {
		lines   []string
		want    airtime.Verdict
		id      string
		message string
	}{
		{[]string{accepted, again}, airtime.Accepted, "1", "accepted twice, also as 2"},
		{[]string{again, accepted}, airtime.Accepted, "2", "accepted twice, also as 1"},
		{[]string{accepted, accepted}, airtime.Accepted, "1", ""},
		{[]string{refused, accepted}, airtime.Accepted, "1", ""},
		{[]string{accepted, refused}, airtime.Accepted, "1", ""},
		{[]string{unclear, accepted, unsent}, airtime.Accepted, "1", ""},
		{[]string{refused, unclear}, airtime.Unknown, "3", "status failed"},
		{[]string{unsent, unclear}, airtime.Unknown, "3", "status failed"},
		{[]string{unsent, refused}, airtime.Refused, "", "Invalid"},
	}
	for _, c := range cases {
		line, answer := answeredLine(t, c.lines...)
		require.Equal(t, c.want.String(), line.Verdict.String(), c.lines)
		require.Equal(t, c.id, line.ProviderReference, c.lines)
		require.Equal(t, c.message, line.Message, c.lines)
		require.Empty(t, answer.Pause, "nobody is unsent in the end")
	}
}

// Counts and totals are numbers here and texts there, and the number is spelt in several ways.
func TestTypesAndSpellings(t *testing.T) {
	t.Parallel()
	for _, totals := range []string{
		`"recipientsCount":2,"totalAmount":21,"totalDiscount":"KES 0.00"`,
		`"recipientsCount":"2","totalAmount":"KES 300","totalDiscount":0`,
		`"recipientsCount":null,"totalAmount":[],"totalDiscount":{}`,
		`"recipientsCount":0,"status":"failed","errorMessage":"x","data":{"message":"x"}`,
		`"recipientsCount":0,"data":"x"`,
		`"data":[]`,
	} {
		for _, number := range []string{
			`"254711000100"`, `"+254711000100"`, `"0711000100"`, `254711000100`, `711000100`,
		} {
			answer := answered(t, 1, 200, "{"+totals+`,"responses":[{"number":`+number+
				`,"status":"accepted","requestId":1,"errorMessage":"none"}]}`)
			require.Len(t, answer.Lines, 1, "%s %s", totals, number)
			require.Equal(t, first, answer.Lines[0].Phone.Digits())
			require.Equal(t, airtime.Accepted, answer.Lines[0].Verdict, "%s %s", totals, number)
		}
	}
}

func TestLinesDecideWhateverTheHTTPStatus(t *testing.T) {
	t.Parallel()
	body := `{"responses":[{"number":"` + first + `","status":"accepted","requestId":1},` +
		`{"number":"` + second + `","status":"failed","errorMessage":"Invalid"}]}`
	for _, status := range []int{200, 201, 207, 302, 400, 401, 403, 404, 408, 409, 429, 500, 503} {
		answer := answered(t, 3, status, body)
		require.Equal(t, airtime.Unknown, answer.Verdict)
		require.Equal(t, airtime.ReasonMissing, answer.Reason)
		require.Empty(t, answer.Pause)
		for digits, want := range map[string]airtime.Verdict{
			first: airtime.Accepted, second: airtime.Refused, "254711000102": airtime.Unknown,
		} {
			phone := airtime.MSISDNFromE164(digits)
			require.Equal(t, want, providertest.VerdictOf(answer, phone), "HTTP %d", status)
		}
	}
}

// errorCase is an error without lines and what it means for everybody.
type errorCase struct {
	status  int
	body    string
	verdict airtime.Verdict
	reason  airtime.Reason
	pause   airtime.Reason
}

func (c errorCase) check(t *testing.T, recipients int) {
	t.Helper()
	got := answered(t, recipients, c.status, c.body)
	why := fmt.Sprintf("%d recipients, HTTP %d %s", recipients, c.status, c.body)
	require.Empty(t, got.Lines, why)
	require.Equal(t, c.verdict.String(), got.Verdict.String(), why)
	require.Equal(t, c.reason, got.Reason, why)
	require.Equal(t, c.pause, got.Pause, why)
	require.NotEmpty(t, got.Message, why)
}

const (
	accountFault, credentials = airtime.ReasonAccountFault, airtime.ReasonCredentials
	balance, limited          = airtime.ReasonBalance, airtime.ReasonRateLimited
	unreadable, broken        = airtime.ReasonUnreadable, airtime.ReasonServerError
	unsent, unknown           = airtime.Unsent, airtime.Unknown
)

// The first envelope stands for the whole request and comes before any recipient is looked at.
func TestTheFirstEnvelope(t *testing.T) {
	t.Parallel()
	const (
		tooMany  = `{"data":{"message":"Error. Exceeded maximum allowed recipients"}}`
		mismatch = `{"data":{"message":"Error. Ensure all numbers have matching airtime value."}}`
		empty    = `{"data":{"message":"Error. Insufficient balance. Min project balance for ` +
			`Airtime is 50KES. Top up your project then try again."}}`
		who   = `{"data":{"message":"Unknown project."}}`
		other = `{"data":{"message":"Error. Something else"}}`
	)
	var cases []errorCase
	for _, status := range []int{200, 400, 404, 422} {
		cases = append(cases,
			errorCase{status, tooMany, unsent, accountFault, accountFault},
			errorCase{status, mismatch, unsent, accountFault, accountFault},
			errorCase{status, empty, unsent, balance, balance},
			errorCase{status, who, unsent, credentials, credentials})
	}
	cases = append(cases, []errorCase{
		{401, who, unsent, credentials, credentials},
		{401, other, unsent, credentials, credentials},
		{403, other, unsent, credentials, credentials},
		{429, other, unsent, limited, limited},
		{400, other, unsent, accountFault, accountFault},
		{404, other, unsent, accountFault, accountFault},
		{200, other, unknown, unreadable, ""},
		{302, other, unknown, unreadable, airtime.ReasonConnect},
		{408, other, unknown, airtime.ReasonTimeout, ""},
		{409, other, unknown, unreadable, ""},
		{425, other, unknown, unreadable, ""},
		{500, other, unknown, broken, ""},
		// A body that counts or names somebody taken is no error of the whole.
		{400, `{"recipientsCount":1,"data":{"message":"Unknown project."}}`, unknown, unreadable, ""},
		{401, `{"requestId":7,"data":{"message":"Unknown project."}}`, unknown, unreadable, ""},
		{401, `{"requestId":{},"data":{"message":"x"}}`, unknown, unreadable, ""},
		{401, `{"responses":{"0":{}},"data":{"message":"x"}}`, unknown, unreadable, ""},
		{429, `{"recipientsCount":"2"}`, unknown, unreadable, ""},
		{500, `{"recipientsCount":2,"data":{"message":"x"}}`, unknown, broken, ""},
	}...)
	for _, c := range cases {
		c.check(t, 1)
		c.check(t, 3)
	}
}

// The second envelope is about one recipient and names none: it decides only who was alone.
func TestTheSecondEnvelope(t *testing.T) {
	t.Parallel()
	const refused = airtime.Refused
	failed := func(said string) string {
		return fmt.Sprintf(`{"status":"failed","errorMessage":%q}`, said)
	}
	for said, reason := range map[string]airtime.Reason{
		"Invalid recipient number":                                       airtime.ReasonRefused,
		"unsupported mobile network":                                     airtime.ReasonNetwork,
		"Invalid airtime Value. Maximum limit per recipient is KES 5000": airtime.ReasonLimit,
		"of another kind":                                                airtime.ReasonRefused,
	} {
		for _, status := range []int{200, 400, 404, 422} {
			errorCase{status, failed(said), refused, reason, ""}.check(t, 1)
			errorCase{status, failed(said), unknown, airtime.ReasonBatchRefused, ""}.check(t, 2)
		}
		for status, reason := range map[int]airtime.Reason{
			302: unreadable, 408: airtime.ReasonTimeout, 409: unreadable, 425: unreadable,
			500: broken, 503: broken,
		} {
			pause := airtime.NoReason
			if status == 302 {
				pause = airtime.ReasonConnect
			}
			errorCase{status, failed(said), unknown, reason, pause}.check(t, 1)
			errorCase{status, failed(said), unknown, reason, pause}.check(t, 2)
		}
	}
	empty := failed("Insufficient balance")
	errorCase{400, empty, unsent, balance, balance}.check(t, 1)
	errorCase{400, empty, unknown, airtime.ReasonBatchRefused, balance}.check(t, 2)

	for _, body := range []string{
		`{"status":"failed","errorMessage":"Invalid","requestId":7}`,
		`{"status":"success","errorMessage":"Invalid"}`,
		`{"status":"failed","errorMessage":"none"}`,
		`{"status":"failed"}`,
	} {
		errorCase{400, body, unknown, unreadable, ""}.check(t, 1)
	}
}

func TestErrorsInNeitherEnvelope(t *testing.T) {
	t.Parallel()
	for _, c := range []errorCase{
		{404, `<html>Not Found</html>`, unknown, unreadable, ""},
		{404, ``, unknown, unreadable, ""},
		{404, `{"message":"Not Found"}`, unknown, unreadable, ""},
		{400, `Bad Request`, unknown, unreadable, ""},
		{401, `Unauthorized`, unsent, credentials, credentials},
		{403, ``, unsent, credentials, credentials},
		{429, `slow down`, unsent, limited, limited},
		{200, `{"responses":[]}`, unknown, unreadable, ""},
		{200, `{"responses":null,"data":null}`, unknown, unreadable, ""},
		{200, `{"responses":"none"}`, unknown, unreadable, ""},
		{200, `{"messageData":{"message":"Error"}}`, unknown, unreadable, ""},
		{400, `{"data":{"message":{}}}`, unknown, unreadable, ""},
		{400, `{"data":"Unknown project."}`, unknown, unreadable, ""},
		{503, `upstream`, unknown, broken, ""},
	} {
		c.check(t, 1)
		c.check(t, 2)
	}
}
