package webhook_test

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tuma/internal/config"
	"tuma/internal/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	first  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	second = "whsec_c2Vjb25kIHNlY3JldCBvZiB0aGUgdGVzdCBzaG9w"
)

// sender posts to a server of the test.
func sender(
	t *testing.T, base, secrets string, change func(*webhook.SenderOptions),
) *webhook.Sender {
	t.Helper()
	u, err := webhook.ParseURL(base, true)
	require.NoError(t, err)
	o := webhook.SenderOptions{
		URL: u, Secret: func() string { return secrets }, AllowPrivate: true, Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	s := webhook.NewSender(o)
	t.Cleanup(s.Close)
	return s
}

// serve is an endpoint.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// TestTheConventionsLibraryVerifies what we sign, also while a secret is replaced: with each of the
// two, and with no other.
func TestTheConventionsLibraryVerifies(t *testing.T) {
	t.Parallel()
	body := webhook.Body(map[string]string{
		"reference": "<1>&é", "status": "successful", "at": "2026-11-30T07:00:00.000Z",
		"corrected": "false",
	})
	require.JSONEq(t, `{"type":"recipient.settled","timestamp":"2026-11-30T07:00:00.000Z","data":{
		"reference":"<1>&é","status":"successful","at":"2026-11-30T07:00:00.000Z","corrected":"false"}}`,
		string(body))
	for secrets, accepted := range map[string][]string{
		first: {first}, first + "\n" + second + "\n": {first, second}, second: {second},
	} {
		var header http.Header
		var got []byte
		base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			header, got = r.Header, read(r)
			w.WriteHeader(http.StatusNoContent)
		})
		answer := sender(t, base, secrets, nil).Send(t.Context(), "1764486000000-3", body)
		require.Equal(t, webhook.Answer{Outcome: webhook.Delivered, Text: "HTTP 204"}, answer)
		require.Equal(t, "1764486000000-3", header.Get("webhook-id"))
		require.Equal(t, "application/json", header.Get("Content-Type"))
		for _, secret := range []string{first, second} {
			hook, err := standardwebhooks.NewWebhook(secret)
			require.NoError(t, err)
			if strings.Contains(strings.Join(accepted, " "), secret) {
				require.NoError(t, hook.Verify(got, header))
				require.Error(t, hook.Verify(append(got, ' '), header))
			} else {
				require.ErrorIs(t, hook.Verify(got, header), standardwebhooks.ErrNoMatchingSignature)
			}
		}
	}
	require.Contains(t, string(webhook.Body(map[string]string{"corrected": "true"})),
		`"type":"recipient.corrected"`)
}

func read(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	return body
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for status, want := range map[int]webhook.Outcome{
		200: webhook.Delivered, 202: webhook.Delivered, 204: webhook.Delivered, 299: webhook.Delivered,
		301: webhook.Redirected, 302: webhook.Redirected, 307: webhook.Redirected,
		308: webhook.Redirected, 304: webhook.Redirected, 410: webhook.Gone, 400: webhook.Refused,
		401: webhook.Refused, 404: webhook.Refused, 429: webhook.Refused, 500: webhook.Refused,
		503: webhook.Refused,
	} {
		requests := 0
		base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.Header().Set("Location", other+"/secret-place")
			w.WriteHeader(status)
			if status != http.StatusNoContent && status != http.StatusNotModified {
				_, _ = w.Write([]byte("254711000001 is unknown to us"))
			}
		})
		answer := sender(t, base, first, nil).Send(t.Context(), "1-1", []byte("{}"))
		require.Equal(t, want, answer.Outcome, status)
		require.NotContains(t, answer.Text, "254711", "nothing of the answer is kept")
		require.NotContains(t, answer.Text, "secret-place")
		require.Equal(t, 1, requests, "one request is one request")
	}
	require.Zero(t, elsewhere.Load(), "redirects are not followed")
}

// TestSilence: a request to an endpoint that hangs ends after its time, and one whose body never
// ends has answered.
func TestSilence(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	short := func(o *webhook.SenderOptions) { o.Timeout = 200 * time.Millisecond }
	silent := serve(t, func(http.ResponseWriter, *http.Request) { <-end })
	endless := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-end
	})
	defer close(end)
	answer := sender(t, silent, first, short).Send(t.Context(), "1-1", nil)
	require.Equal(t, webhook.Answer{
		Outcome: webhook.TimedOut, Text: "no answer within 200ms",
	}, answer)
	answer = sender(t, endless, first, nil).Send(t.Context(), "1-1", nil)
	require.Equal(t, webhook.Delivered, answer.Outcome)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	answer = sender(t, "http://"+listener.Addr().String()+"/token-of-shop", first, nil).
		Send(t.Context(), "1-1", nil)
	require.Equal(t, webhook.Unreachable, answer.Outcome)
	require.NotContains(t, answer.Text, "token-of-shop")
}

// TestTheDialledAddressCounts: a name that is allowed may lead to an address that is not.
func TestTheDialledAddressCounts(t *testing.T) {
	t.Parallel()
	requests := 0
	base := serve(t, func(http.ResponseWriter, *http.Request) { requests++ })
	u, err := url.Parse(base)
	require.NoError(t, err)
	for scheme, private := range map[string]bool{"https": false, "http": false} {
		u := &url.URL{Scheme: scheme, Host: u.Host}
		s := webhook.NewSender(webhook.SenderOptions{
			URL: u, Secret: func() string { return first }, AllowPrivate: private,
		})
		answer := s.Send(t.Context(), "1-1", nil)
		s.Close()
		require.Equal(t, webhook.Forbidden, answer.Outcome)
		require.Contains(t, answer.Text, "allow_private is not set")
	}
	require.Zero(t, requests)
	for text, public := range map[string]bool{
		"8.8.8.8": true, "2a00:1450:4001:80f::200e": true, "127.0.0.1": false, "::1": false,
		"::ffff:127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "fe80::1": false, "fd00::1": false, "0.0.0.0": false,
		"100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "64:ff9b::a00:1": false,
		"2002:a00:1::": false, "::ffff:10.0.0.1": false, "198.18.0.1": false,
	} {
		require.Equal(t, public, webhook.Public(netip.MustParseAddr(text)), text)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for text, fault := range map[string]string{
		"https://shop.example/airtime?x=1": "", "https://8.8.8.8/": "",
		"http://shop.example": "must be https", "ftp://shop.example": "must be a URL",
		"shop.example": "must be a URL", "https://": "must be a URL", "https://a b": "must be a URL",
		"https://shop:word@shop.example": "must not hold a user", "https://s.example/#x": "must be a URL",
		"https://10.0.0.1/": "allow_private: true", "http://127.0.0.1:9/": "allow_private: true",
		"https://localhost/": "allow_private: true", "https://[fe80::1]/": "allow_private: true",
	} {
		_, err := webhook.ParseURL(text, false)
		if fault == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, fault, text)
	}
	for _, text := range []string{"https://10.0.0.1/", "http://localhost:9/", "http://[::1]:9/"} {
		_, err := webhook.ParseURL(text, true)
		require.NoError(t, err, text)
	}
	_, err := webhook.ParseURL("http://10.0.0.1/", true)
	require.ErrorContains(t, err, "must be https")
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	of := func(bytes int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, bytes))
	}
	for text, fault := range map[string]string{
		of(24): "", of(64) + "\r\n\n" + of(32) + "\n": "", "": "it holds 0",
		of(24) + "\n" + of(24) + "\n" + of(24): "it holds 3", of(23): "24 to 64 bytes",
		of(65): "24 to 64 bytes", "hunter2-hunter2-hunter2-hunter2": "lines of whsec_",
		"whsec_hunter2!": "lines of whsec_",
	} {
		_, err := webhook.ParseSecrets(text)
		if fault == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, fault)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// TestARotatedSecretNeedsNoRestart: the file is read again when it changes, and one that is spoilt
// sends nothing.
func TestARotatedSecretNeedsNoRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	rotate := func(text string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	rotate(first)
	secret, err := config.SecretFile(path)
	require.NoError(t, err)
	var signatures []string
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		signatures = strings.Fields(r.Header.Get(webhook.HeaderSignature))
	})
	s := sender(t, base, "", func(o *webhook.SenderOptions) { o.Secret = secret.Value })
	for text, signed := range map[string]int{second: 1, first + "\n" + second: 2} {
		rotate(text)
		require.Equal(t, webhook.Delivered, s.Send(context.Background(), "1-1", nil).Outcome)
		require.Len(t, signatures, signed)
	}
	rotate("whsec_spoilt")
	answer := s.Send(context.Background(), "1-1", nil)
	require.Equal(t, webhook.Unsigned, answer.Outcome)
	require.NotContains(t, answer.Text, "spoilt")
}
