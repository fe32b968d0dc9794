package providers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/providers/providertest"
)

// secret is every credential of every provider here.
const secret = "k3y-at-the-provider"

// build returns all adapters, as programs build them. The server gives out a token and no more.
func build(f *testing.F) map[string]catalog.Entry {
	f.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"`+secret+`","expiresIn":3600}`)
	}))
	f.Cleanup(server.Close)
	client := providers.NewClient(
		providers.ClientOptions{Timeout: time.Minute, Dialer: providertest.LocalDialer()})
	f.Cleanup(client.Close)
	return catalog.Build(client, catalogtest.Accounts(server.URL, secret)...)
}

// texts walks a JSON document and calls read with every name and scalar in it, and repeated when an
// object gives a name twice. An error is returned when the body is not JSON.
func texts(body []byte, read func(string), repeated func()) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var walk func() error
	walk = func() error {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		switch value := token.(type) {
		case json.Number:
			read(value.String())
		case string:
			read(value)
		case json.Delim:
			var names []string
			for decoder.More() {
				if value == '{' {
					name, err := decoder.Token()
					if err != nil {
						return err
					}
					text, _ := name.(string)
					if slices.Contains(names, text) {
						repeated()
					}
					names = append(names, text)
					read(text)
				}
				if err := walk(); err != nil {
					return err
				}
			}
			_, err = decoder.Token()
		}
		return err
	}
	return walk()
}

// givenOnce returns an error when an object of a JSON body gives a field twice.
func givenOnce(body []byte) error {
	twice := errors.New("a field is given twice")
	var found error
	_ = texts(body, func(string) {}, func() { found = twice }) // The caller knows that it is JSON.
	return found
}

// textOf is what a body says, text by text: of JSON its scalars, of a form its fields.
func textOf(body []byte) []string {
	var all []string
	if json.Valid(body) {
		_ = texts(body, func(text string) { all = append(all, text) }, func() {})
		return all
	}
	values, _ := url.ParseQuery(strings.TrimSpace(string(body)))
	for _, given := range values {
		all = append(all, given...)
	}
	return all
}

// names reports whether one of the texts ends with the national digits of a number.
func names(said []string, phone airtime.MSISDN) bool {
	digits := phone.Digits()
	return slices.ContainsFunc(said, func(text string) bool {
		only := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, text)
		return strings.HasSuffix(only, digits[len(digits)-9:])
	})
}

// bench is one provider whose answers are judged.
type bench struct {
	name string
	// list is the field that holds the lines; empty where an answer has none.
	list string
	// accepting is a line that accepts a number, in JSON.
	accepting func(number string) string
	// doubtful is a line that refuses a number and has an id all the same.
	doubtful func(number string) string
	// textRefuses reports whether words under this HTTP status say that nothing was looked at.
	textRefuses func(status int) bool
	// accepted and refused are the codes without which nobody is accepted or refused as a whole;
	// empty where no code does that.
	accepted, refused string
}

// answerBatch are the recipients whom the answers are about.
var answerBatch = providertest.Recipients(2)

// run fuzzes the answers to a batch of two and to one of one.
func (b bench) run(f *testing.F, seeds ...string) {
	f.Helper()
	for _, seed := range append(seeds, "", "{}", "[]", "null", "<html>254711000100</html>", "no") {
		for _, status := range []uint16{200, 201, 400, 401, 429, 500} {
			f.Add(status, "application/json", []byte(seed))
		}
		f.Add(uint16(400), "text/plain", []byte(seed))
	}
	entry := build(f)[b.name]
	two, err := entry.Provider.Prepare(f.Context(), answerBatch)
	require.NoError(f, err)
	single := answerBatch
	single.Recipients = single.Recipients[:1]
	one, err := entry.Provider.Prepare(f.Context(), single)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, status uint16, kind string, body []byte) {
		response := providers.Response{
			Status: int(status), Header: http.Header{"Content-Type": {kind}}, Body: body,
		}
		for _, submission := range []*providers.Submission{one, two} {
			b.check(t, response, submission.Judge(response))
			b.checkEvidence(t, response, submission)
		}
	})
}

// check holds an answer against its body.
func (b bench) check(t *testing.T, r providers.Response, answer providers.Answer) {
	t.Helper()
	requireFit(t, answer.Message)
	said := textOf(r.Body)
	object := json.Valid(r.Body) && providers.FirstByte(r.Body) == '{'
	atTheDoor := r.Status == 401 || r.Status == 403 || r.Status == 429
	seen := map[airtime.MSISDN]bool{}
	for _, line := range answer.Lines {
		require.True(t, object && b.list != "", "only an object has lines")
		require.True(t, names(said, line.Phone), "a line about nobody in the body")
		require.False(t, seen[line.Phone], "two lines about one")
		seen[line.Phone] = true
		require.Contains(t, airtime.Verdicts(), line.Verdict)
		requireFit(t, line.Message)
		if line.Verdict == airtime.Accepted {
			require.NotEmpty(t, line.ProviderReference)
			require.True(t, slices.ContainsFunc(said, func(text string) bool {
				return strings.TrimSpace(text) == line.ProviderReference
			}), "an id that is not in the body")
			require.Empty(t, line.Reason)
			continue
		}
		require.NotEmpty(t, line.Reason)
	}
	switch answer.Verdict {
	case airtime.Accepted:
		require.True(t, object && b.accepted != "" && trimmed(said, b.accepted))
	case airtime.Refused:
		require.True(t, object && (b.refused == "" || trimmed(said, b.refused)))
		require.False(t, b.refused == "" && b.name != "sozuri", "nobody is refused as a whole")
	case airtime.Unsent:
		require.True(t, object || atTheDoor || b.textRefuses != nil && b.textRefuses(r.Status))
		stale := b.name == "lipad" && answer.Reason == airtime.ReasonCredentials
		one := b.name == "quicksms" && answer.Reason == airtime.ReasonBatchRefused
		require.True(t, answer.Pause == answer.Reason || (stale || one) && answer.Pause == "",
			"whatever keeps everybody back is ours, but for a token that is renewed and a request "+
				"that is refused because of one recipient")
	default:
		require.Equal(t, airtime.Unknown, answer.Verdict)
		require.NotEmpty(t, answer.Reason)
	}
	if object && !atTheDoor && givenOnce(r.Body) != nil {
		require.Equal(t, airtime.Unknown, answer.Verdict, "who says two things says nothing")
		require.Empty(t, answer.Lines)
	}
}

func trimmed(said []string, text string) bool {
	return slices.ContainsFunc(said, func(other string) bool {
		return strings.TrimSpace(other) == text
	})
}

// checkEvidence puts a line that shows an effect on the first recipient into the list of the
// answer, at each end: whatever else the answer says, nobody may be sent to again of whom it says
// that.
func (b bench) checkEvidence(t *testing.T, r providers.Response, submission *providers.Submission) {
	t.Helper()
	phone := answerBatch.Recipients[0].Phone
	var fields map[string]json.RawMessage
	var lines []json.RawMessage
	if b.list == "" || json.Unmarshal(r.Body, &fields) != nil ||
		json.Unmarshal(fields[b.list], &lines) != nil {
		return
	}
	accepting, doubtful := b.accepting(phone.Digits()), b.doubtful(phone.Digits())
	for i, line := range []string{accepting, accepting, doubtful, doubtful} {
		at := i % 2 * len(lines)
		list, err := json.Marshal(slices.Insert(slices.Clone(lines), at, json.RawMessage(line)))
		require.NoError(t, err)
		fields[b.list] = list
		r.Body, err = json.Marshal(fields)
		require.NoError(t, err)
		if givenOnce(r.Body) != nil {
			continue // Nothing counts then but the HTTP status.
		}
		answer := submission.Judge(r)
		verdict := providertest.VerdictOf(answer, phone)
		require.Contains(t, []airtime.Verdict{airtime.Accepted, airtime.Unknown}, verdict,
			"%s", r.Body)
		if r.Status >= 200 && r.Status <= 299 && line == accepting {
			require.Equal(t, airtime.Accepted, verdict, "%s", r.Body)
		}
	}
}

func FuzzLipadAnswer(f *testing.F) {
	bench{name: "lipad", accepted: "720", refused: "721"}.run(f,
		`{"response_code":720,"response_description":"accepted","reference":""}`,
		`{"response_code":"721","response_description":"Invalid 0711000100 `+secret+`"}`,
		`{"reference":"`+answerBatch.ID+`","response_code":720}`,
		`{"reference":"another","response_code":720}`,
		`{"response_code":720,"response_code":721}`,
		`{"response_code":720,"Response_Code":721}`,
		`{"response_code":799,"response_description":"254711000100"}`,
		`{"response_code":7.2e2}`,
	)
}

func FuzzAfricasTalkingAnswer(f *testing.F) {
	bench{
		name: "africastalking", list: "responses",
		accepting: func(number string) string {
			return `{"phoneNumber":"+` + number + `","status":"Sent","requestId":"ATQid_9"}`
		},
		doubtful: func(number string) string {
			return `{"phoneNumber":"+` + number + `","status":"Failed","requestId":"ATQid_8",` +
				`"errorMessage":"Insufficient Credit"}`
		},
		textRefuses: func(status int) bool { return status == http.StatusBadRequest },
	}.run(f,
		`{"errorMessage":"None","numSent":1,"responses":[{"phoneNumber":"+254711000100",`+
			`"status":"Sent","requestId":"ATQid_1","errorMessage":"None"},{"phoneNumber":`+
			`"+254711000101","status":"Failed","requestId":"None","errorMessage":"Insufficient Credit"}]}`,
		`{"errorMessage":"Invalid Requests","numSent":0,"responses":[{"phoneNumber":`+
			`"0711000100","status":"Failed","requestId":"None","errorMessage":"Value Outside The `+
			`Allowed Limits"},null,7]}`,
		`{"errorMessage":"Insufficient Credit","numSent":0,"responses":[]}`,
		`{"errorMessage":"A duplicate request was received within the last 5 minutes",`+
			`"numSent":0,"responses":[]}`,
		`{"responses":[{"phoneNumber":"+254711000100","status":"Sent","requestId":"1"}],`+
			`"responses":[{"phoneNumber":"+254711000101"}]}`,
		`{"errorMessage":"Airtime is not enabled","numSent":0,"responses":[],`+
			`"Responses":[{"phoneNumber":"+254711000100","status":"Failed","requestId":"1",`+
			`"requestID":"None"}]}`,
		"Request is missing required form field 'username' 254711000100 "+secret,
	)
}

func FuzzQuickSMSAnswer(f *testing.F) {
	bench{
		name: "quicksms", list: "results", textRefuses: providers.TurnedAway,
		accepting: func(number string) string {
			return `{"recipient":"` + number + `","code":201,"request_id":9}`
		},
		doubtful: func(number string) string {
			return `{"recipient":"` + number + `","code":4001,"message":"low balance","request_id":8}`
		},
	}.run(f,
		`{"code":200,"message":"Total:1 Success:1 Failed:0","results":[{"recipient":`+
			`"254711000100","code":201,"message":"queued for disbursal","request_id":10990},`+
			`{"recipient":"254711000101","code":4001,"message":"Insufficient balance"}]}`,
		`{"code":401,"message":"wrong token 254711000100 `+secret+`"}`,
		`{"code":4090,"message":"internal error","results":[]}`,
		`{"code":422,"message":"low credit","results":null,"request_id":[]}`,
		`{"results":[{"recipient":"254711000100","code":201,"request_id":1,"Code":400}]}`,
		"low balance", "queued",
	)
}

func FuzzSozuriAnswer(f *testing.F) {
	bench{
		name: "sozuri", list: "responses",
		accepting: func(number string) string {
			return `{"number":"` + number + `","status":"accepted","requestId":9}`
		},
		doubtful: func(number string) string {
			return `{"number":"` + number + `","status":"failed","requestId":8,"errorMessage":"x"}`
		},
	}.run(f,
		`{"recipientsCount":2,"responses":[{"number":"254711000100","status":"accepted",`+
			`"requestId":4971724,"errorMessage":"none"},{"number":"254711000101","status":"failed",`+
			`"requestId":"none","errorMessage":"Insufficient balance"}]}`,
		`{"data":{"message":"Unauthenticated 254711000100 `+secret+`"}}`,
		`{"status":"failed","errorMessage":"Unsupported mobile network"}`,
		`{"status":"failed","errorMessage":"insufficient balance","requestId":7}`,
		`{"data":{"message":"Insufficient balance"},"recipientsCount":"0","responses":[]}`,
		`{"responses":[{"number":"254711000100","status":"accepted","status":"failed"}]}`,
	)
}
