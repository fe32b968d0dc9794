package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"tuma/internal/cli"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
	"tuma/internal/test/schematest"
)

const (
	startLimit = 20 * time.Second
	stopLimit  = 20 * time.Second
)

// inletProcess is a real "enqueuer serve".
type inletProcess struct {
	*proctest.Process
	base string
}

func serveInlet(t *testing.T, redis string) *inletProcess {
	t.Helper()
	addr := proctest.FreeAddr(t)
	p := proctest.Start(t, proctest.Build(t, "./cmd/enqueuer"), []string{"serve"}, []string{
		"TUMA_REDIS_URL=" + redis, "TUMA_HTTP_ADDR=" + addr, "TUMA_OPS_ADDR=127.0.0.1:0",
		"TUMA_HTTP_TOKENS=shop=shop-token,bank=bank-token",
	})
	p.WaitOutput("taking jobs", startLimit)
	return &inletProcess{p, "http://" + addr}
}

// ask sends a request with a token and returns the status, the header and the body.
func (p *inletProcess) ask(
	t *testing.T, method, path, token, body string,
) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.base+path,
		strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, answer.Header, string(text)
}

// fits demands that answers are as schemas of a description say.
func (p *inletProcess) fits(t *testing.T, description string, schemas map[string]string) {
	t.Helper()
	known := schematest.Read(t, []byte(description))
	for question, schema := range schemas {
		status, _, text := p.ask(t, http.MethodGet, question, "shop-token", "")
		require.Equal(t, http.StatusOK, status)
		known.Fits(t, schema, []byte(text))
	}
}

// jobOf is a job of as many recipients.
func jobOf(reference string, recipients int) string {
	list := make([]string, recipients)
	for i := range list {
		list[i] = fmt.Sprintf(`{"phone_number":"0711%06d","amount":"10"}`, i)
	}
	return fmt.Sprintf(`{"reference":%q,"recipients":[%s]}`, reference, strings.Join(list, ","))
}

// statusAnswer is the whole status JSON, read strictly.
type statusAnswer struct {
	statusView
	List []map[string]string `json:"recipients_list"`
}

func readStatus(t *testing.T, text []byte) (s statusAnswer) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&s))
	for _, recipient := range s.List {
		require.Len(t, recipient, len(reportColumns))
		for _, column := range reportColumns {
			require.Contains(t, recipient, column)
		}
	}
	return s
}

func TestServe(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	p := serveInlet(t, redis.URL())
	const path = "/v1/disbursals"
	for _, row := range []struct {
		name, token, body string
		status            int
		says              string
	}{
		{"accepted", "shop-token", jobOf("r/1", 1000), http.StatusAccepted, `"reference":"r/1"`},
		{"repeated", "shop-token", jobOf("r/1", 1000), http.StatusOK, `"status":"accepted"`},
		{"conflicting", "shop-token", jobOf("r/1", 2), http.StatusConflict, "other content"},
		{"another's", "bank-token", jobOf("r/1", 2), http.StatusAccepted, `"reference":"r/1"`},
		{"faulty", "shop-token", jobOf("r 2", 1), http.StatusUnprocessableEntity, "reference: may"},
		{"too many", "shop-token", jobOf("r-3", 1001), http.StatusUnprocessableEntity, "at most 1000"},
		{"unauthorised", "wrong", jobOf("r-3", 1), http.StatusUnauthorized, "TUMA_HTTP_TOKENS"},
		{
			"too large", "shop-token", strings.Repeat(" ", 1<<20) + jobOf("r-3", 1),
			http.StatusRequestEntityTooLarge, "1048576",
		},
	} {
		status, _, text := p.ask(t, http.MethodPost, path, row.token, row.body)
		require.Equal(t, row.status, status, "%s: %s", row.name, text)
		require.Contains(t, text, row.says, row.name)
	}
	status, _, text := p.ask(t, http.MethodGet, path+"/r/1", "shop-token", "")
	require.Equal(t, http.StatusOK, status)
	shown := readStatus(t, []byte(text))
	require.Equal(t, "r/1", shown.Reference)
	require.Equal(t, int64(1000), shown.Statuses["queued"].Recipients)
	require.Equal(t, "10000.00", shown.Statuses["queued"].Amounts["KES"])
	require.Len(t, shown.List, 1000)
	require.Equal(t, "r/1", shown.List[0]["reference"])
	require.Equal(t, "254711000000", shown.List[0]["phone_number"])

	const send = "/airtime/invoke-send-airtime?phone=0711000000&amount=10&idempotencyKey=k"
	for range 2 {
		status, _, text = p.ask(t, http.MethodGet, send, "shop-token", "")
		require.Equal(t, http.StatusOK, status, text)
		require.Contains(t, text, `"reference":"k","phone":"0711000000","status":"queued"`)
	}

	// The description's example is what is really written, and what is written is as it says.
	_, _, description := p.ask(t, http.MethodGet, "/openapi.yaml", "", "")
	readStatus(t, statusExample(t, description))
	p.fits(t, description, map[string]string{
		path + "/r/1": "Status", path: "Disbursals", "/v1/results": "Results",
		"/v1/recipients?phone=0711000000": "Recipients",
	})

	redis.Stop()
	status, header, text := p.ask(t, http.MethodPost, path, "shop-token", jobOf("r-4", 1))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotEmpty(t, header.Get("Retry-After"))
	require.Contains(t, text, "same reference")
	status, _, _ = p.ask(t, http.MethodGet, path+"/r/1", "shop-token", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	redis.Restart()
	status, _, _ = p.ask(t, http.MethodPost, path, "shop-token", jobOf("r-4", 1))
	require.Equal(t, http.StatusAccepted, status)

	p.Term()
	require.Equal(t, cli.ExitDone, p.Wait(stopLimit))
	require.NotRegexp(t, fullNumber, p.Output())
	require.NotContains(t, p.Output(), "shop-token")
}

// statusExample is the example of a status in the description.
func statusExample(t *testing.T, description string) []byte {
	t.Helper()
	var node yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(description), &node))
	at := node.Content[0]
	for _, key := range []string{
		"paths", "/v1/disbursals/{reference}", "get", "responses", "200", "content",
		"application/json", "example",
	} {
		fields := map[string]yaml.Node{}
		require.NoError(t, at.Decode(&fields))
		next, there := fields[key]
		require.True(t, there, key)
		at = &next
	}
	var example any
	require.NoError(t, at.Decode(&example))
	text, err := json.Marshal(example)
	require.NoError(t, err)
	return text
}

func TestAStatusThatCannotBeReadIsNotBegun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	away := errors.New("redis went away")
	err := writeStatus(&out, state.Summary{}, func(each func(state.Row) error) error {
		return errors.Join(each(state.Row{}), away)
	})
	require.ErrorIs(t, err, away)
	require.Empty(t, out.String())
}

func TestServeStaysOnLoopbackWithoutTokens(t *testing.T) {
	t.Parallel()
	redis, namespace := redistest.Shared(t)
	p := proctest.Start(t, proctest.Build(t, "./cmd/enqueuer"), []string{"serve"}, []string{
		"TUMA_REDIS_URL=" + redis, "TUMA_NAMESPACE=" + namespace, "TUMA_HTTP_ADDR=:0",
		"TUMA_OPS_ADDR=127.0.0.1:0",
	})
	require.Equal(t, cli.ExitUsage, p.Wait(startLimit))
	require.Contains(t, p.Output(), "TUMA_HTTP_TOKENS")
}
