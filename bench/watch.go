package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// watch stands between our processes and the provider, and notes for each recipient when their
// request came and when its answer passed. The way through it is part of what it measures.
type watch struct {
	server   *httptest.Server
	provider string
	client   *http.Client

	mu sync.Mutex
	// posted and accepted are instants by recipient.
	posted, accepted map[int]time.Time
	faults           []error
}

func newWatch(provider string) *watch {
	v := &watch{
		provider: provider, posted: map[int]time.Time{}, accepted: map[int]time.Time{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	target, err := url.Parse(provider)
	if err != nil {
		panic(err) // It is 127.0.0.1 and a port.
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: v.client.Transport,
	}
	mux := http.NewServeMux()
	mux.Handle("/", pass)
	mux.HandleFunc("POST /v1/gw/airtime/send", v.send)
	v.server = httptest.NewServer(mux)
	return v
}

func (v *watch) url() string { return v.server.URL }

func (v *watch) close() {
	v.server.Close()
	v.client.CloseIdleConnections()
}

// send passes one request on and notes whom it is about.
func (v *watch) send(to http.ResponseWriter, r *http.Request) {
	came := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.fault(to, err)
		return
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, v.provider+r.URL.Path,
		bytes.NewReader(body))
	if err != nil {
		v.fault(to, err)
		return
	}
	again.Header = r.Header
	answer, err := v.client.Do(again)
	if err != nil {
		v.fault(to, err)
		return
	}
	defer func() { _ = answer.Body.Close() }() // It is read to its end below.
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		v.fault(to, err)
		return
	}
	v.note(body, came, time.Now())
	to.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	to.WriteHeader(answer.StatusCode)
	_, _ = to.Write(text) // Whoever asked is gone then, and the run fails by itself.
}

// note stores the instants of everybody in a request.
func (v *watch) note(body []byte, came, passed time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := []byte(`"phone_number":"`)
	for _, rest, found := bytes.Cut(body, key); found; _, rest, found = bytes.Cut(rest, key) {
		number, _, _ := bytes.Cut(rest, []byte(`"`))
		n, err := strconv.Atoi(string(number))
		if err != nil {
			v.faults = append(v.faults, fmt.Errorf("a request holds no number: %w", err))
			return
		}
		v.posted[n-firstPhone], v.accepted[n-firstPhone] = came, passed
	}
}

func (v *watch) fault(to http.ResponseWriter, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = append(v.faults, err)
	http.Error(to, err.Error(), http.StatusBadGateway)
}

// seen is how many recipients have been answered for. An error is returned when anything went wrong
// on the way.
func (v *watch) seen() (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.faults) > 0 {
		return 0, v.faults[0]
	}
	return len(v.accepted), nil
}

// times are the times from the pushes of recipients, the first of whom is given, to an instant.
func times(pushed []time.Time, first int, instants map[int]time.Time) []time.Duration {
	took := make([]time.Duration, len(pushed))
	for i, at := range pushed {
		took[i] = instants[first+i].Sub(at)
	}
	return took
}
