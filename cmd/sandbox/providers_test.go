package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/cli"
)

// providers runs "providers" until ctx ends.
func providers(ctx context.Context, out io.Writer, args ...string) error {
	cmd := newProvidersCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(out)
	cmd.SetArgs(append([]string{"--addr", "127.0.0.1:0"}, args...))
	return cmd.ExecuteContext(ctx)
}

func TestProvidersSetTheVariablesOfAllFour(t *testing.T) {
	t.Parallel()
	received := make(chan string, 1)
	inbox := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		received <- r.URL.Path
	}))
	defer inbox.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out screen
	ended := make(chan error, 1)
	go func() { ended <- providers(ctx, &out, "--callbacks", inbox.URL+"/callbacks/token") }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "\n") },
		testTimeout, time.Millisecond)

	variables := map[string]string{}
	line, _, _ := strings.Cut(out.String(), "\n")
	require.True(t, strings.HasPrefix(line, "export LIPAD_BASE_URL="), line)
	for _, set := range regexp.MustCompile(`(\w+)=(\S+)`).FindAllStringSubmatch(line, -1) {
		variables[set[1]] = set[2]
	}
	base := variables["LIPAD_BASE_URL"]
	require.Equal(t, map[string]string{
		"LIPAD_BASE_URL": base, "LIPAD_CONSUMER_KEY": "sandbox", "LIPAD_CONSUMER_SECRET": "sandbox",
		"AFRICASTALKING_BASE_URL": base, "AFRICASTALKING_USERNAME": "sandbox",
		"AFRICASTALKING_API_KEY": "sandbox",
		"QUICKSMS_BASE_URL":      base, "QUICKSMS_APP_KEY": "sandbox", "QUICKSMS_APP_TOKEN": "sandbox",
		"SOZURI_BASE_URL": base, "SOZURI_PROJECT": "sandbox", "SOZURI_API_KEY": "sandbox",
	}, variables)

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/airtime/topup",
		strings.NewReader(`{"project":"p","apiKey":"k",
			"recipients":[{"number":"0711000000","amount":"KES 10"}]}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	require.NoError(t, err)
	var said struct{ RecipientsCount int }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&said))
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 1, said.RecipientsCount)
	select {
	case path := <-received:
		require.Equal(t, "/callbacks/token/sozuri", path)
	case <-time.After(testTimeout):
		require.FailNow(t, "no callback")
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestProvidersStayOnThisMachine(t *testing.T) {
	t.Parallel()
	for flag, value := range map[string]string{
		"--addr": "192.0.2.1:0", "--callbacks": "http://192.0.2.1/callbacks/token",
	} {
		err := providers(t.Context(), io.Discard, flag, value)
		var exit *cli.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, cli.ExitUsage, exit.Code)
		require.ErrorContains(t, err, flag+": ")
		require.ErrorContains(t, err, "add --allow-remote if it is meant")
	}
	err := providers(t.Context(), io.Discard, "--callbacks", "nowhere")
	require.ErrorContains(t, err, "--callbacks: callbacks: want a URL")
}
