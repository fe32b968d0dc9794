package callback_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// vendor is every provider at once, at one address: it takes everybody, and answers questions with
// what the test says.
type vendor struct {
	base string
	mu   sync.Mutex
	// ids counts the ids given out, queries the questions.
	ids, queries int
	// words are what queries are answered with, by requestId or phone number.
	words map[string]string
	// before is called with the ids of a request before it is answered; a false answer loses it.
	before func(ids []string) bool
	// during is called while a query about a batch is answered, if it is set.
	during func()
	down   bool
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	v := &vendor{words: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/auth", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"xyz789abc123","expiresIn":3600}`)
	})
	mux.HandleFunc("POST /v1/gw/airtime/send", v.answering(func(string, int) string { return "" },
		http.StatusOK, `{"response_code":720,"response_description":"accepted"%s}`))
	mux.HandleFunc("GET /v1/gw/airtime/{reference}/status", v.lipadStatus)
	mux.HandleFunc("POST /version1/airtime/send", v.answering(func(number string, id int) string {
		return fmt.Sprintf(`{"phoneNumber":"+%s","amount":"KES 10.0000","discount":"KES 0.4000",`+
			`"status":"Sent","requestId":%q,"errorMessage":"None"}`, number, atID(id))
	}, http.StatusCreated, `{"errorMessage":"None","numSent":1,"totalAmount":"KES 10.0000",`+
		`"totalDiscount":"KES 0.4000","responses":[%s]}`))
	mux.HandleFunc("GET /query/transaction/find", v.find)
	mux.HandleFunc("POST /api/v1/airtime/topup", v.answering(func(number string, id int) string {
		return fmt.Sprintf(`{"number":%q,"amount":"KES 10","discount":"KES 0.00",`+
			`"status":"accepted","requestId":%d,"errorMessage":"none"}`, number, sozuriID(id))
	}, http.StatusOK, `{"recipientsCount":1,"totalAmount":10,"responses":[%s]}`))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	v.base = server.URL
	return v
}

// atID and sozuriID spell the n-th id that was given out.
func atID(n int) string    { return fmt.Sprintf("ATQid_%032x", n) }
func sozuriID(n int) int   { return 5015000 + n }
func sozText(n int) string { return strconv.Itoa(sozuriID(n)) }

// answering takes a request: each number in it gets an id, in the order of the request.
func (v *vendor) answering(
	line func(number string, id int) string, status int, format string,
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text, _ := url.QueryUnescape(string(body))
		var lines, numbers []string
		for part := range strings.SplitSeq(text, "2547") {
			if len(part) >= 8 && strings.Trim(part[:8], "0123456789") == "" {
				numbers = append(numbers, "2547"+part[:8])
			}
		}
		v.mu.Lock()
		before := v.before
		var ids []string
		for _, number := range numbers {
			ids = append(ids, strconv.Itoa(v.ids))
			if report := line(number, v.ids); report != "" {
				lines = append(lines, report)
			}
			v.ids++
		}
		v.mu.Unlock()
		if before != nil && !before(ids) {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", asJSON)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, strings.Join(lines, ","))
	}
}

// say sets what the provider answers about an id or number.
func (v *vendor) say(who, word string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.words[who] = word
}

// asked counts the questions so far.
func (v *vendor) asked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.queries
}

// set changes what the provider does, safely while it serves.
func (v *vendor) set(change func(*vendor)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
}

func (v *vendor) find(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.queries++
	if v.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	word := v.words[r.URL.Query().Get("transactionId")]
	if word == "" {
		word = "Queued"
	}
	_, _ = fmt.Fprintf(w, `{"status":%q}`, word)
}

// lipadStatus answers about everybody of whom something was said.
func (v *vendor) lipadStatus(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.queries++
	var lines []string
	for number, code := range v.words {
		lines = append(lines, lipadBody(r.PathValue("reference"), number, code))
	}
	if v.during != nil {
		v.during()
	}
	_, _ = io.WriteString(w, "["+strings.Join(lines, ",")+"]")
}

// lipadBody is Lipad's report about one recipient, in a callback as in an answer.
func lipadBody(reference, number, code string) string {
	return fmt.Sprintf(`{"phone_number":%q,"amount":10,"service_status":%s,`+
		`"external_reference":%q,"provider_reference":"RK14","correlation_id":"c",`+
		`"message":"about %s"}`, number, code, reference, number)
}

// atBody is a status report of Africa's Talking.
func atBody(id, number, status string) string {
	return fmt.Sprintf(`{"phoneNumber":"+%s","description":"about +%s","status":%q,`+
		`"requestId":%q,"discount":"KES 0.6000","value":"KES 10.0000"}`, number, number, status, id)
}

// atQuestion is a validation of Africa's Talking.
func atQuestion(id, number, amount string) string {
	return fmt.Sprintf(`{"transactionId":%q,"phoneNumber":"+%s","sourceIpAddress":"127.12.32.24",`+
		`"currencyCode":"KES","amount":%s}`, id, number, amount)
}

// sozuriBody is a delivery report of Sozuri.
func sozuriBody(id, number, amount, status string) string {
	return fmt.Sprintf(`{"number":%q,"amount":%q,"requestId":%q,"discount":"KES 0.00",`+
		`"status":%q,"type":"airtimeDelivery","description":"about %s","timestamp":"1603713484"}`,
		number, amount, id, status, number)
}
