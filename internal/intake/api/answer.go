package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"tuma/internal/providers"
)

// storePause is how long a client is asked to wait when the state cannot be reached or is full.
const storePause = 5 * time.Second

// errBusy is the cause of answers to requests that never got their turn.
var errBusy = errors.New("too many requests in hand")

// answer is what a request comes to. Exactly one of body and write is set.
type answer struct {
	status int
	// body is encoded as JSON.
	body any
	// write writes the body. What fails before its first byte becomes 503; later, the connection is
	// cut, so that nobody takes half an answer for a whole one.
	write func(io.Writer) error
	// media is the type of what write writes.
	media string
	// retry is how long the client should wait before it asks again; zero says nothing.
	retry time.Duration
	// cause is for the log only.
	cause error
}

// errorView is the body of refusals.
type errorView struct {
	Error string `json:"error"`
}

// errorsView is the body of a refusal that lists every fault of a job.
type errorsView struct {
	Errors []string `json:"errors"`
}

func failure(status int, text string) answer {
	return answer{status: status, body: errorView{text}}
}

// unavailable is the answer when the state did not do what was asked. It may have: the same request
// again finds out, and has no second effect.
func unavailable(cause error) answer {
	a := failure(http.StatusServiceUnavailable,
		"not confirmed: send the same request again, with the same reference")
	a.retry, a.cause = storePause, cause
	return a
}

func busy() answer {
	a := unavailable(errBusy)
	a.retry = time.Second
	return a
}

// unreadable is the answer to a body that is too large, or a body or query that cannot be read.
func unreadable(err error) answer {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return failure(http.StatusRequestEntityTooLarge,
			"the body is larger than "+strconv.Itoa(maxBody)+" bytes")
	}
	return failure(http.StatusBadRequest, "the body or the query could not be read to its end")
}

// send writes an answer, counts it, and logs it when it is a refusal.
func (a *API) send(w http.ResponseWriter, route route, producer string, answer answer) {
	header := w.Header()
	header.Set("Cache-Control", "no-store") // Answers hold phone numbers.
	header.Set("X-Content-Type-Options", "nosniff")
	if answer.write != nil {
		header.Set("Content-Type", answer.media)
		out := &countingWriter{to: w}
		err := answer.write(out)
		if err == nil {
			a.metrics.answered(route.pattern(), answer.status)
			return
		}
		answer = unavailable(err)
		if out.written {
			a.note(header.Get(requestIDHeader), route, producer, answer)
			panic(http.ErrAbortHandler)
		}
	}
	a.note(header.Get(requestIDHeader), route, producer, answer)
	header.Set("Content-Type", "application/json")
	if answer.retry > 0 {
		header.Set("Retry-After", strconv.Itoa(int(answer.retry.Seconds())))
	}
	if answer.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="tuma"`)
	}
	w.WriteHeader(answer.status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(answer.body) // The client has gone if this fails.
}

// note counts an answer, and logs a refusal: never the body or the path, which may hold numbers.
func (a *API) note(id string, route route, producer string, answer answer) {
	a.metrics.answered(route.pattern(), answer.status)
	fields := []zap.Field{
		zap.String("request", id), zap.String("route", route.pattern()),
		zap.String("producer", producer), zap.Int("status", answer.status),
	}
	switch {
	case answer.cause != nil:
		a.refusedLog.Warn("request not served",
			append(fields, zap.String("error", providers.Clean(answer.cause.Error())))...)
	case answer.status >= http.StatusBadRequest:
		a.refusedLog.Info("request refused", fields...)
	}
}

// countingWriter knows whether anything was written.
type countingWriter struct {
	to      io.Writer
	written bool
}

// Write passes on.
func (c *countingWriter) Write(p []byte) (int, error) {
	c.written = true
	return c.to.Write(p)
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader passes on.
func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
