package sandbox

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bodyMax is far above a request of 1,000 recipients.
const bodyMax = 1 << 20

// redirectedQuery marks a request that follows our own redirect.
const redirectedQuery = "redirected=1"

// answer is what a call says before any fault spoils it.
type answer struct {
	status      int
	contentType string // the content type; "" is JSON as Lipad labels it
	body        []byte
}

// labelled returns the content type.
func (a answer) labelled() string {
	if a.contentType == "" {
		return "application/json; charset=utf-8"
	}
	return a.contentType
}

// buffers are shared by request bodies and answers: an answer for 1,000 recipients is 200 kB.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// process carries out one call: it writes the body of its answer into out and returns the status.
type process func(r *http.Request, body []byte, rd *requestFaults, out *bytes.Buffer) int

// withFaults wraps a call with its faults. The body is read first in any case, as only then does
// net/http notice that a client goes away.
func (s *Simulator) withFaults(a *account, c call, carryOut process) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, out := borrow(), borrow()
		defer buffers.Put(body)
		defer buffers.Put(out)
		if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, bodyMax)); err != nil {
			refuseBody(w, err)
			return
		}
		rf := a.injector.drawRequest(c, strings.HasSuffix(r.URL.RawQuery, redirectedQuery))
		s.wait(rf.delay)
		if rf.before != "" {
			a.recordLost(c, r, body.Bytes(), &rf)
			s.unprocessed(w, r, &rf)
			return
		}
		status := carryOut(r, body.Bytes(), &rf, out)
		a.recordLost(c, r, body.Bytes(), &rf)
		s.reply(w, r, &rf, answer{status, rf.contentType, out.Bytes()})
	}
}

func borrow() *bytes.Buffer {
	buffer := buffers.Get().(*bytes.Buffer)
	buffer.Reset()
	return buffer
}

// refuseBody answers a body that could not be read; nothing was processed.
func refuseBody(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, `{"error":"body too large"}`)
		return
	}
	refuse(w, http.StatusBadRequest, `{"error":"body could not be read"}`)
}

// wait waits without looking at the client: a request that has arrived goes on when the
// client gives up. Only the end of the serving process cuts it short.
func (s *Simulator) wait(delay time.Duration) {
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stopping():
	}
}

// hang holds the connection until the limit, the client's end or the process's, then closes it.
func (s *Simulator) hang(w http.ResponseWriter, r *http.Request, limit Duration) {
	timer := time.NewTimer(time.Duration(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-s.stopping():
	}
	drop(w)
}

// unprocessed answers, or does not answer, a request of which nothing is carried out.
func (s *Simulator) unprocessed(w http.ResponseWriter, r *http.Request, rf *requestFaults) {
	switch rf.before {
	case hangBefore:
		s.hang(w, r, rf.common.HangLimit)
	case lostBefore:
		drop(w)
	case errorBefore:
		serverError(w, rf)
	case tooMany:
		seconds := math.Ceil(time.Duration(rf.common.RetryAfter).Seconds())
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
		refuse(w, http.StatusTooManyRequests, `{"error":"too many requests"}`)
	case redirect:
		target := r.URL.EscapedPath() + "?" + redirectedQuery
		if r.URL.RawQuery != "" {
			target = r.URL.EscapedPath() + "?" + r.URL.RawQuery + "&" + redirectedQuery
		}
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
	}
}

// reply delivers the answer to a processed request, or spoils it.
func (s *Simulator) reply(w http.ResponseWriter, r *http.Request, rf *requestFaults, a answer) {
	switch rf.after {
	case hangAfter:
		s.hang(w, r, rf.common.HangLimit)
	case lostAfter:
		drop(w)
	case errorAfter:
		serverError(w, rf)
	case brokenJSON:
		write(w, answer{a.status, a.contentType, a.body[:len(a.body)/2]})
	case cutBody:
		cut(w, a)
	default:
		write(w, a)
	}
}

// refuse answers JSON to what is not carried out.
func refuse(w http.ResponseWriter, status int, body string) {
	write(w, answer{status: status, body: []byte(body)})
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", a.labelled())
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	// The client may be gone by now; the error has no other reader.
	_, _ = w.Write(a.body)
}

// serverError answers as the proxy in front of a provider does: HTML, whatever was asked for.
func serverError(w http.ResponseWriter, rf *requestFaults) {
	status := [...]int{500, 502, 503, 504}[rf.hash%4]
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<html><body><h1>"+http.StatusText(status)+"</h1></body></html>")
}

// cut announces the whole body, sends half of it and closes.
func cut(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", a.labelled())
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// drop closes the connection without a byte of answer. Where the connection cannot be taken over
// (HTTP/2, a recorder), aborting the handler has the same effect on the client.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close()
}
