package africastalking

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	asJSON  = "application/json"
	asText  = "text/plain; charset=UTF-8"
	sentID  = "ATQid_a1b2c3d4e5f60718293a4b5c6d7e8f90"
	otherID = "ATQid_0f2c5a7e9b1d4c3a8e6f1a2b3c4d5e6f"
)

// one is an answer with one line about the first recipient.
func one(status, id, why string) string {
	return fmt.Sprintf(`{"errorMessage":"None","numSent":1,"responses":[{"phoneNumber":`+
		`"+254711000111","status":%q,"requestId":%q,"errorMessage":%q}]}`, status, id, why)
}

// refusing is a whole-request error as the provider shapes it.
func refusing(why string) string {
	return fmt.Sprintf(`{"errorMessage":%q,"numSent":0,"totalAmount":"0","totalDiscount":"0",`+
		`"responses":[]}`, why)
}

func TestLinesAreMatchedByPhoneInAnyOrder(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	want := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonMissing,
		Lines: []providers.Line{
			{
				Phone: phone("254722000222"), Verdict: airtime.Accepted,
				ProviderReference: otherID, Sums: kes(50_50, "2.02"),
			},
			{
				Phone: phone("254711000111"), Verdict: airtime.Accepted,
				ProviderReference: sentID, Sums: kes(10_00, "0.4"),
			},
			{
				Phone: phone("254733000333"), Verdict: airtime.Refused,
				Reason: airtime.ReasonLimit, Message: "Value Outside The Allowed Limits",
				Sums: kes(12_500_00, "0"),
			},
		},
	}
	for _, status := range []int{200, 201, 202, 299} { // Any success; the body decides.
		s.answer(status, asJSON, fixture(t, "send_mixed.json"))
		require.Empty(t, cmp.Diff(want, s.send(t), byDigits), status)
	}
}

func TestAllFailedIsDecidedLineByLine(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer(201, asJSON, fixture(t, "send_all_failed.json"))
	want := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonMissing, Pause: airtime.ReasonBalance,
		Message: "Invalid Requests",
		Lines: []providers.Line{
			{
				Phone: phone("254711000111"), Verdict: airtime.Refused,
				Reason: airtime.ReasonLimit, Message: "Value Outside The Allowed Limits",
				Sums: kes(10_00, "0"),
			},
			{
				Phone: phone("254722000222"), Verdict: airtime.Unsent,
				Reason: airtime.ReasonBalance, Message: "Insufficient Credit",
				Sums: kes(50_50, "0"),
			},
		},
	}
	require.Empty(t, cmp.Diff(want, s.send(t), byDigits))
}

// kes is what a line says about money.
func kes(minor int64, discount string) providers.Sums {
	return providers.Sums{
		Amount: airtime.Money{Minor: minor, Currency: "KES"}, Discount: discount,
	}
}

// lineMeanings are what a line of an answer may say, by status, id and error.
var lineMeanings = []struct {
	status, id, why string
	verdict         airtime.Verdict
	reason, pause   airtime.Reason
}{
	// Taken: an id, whatever the word says. The question by that id decides the rest.
	{"Sent", sentID, "None", airtime.Accepted, "", ""},
	{"sent", sentID, "none", airtime.Accepted, "", ""},
	{" Sent ", " " + sentID + " ", "", airtime.Accepted, "", ""},
	{"Sent", sentID, "some remark", airtime.Accepted, "", ""},
	{"Queued", sentID, "None", airtime.Accepted, "", ""},
	{"Submitted", sentID, "None", airtime.Accepted, "", ""},
	{"Buffered", sentID, "None", airtime.Accepted, "", ""},
	{"Processed", sentID, "None", airtime.Accepted, "", ""},
	{"Success", sentID, "None", airtime.Accepted, "", ""},
	{"Incomplete", sentID, "None", airtime.Accepted, "", ""},
	{"PendingConfirmation", sentID, "None", airtime.Accepted, "", ""},
	{"PendingValidation", sentID, "None", airtime.Accepted, "", ""},
	{"NeverHeardOf", sentID, "None", airtime.Accepted, "", ""},
	{"Failed", sentID, "None", airtime.Accepted, "", ""},
	{"Failed", sentID, "Insufficient Credit", airtime.Accepted, "", ""},
	{"Failed", sentID, "Value Outside The Allowed Limits", airtime.Accepted, "", ""},

	// Refused: Failed or a word like it, and no id.
	{"Failed", "None", "Value Outside The Allowed Limits", airtime.Refused, "limit", ""},
	{"FAILED", "none", "value outside the allowed limits", airtime.Refused, "limit", ""},
	{"Failed", "", "Not Supported", airtime.Refused, "network", ""},
	{"Failed", "None", "NotSupported", airtime.Refused, "network", ""},
	{"Failed", "None", "UnsupportedPhoneNumber", airtime.Refused, "network", ""},
	{"Failed", "None", "UserNotFound", airtime.Refused, "network", ""},
	{"Failed", "None", "UserInInvalidState", airtime.Refused, "refused", ""},
	{"Failed", "None", "Invalid phone number", airtime.Refused, "refused", ""},
	{"Failed", "None", "None", airtime.Refused, "refused", ""},
	{"NotSupported", "None", "None", airtime.Refused, "network", ""},
	{"UnsupportedPhoneNumber", "None", "None", airtime.Refused, "network", ""},
	{"UserNotFound", "None", "None", airtime.Refused, "network", ""},
	{"UserInInvalidState", "None", "None", airtime.Refused, "refused", ""},
	{"UserInBlacklist", "None", "None", airtime.Refused, "refused", ""},
	{"ProductNotFound", "None", "None", airtime.Refused, "refused", ""},
	{"InvalidRequest", "None", "None", airtime.Refused, "refused", ""},
	{"Rejected", "None", "None", airtime.Refused, "refused", ""},

	// Our account, not the recipient.
	{"Failed", "None", "Insufficient Credit", airtime.Unsent, "balance", "balance"},
	{"Failed", "None", "InsufficientBalance", airtime.Unsent, "balance", "balance"},
	{"InsufficientBalance", "None", "None", airtime.Unsent, "balance", "balance"},

	// In doubt.
	{"Sent", "None", "None", airtime.Unknown, "unreadable", ""},
	{"Queued", "", "None", airtime.Unknown, "unreadable", ""},
	{"Success", "None", "None", airtime.Unknown, "unreadable", ""},
	{"InternalError", "None", "None", airtime.Unknown, "unreadable", ""},
	{"Incomplete", "None", "None", airtime.Unknown, "unreadable", ""},
	{"NeverHeardOf", "None", "None", airtime.Unknown, "unreadable", ""},
	{"", sentID, "None", airtime.Unknown, "unreadable", ""},
	{"", "None", "Insufficient Credit", airtime.Unknown, "unreadable", ""},
	{"Sent", strings.Repeat("x", providers.MaxID+1), "None", airtime.Unknown, "unreadable", ""},
	{"Failed", strings.Repeat("x", providers.MaxID+1), "None", airtime.Unknown, "unreadable", ""},
	{
		"Failed", "None", "A duplicate request was received within the last 5 minutes",
		airtime.Unknown, "duplicate", "",
	},
}

func TestWhatOneLineMeans(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range lineMeanings {
		s.answer(201, asJSON, one(c.status, c.id, c.why))
		got := s.send(t)
		require.Len(t, got.Lines, 1, c)
		line := got.Lines[0]
		require.Equal(t, c.verdict.String(), line.Verdict.String(), "%+v", c)
		require.Equal(t, c.reason, line.Reason, "%+v", c)
		require.Equal(t, c.pause, got.Pause, "%+v", c)
		require.Equal(t, airtime.Unknown, got.Verdict, "whoever has no line is in doubt")
		require.Equal(t, airtime.ReasonMissing, got.Reason)
		require.NotContains(t, strings.ToLower(line.ProviderReference), "none")
		if c.verdict == airtime.Accepted {
			require.Equal(t, sentID, line.ProviderReference)
		} else {
			require.Empty(t, line.ProviderReference)
		}
	}
}

func TestErrorsOfTheWholeRequest(t *testing.T) {
	t.Parallel()
	const (
		duplicate = "A duplicate request was received within the last 5 minutes"
		disabled  = "Airtime is not enabled for this account"
		trial     = "Request is over the trial limit. Submit your KYC to remove limit"
	)
	cases := []struct {
		body          string
		verdict       airtime.Verdict
		reason, pause airtime.Reason
	}{
		{refusing(duplicate), airtime.Unknown, "duplicate", ""},
		{refusing("Duplicate Request"), airtime.Unknown, "duplicate", ""},
		{refusing(disabled), airtime.Unsent, "account_fault", "account_fault"},
		{refusing(trial), airtime.Unsent, "account_fault", "account_fault"},
		{refusing("Insufficient Credit"), airtime.Unsent, "balance", "balance"},
		{refusing("Invalid Requests"), airtime.Unknown, "missing", ""},
		{refusing("None"), airtime.Unknown, "missing", ""},
		{refusing("Value Outside The Allowed Limits"), airtime.Unknown, "unreadable", ""},
		{refusing("Something went wrong"), airtime.Unknown, "unreadable", ""},

		// The same words where the answer does not say that nobody was taken.
		{`{"errorMessage":"` + disabled + `"}`, airtime.Unknown, "unreadable", ""},
		{`{"errorMessage":"` + disabled + `","numSent":0}`, airtime.Unknown, "unreadable", ""},
		{
			`{"errorMessage":"` + disabled + `","responses":[]}`,
			airtime.Unknown, "unreadable", "",
		},
		{
			`{"errorMessage":"` + trial + `","numSent":1,"responses":[]}`,
			airtime.Unknown, "unreadable", "",
		},
		{
			`{"errorMessage":"` + trial + `","numSent":0,"responses":{}}`,
			airtime.Unknown, "unreadable", "",
		},
		{`{"errorMessage":"` + duplicate + `"}`, airtime.Unknown, "duplicate", ""},

		// No answer of the provider.
		{`{"numSent":0}`, airtime.Unknown, "unreadable", ""},
		{`{"errorMessage":"None","numSent":2}`, airtime.Unknown, "unreadable", ""},
		{`{"responses":"Sent"}`, airtime.Unknown, "unreadable", ""},
		{"[" + refusing(disabled) + "]", airtime.Unknown, "unreadable", ""},
		{refusing(disabled) + "x", airtime.Unknown, "unreadable", ""},
		{
			`<?xml version="1.0"?><AirtimeResponse><errorMessage>` + disabled +
				`</errorMessage></AirtimeResponse>`, airtime.Unknown, "unreadable", "",
		},
		{"<html>502</html>", airtime.Unknown, "unreadable", ""},
		{"", airtime.Unknown, "unreadable", ""},
	}
	s := newServer(t)
	for _, c := range cases {
		s.answer(201, asJSON, c.body)
		got := s.send(t)
		require.Equal(t, c.verdict.String(), got.Verdict.String(), c.body)
		require.Equal(t, c.reason, got.Reason, c.body)
		require.Equal(t, c.pause, got.Pause, c.body)
		require.Empty(t, got.Lines, c.body)
	}
}

func TestUnderAnErrorOnlySignsOfAnEffectCount(t *testing.T) {
	t.Parallel()
	const lines = `,"numSent":0,"responses":[` +
		`{"phoneNumber":"+254711000111","status":"Sent","requestId":"` + sentID + `"},` +
		`{"phoneNumber":"+254722000222","status":"Failed","requestId":"None",` +
		`"errorMessage":"Insufficient Credit"},` +
		`{"phoneNumber":"+254733000333","status":"Failed","requestId":"None"}]}`
	s := newServer(t)
	for why, reason := range map[string]airtime.Reason{
		"duplicate request":                       airtime.ReasonDuplicate,
		"Airtime is not enabled for this account": airtime.ReasonUnreadable,
		"Something went wrong":                    airtime.ReasonUnreadable,
	} {
		s.answer(201, asJSON, `{"errorMessage":"`+why+`"`+lines)
		want := providers.Answer{
			Verdict: airtime.Unknown, Reason: reason, Message: why,
			Lines: []providers.Line{
				{Phone: phone("254711000111"), Verdict: airtime.Accepted, ProviderReference: sentID},
			},
		}
		require.Empty(t, cmp.Diff(want, s.send(t), byDigits))
	}
}

func TestOfTwoLinesAboutOneRecipientTheSignOfAnEffectCounts(t *testing.T) {
	t.Parallel()
	line := func(status, id, why string) string {
		return fmt.Sprintf(`{"phoneNumber":"+254711000111","status":%q,"requestId":%q,`+
			`"errorMessage":%q}`, status, id, why)
	}
	// From the strongest to the weakest.
	ranked := []struct {
		line    string
		verdict airtime.Verdict
	}{
		{line("Sent", sentID, "None"), airtime.Accepted},
		{line("Sent", "None", "None"), airtime.Unknown},
		{line("Failed", "None", "Invalid"), airtime.Refused},
		{line("Failed", "None", "Insufficient Credit"), airtime.Unsent},
	}
	s := newServer(t)
	for i, strong := range ranked {
		for _, weak := range ranked[i:] {
			for _, lines := range []string{
				strong.line + "," + weak.line, weak.line + "," + strong.line,
			} {
				s.answer(201, asJSON, `{"errorMessage":"None","responses":[`+lines+`]}`)
				got := s.send(t)
				require.Len(t, got.Lines, 1)
				require.Equal(t, strong.verdict.String(), got.Lines[0].Verdict.String(), lines)
			}
		}
	}
}

func TestLinesThatNameNobodyAreLeftOut(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer(201, asJSON, `{"errorMessage":"None","numSent":9,"responses":[null,7,"Sent",[],{},`+
		`{"phoneNumber":{},"status":"Sent","requestId":"x"},`+
		`{"phoneNumber":"+254711XXXYYY","status":"Sent","requestId":"x"},`+
		`{"status":"Failed","requestId":"None"},`+
		`{"phoneNumber":254722000222,"status":"Sent","requestId":4971724}]}`)
	want := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonMissing,
		Lines: []providers.Line{{
			Phone: phone("254722000222"), Verdict: airtime.Accepted, ProviderReference: "4971724",
		}},
	}
	require.Empty(t, cmp.Diff(want, s.send(t), byDigits))
}

const akka = "Request is missing required form field 'recipients'"

var (
	acceptedLine   = one("Sent", sentID, "None")
	duplicateError = refusing("A duplicate request was received within the last 5 minutes")
)

// noSuccesses are answers whose HTTP status is no success.
var noSuccesses = []struct {
	status        int
	kind, body    string
	verdict       airtime.Verdict
	reason, pause airtime.Reason
}{
	{
		401, asText, "The supplied authentication is invalid",
		airtime.Unsent, "credentials", "credentials",
	},
	{
		401, asText, "Request is missing required HTTP header 'apiKey'",
		airtime.Unsent, "credentials", "credentials",
	},
	{403, asText, "Forbidden", airtime.Unsent, "credentials", "credentials"},
	{429, asText, "slow down", airtime.Unsent, "rate_limited", "rate_limited"},
	{429, asJSON, refusing("Too many"), airtime.Unsent, "rate_limited", "rate_limited"},

	{400, asText, akka, airtime.Unsent, "account_fault", "account_fault"},
	{400, "text/plain", "\n" + akka, airtime.Unsent, "account_fault", "account_fault"},
	{
		400, asText, "Request is missing required HTTP header 'apiKey'",
		airtime.Unsent, "account_fault", "account_fault",
	},
	{
		400, asText, "The request content was malformed:\nexpected json",
		airtime.Unsent, "account_fault", "account_fault",
	},
	{
		400, asText, "The form field 'recipients' was malformed:\nno list",
		airtime.Unsent, "account_fault", "account_fault",
	},
	{400, "text/html", akka, airtime.Unknown, "unreadable", ""},
	{400, "", akka, airtime.Unknown, "unreadable", ""},
	{400, asText, "Bad Request", airtime.Unknown, "unreadable", ""},
	{400, asText, "", airtime.Unknown, "unreadable", ""},
	{400, asText, "error: " + akka, airtime.Unknown, "unreadable", ""},
	{400, asJSON, refusing("Invalid username"), airtime.Unknown, "unreadable", ""},
	{404, asText, akka, airtime.Unknown, "unreadable", ""},
	{409, asText, akka, airtime.Unknown, "unreadable", ""},
	{500, asText, akka, airtime.Unknown, "server_error", ""},
	{503, "text/html", "<html>", airtime.Unknown, "server_error", ""},
	{408, asText, "", airtime.Unknown, "timeout", ""},
	{302, asText, akka, airtime.Unknown, "unreadable", "connect"},

	// A body that speaks of a request taken contradicts every refusal.
	{401, asJSON, acceptedLine, airtime.Unknown, "unreadable", "credentials"},
	{403, asJSON, acceptedLine, airtime.Unknown, "unreadable", "credentials"},
	{429, asJSON, acceptedLine, airtime.Unknown, "unreadable", "rate_limited"},
	{429, asJSON, duplicateError, airtime.Unknown, "unreadable", "rate_limited"},
	{
		429, asJSON, `{"errorMessage":"None","numSent":1,"responses":[]}`,
		airtime.Unknown, "unreadable", "rate_limited",
	},
	{400, asJSON, acceptedLine, airtime.Unknown, "unreadable", ""},
	{409, asJSON, acceptedLine, airtime.Unknown, "unreadable", ""},
	{500, asJSON, acceptedLine, airtime.Unknown, "server_error", ""},
}

func TestAnswersThatAreNoSuccess(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range noSuccesses {
		s.answer(c.status, c.kind, c.body)
		got := s.send(t)
		require.Equal(t, c.verdict.String(), got.Verdict.String(), "%+v", c)
		require.Equal(t, c.reason, got.Reason, "%+v", c)
		require.Equal(t, c.pause, got.Pause, "%+v", c)
		require.Empty(t, got.Lines, "%+v", c)
		require.NotEmpty(t, got.Message)
	}
}

func TestTheWaitAskedForIsKept(t *testing.T) {
	t.Parallel()
	header := http.Header{"Content-Type": {asText}}
	for _, body := range []string{"", one("Sent", sentID, "None")} {
		answer, ok := readSend(testKey, providers.Response{
			Status: 429, Header: header, Body: []byte(body), RetryAfter: 7,
		})
		if !ok {
			continue // Classify decides, and keeps it.
		}
		require.EqualValues(t, 7, answer.RetryAfter)
	}
}

func TestTextsAreCleaned(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer(201, asJSON, one("Failed", "None", "no "+testKey+" for 0711 000 111"))
	require.Equal(t, "no ••• for •••111", s.send(t).Lines[0].Message)
	s.answer(201, asJSON, refusing("no "+testKey+" for +254711000111"))
	require.Equal(t, "no ••• for +•••111", s.send(t).Message)
	s.answer(400, asText, "The form field 'recipients' was malformed: +254711000111 "+testKey)
	require.Equal(t, "The form field 'recipients' was malformed: +•••111 •••", s.send(t).Message)
}
