package providertest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// garbage are bodies that no provider's protocol knows.
var garbage = []struct{ kind, body string }{
	{"text/plain", ""},
	{"text/html", "<html><body>502 Bad Gateway</body></html>"},
	{"application/json", `{"foo":{"bar":[1,2,{"baz":null}]}}`},
	{"application/json", `[[1,"two"],{}]`},
	{"application/json", `null`},
	{"application/json", `{}`},
	{"application/xml", `<?xml version="1.0"?><AirtimeSendResponse/>`},
	{"application/octet-stream", "\xff\xfe\x00{"},
	{"text/plain", "upstream says no"},
	{"application/json", `{"message":"ok","status":"succ`},
}

// wantOf is the verdict for an HTTP status whose body says nothing.
func wantOf(s Suite, status int, kind, body string) airtime.Verdict {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return airtime.Unsent
	}
	if s.TextRefuses != nil && kind == "text/plain" && body != "" && s.TextRefuses(status) {
		return airtime.Unsent
	}
	return airtime.Unknown
}

// runBadAnswer checks every HTTP status with every kind of body that says nothing, and answers that
// are cut or too long.
func runBadAnswer(t *testing.T, s Suite) {
	for i, g := range garbage {
		t.Run(fmt.Sprintf("every status, body %d", i), func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, s, false)
			for status := 200; status <= 599; status++ {
				h.set(replies(status, g.kind, g.body))
				answer := h.send(t)
				want := wantOf(s, status, g.kind, g.body)
				h.requireVerdict(t, want, answer, status, " ", g.body)
				require.NotEmpty(t, answer.Reason)
			}
		})
	}
	t.Run("switching protocols", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.set(cut("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{}",
			false))
		h.requireVerdict(t, airtime.Unknown, h.send(t))
	})
	t.Run("an accepting answer cut anywhere", func(t *testing.T) {
		t.Parallel()
		runCutAnswer(t, s)
	})
	t.Run("an accepting answer beyond the limit", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.set(func(rw http.ResponseWriter, _ *http.Request, body []byte) {
			status, answer := s.Accept(body)
			padding := bytes.Repeat([]byte(" "), providers.MaxBody)
			reply(rw, status, "application/json", append(answer, padding...))
		})
		h.requireVerdict(t, airtime.Unknown, h.send(t))
	})
	t.Run("an accepting answer behind a byte-order mark", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.set(func(rw http.ResponseWriter, _ *http.Request, body []byte) {
			status, answer := s.Accept(body)
			reply(rw, status, "application/json", append([]byte("\ufeff"), answer...))
		})
		h.requireVerdict(t, airtime.Accepted, h.send(t))
	})
	t.Run("asked to wait", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.set(func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
			rw.Header().Set("Retry-After", "7")
			rw.WriteHeader(http.StatusTooManyRequests)
		})
		answer := h.send(t)
		require.Equal(t, airtime.ReasonRateLimited, answer.Reason)
		require.Equal(t, airtime.ReasonRateLimited, answer.Pause)
		require.Equal(t, 7*time.Second, answer.RetryAfter)
	})
}

// runCutAnswer ends an accepting answer after every byte: with a length that tells, and without,
// where only the body itself can show that it is not whole.
func runCutAnswer(t *testing.T, s Suite) {
	h := newHarness(t, s, false)
	at, told, whole := 0, false, 0
	h.set(func(rw http.ResponseWriter, _ *http.Request, body []byte) {
		status, answer := s.Accept(body)
		whole = len(answer)
		if told {
			end(rw, rawAnswer(status, answer[:at], whole), false)
			return
		}
		end(rw, fmt.Sprintf("HTTP/1.1 %d X\r\nConnection: close\r\n\r\n%s",
			status, answer[:at]), false)
	})
	for _, told = range []bool{true, false} {
		for at = 0; at == 0 || at < whole; at++ {
			h.requireVerdict(t, airtime.Unknown, h.send(t), "cut at ", at, " told ", told)
		}
		h.requireVerdict(t, airtime.Accepted, h.send(t), "whole")
	}
}

// runLeaks makes the provider quote our request in every place that can end up in a text of ours.
func runLeaks(t *testing.T, s Suite) {
	h := newHarness(t, s, false)
	quoting := map[string]behaviour{
		"the provider's own message": func(rw http.ResponseWriter, r *http.Request, body []byte) {
			reply(rw, http.StatusOK, "application/json", s.Talk(body, dump(r, body)))
		},
		"an error page": func(rw http.ResponseWriter, r *http.Request, body []byte) {
			reply(rw, http.StatusBadRequest, "text/plain", []byte(dump(r, body)))
		},
		"the status line": func(rw http.ResponseWriter, r *http.Request, body []byte) {
			end(rw, "HTTP/1.1 4x0 "+dump(r, body)+"\r\n\r\n", false)
		},
		"a word that is no HTTP": func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
			end(rw, h.word()+"\r\n\r\n", false)
		},
		"the status code": func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
			end(rw, "HTTP/1.1 "+h.word()+" X\r\n\r\n", false)
		},
		"a line that is no HTTP": func(rw http.ResponseWriter, r *http.Request, body []byte) {
			end(rw, dump(r, body)+"\r\n\r\n", false)
		},
		"a header": func(rw http.ResponseWriter, r *http.Request, body []byte) {
			end(rw, "HTTP/1.1 200 OK\r\n"+dump(r, body)+"\r\nContent-Length: x\r\n\r\n", false)
		},
		"a redirect": func(rw http.ResponseWriter, r *http.Request, body []byte) {
			end(rw, "HTTP/1.1 307 X\r\nLocation: http://"+dump(r, body)+"\r\n\r\n", false)
		},
	}
	for name, quote := range quoting {
		t.Run(name, func(t *testing.T) {
			h.set(quote)
			answer := h.send(t) // Checks for leaks.
			require.NotEmpty(t, answer.Message)
			require.LessOrEqual(t, len(answer.Message), providers.MaxMessage)
		})
	}
	t.Run("printing", func(t *testing.T) {
		submission := h.prepare(t)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			h.requireNoLeak(t, fmt.Sprintf(verb, submission))
			h.requireNoLeak(t, fmt.Sprintf(verb, h.provider))
		}
	})
	t.Run("preparing", func(t *testing.T) {
		for _, status := range []int{0, 200, 301, 400, 401, 429, 500} {
			h := newHarness(t, s, false)
			h.quoteOther(status)
			if _, err := h.provider.Prepare(t.Context(), s.Batch); err != nil {
				var refused *providers.PrepareError
				require.ErrorAs(t, err, &refused)
				h.requireNoLeak(t, fmt.Sprintf("%v %+v", err, err))
			}
		}
	})
}

// word is everything that must not be shown, without a space: net/http quotes words that it does
// not understand.
func (h *harness) word() string {
	word := strings.Join(h.suite.Secrets, "_")
	for _, r := range h.suite.Batch.Recipients {
		word += "_" + r.Phone.Digits()
	}
	return word
}

// quoteOther makes the provider answer everything but submissions by quoting the request; status 0
// quotes what must not be shown in place of HTTP.
func (h *harness) quoteOther(status int) {
	other := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		if status == 0 {
			end(rw, h.word()+"\r\n\r\n", false)
			return
		}
		reply(rw, status, "text/plain", []byte(dump(r, body.Bytes())))
	})
	h.other.Store(&other)
}

// runQuery checks that no answer without meaning settles a question: it must be an error, and never
// the word that the provider does not know a batch.
func runQuery(t *testing.T, s Suite) {
	h := newHarness(t, s, false)
	if _, ok := h.provider.(providers.Querier); !ok {
		t.Skip("this provider cannot be asked")
	}
	h.prepare(t) // Fetches what the question needs, so that it alone fails.
	for status := 200; status <= 599; status++ {
		for _, g := range garbage {
			other := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet {
					s.Other(rw, r)
					return
				}
				reply(rw, status, g.kind, []byte(g.body))
			})
			h.other.Store(&other)
			h.requireNothingLearnt(t, status, g.body)
		}
	}
	for _, status := range []int{0, 200, 307, 401, 500} {
		h.quoteOther(status)
		h.requireNothingLearnt(t, status, "the request")
	}
	h.server.Close()
	h.requireNothingLearnt(t, 0, "server gone")
}

// question asks about everybody in the batch.
func (h *harness) question() providers.Question {
	q := providers.Question{BatchID: h.suite.Batch.ID}
	for i, r := range h.suite.Batch.Recipients {
		q.Recipients = append(q.Recipients,
			providers.Asked{Phone: r.Phone, ProviderReference: fmt.Sprintf("id-%d", i)})
	}
	return q
}

func (h *harness) requireNothingLearnt(t *testing.T, status int, body string) {
	t.Helper()
	reported, err := h.provider.(providers.Querier).Query(t.Context(), h.question())
	require.Empty(t, reported.Lines)
	if err == nil {
		require.False(t, h.suite.AskedByRecipient, "HTTP %d %q says nothing", status, body)
		require.True(t, reported.Known, "HTTP %d %q says that the batch is not known", status, body)
		return
	}
	var nothing *providers.QueryError
	require.ErrorAs(t, err, &nothing)
	require.NotEmpty(t, nothing.Reason)
	h.requireNoLeak(t, fmt.Sprintf("%v %+v", err, err))
}
