package monitor

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"unicode"

	"tuma/internal/airtime"
)

const (
	// apiPath is where the dashboard's pages get what they show.
	apiPath = Path + "api/"
	// redisInfo answers with the figures of the server, which are no task's and hold no number that
	// is anybody's.
	redisInfo = apiPath + "redis_info"
)

// answer holds back what the dashboard answers, to be masked as a whole: payloads, results, error
// texts and ids alike.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the headers of the answer.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the first status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write keeps a part of the body.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (h *Handler) serveMasked(w http.ResponseWriter, r *http.Request) {
	held := &answer{header: w.Header()}
	h.dashboard.ServeHTTP(held, r)
	held.WriteHeader(http.StatusOK)
	body := held.body.Bytes()
	switch isJSON := json.Valid(body); {
	case isJSON && r.URL.Path == redisInfo:
	case isJSON:
		body = maskJSON(body)
	default: // An error's text, or the page for an address that there is not.
		body = []byte(airtime.MaskText(string(body)))
	}
	w.WriteHeader(held.status)
	_, _ = w.Write(body) // The browser has gone if this fails.
}

// stringLiteral finds the strings of JSON; numbers outside them count tasks and bytes.
var stringLiteral = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// maskJSON masks every string.
func maskJSON(body []byte) []byte {
	return stringLiteral.ReplaceAllFunc(body, func(literal []byte) []byte {
		var text string
		if json.Unmarshal(literal, &text) != nil {
			return literal
		}
		masked := airtime.MaskText(unescape(text))
		if masked == text {
			return literal
		}
		quoted, err := json.Marshal(masked)
		if err != nil {
			return []byte(`"•••"`)
		}
		return quoted
	})
}

// escaped finds characters that a payload spells by their numbers.
var escaped = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)

// unescape writes them plainly, so that no number hides behind them.
func unescape(payload string) string {
	return escaped.ReplaceAllStringFunc(payload, func(spelled string) string {
		code, err := strconv.ParseUint(spelled[len(`\u`):], 16, 32)
		if r := rune(code); err == nil && unicode.IsPrint(r) && r != '"' && r != '\\' {
			return string(r)
		}
		return spelled
	})
}
