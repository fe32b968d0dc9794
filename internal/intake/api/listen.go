package api

import (
	_ "embed"
	"errors"
	"io"
	"net/http"
	"time"

	"tuma/internal/config"
	"tuma/internal/listen"
)

const (
	// requestTimeout bounds reading a request and writing its answer.
	requestTimeout = storeLimit + 20*time.Second
	// stopTimeout is how long requests in hand may take after the stop: what the state takes, and
	// some time to write. A body that is still on its way then was never confirmed.
	stopTimeout = storeLimit + 2*time.Second
)

//go:embed openapi.yaml
var description []byte

// getDescription answers with the OpenAPI description.
func getDescription(*request) answer {
	return answer{
		status: http.StatusOK, media: "application/yaml",
		write: func(w io.Writer) error {
			_, err := w.Write(description)
			return err
		},
	}
}

// ErrOpen is returned when the inlet would take jobs from other machines without a token.
var ErrOpen = errors.New("TUMA_HTTP_TOKENS: set producer=token pairs, since TUMA_HTTP_ADDR is " +
	"reached from other machines (without tokens only loopback, such as 127.0.0.1:8080)")

// Listen opens the listener. ErrOpen is returned when there are no tokens and the address is not on
// loopback.
func Listen(addr string, o Options) (*listen.Server, error) {
	if o.Tokens == nil && !config.Loopback(addr) {
		return nil, ErrOpen
	}
	a := New(o)
	return listen.Open(listen.Options{
		Setting: "TUMA_HTTP_ADDR", Addr: addr, Handler: a, Timeout: requestTimeout,
		Stop: stopTimeout, Stopping: a.feed.stop,
	})
}
