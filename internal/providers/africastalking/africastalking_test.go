package africastalking

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

const (
	testKey  = "atsk_7f3a91bc"
	testUser = "tuma & sons"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// byDigits compares phone numbers in a way that shows which differ: the tests' numbers are
// nobody's.
var byDigits = cmp.Transformer("digits", func(m airtime.MSISDN) string { return m.Digits() })

func phone(digits string) airtime.MSISDN { return airtime.MSISDNFromE164(digits) }

func newAt(base string, client *providers.Client) *AfricasTalking {
	return New(Options{
		BaseURL: base, Username: testUser, Client: client,
		APIKey: func() string { return testKey },
	})
}

// received is one request as the server saw it.
type received struct {
	method, path, body string
	query              url.Values
	header             http.Header
}

// server is an adapter with a provider that answers as told.
type server struct {
	*AfricasTalking

	mu    sync.Mutex
	seen  []received
	reply http.HandlerFunc
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	s.AfricasTalking = newAt(listening.URL+"/", providertest.NewClient(t))
	s.answer(http.StatusCreated, "application/json", `{}`)
	return s
}

// ServeHTTP records the request and answers as told.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, received{r.Method, r.URL.Path, string(body), r.URL.Query(), r.Header})
	reply := s.reply
	s.mu.Unlock()
	reply(w, r)
}

func (s *server) set(reply http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = reply
}

func (s *server) answer(status int, kind, body string) {
	s.set(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			_, _ = io.WriteString(w, body)
		}
	})
}

func (s *server) requests() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// send prepares and sends two recipients. The server's Retry-After is left out of the answer.
func (s *server) send(t *testing.T) providers.Answer {
	t.Helper()
	submission, err := s.Prepare(t.Context(), providertest.TwoRecipients())
	require.NoError(t, err)
	answer := submission.Send(t.Context())
	answer.RetryAfter = 0
	return answer
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(text)
}

// sentTo reads the recipients of a submission as the provider would.
func sentTo(submission []byte) []map[string]string {
	form, err := url.ParseQuery(string(submission))
	if err != nil {
		panic(err)
	}
	var list []map[string]string
	if err := json.Unmarshal([]byte(form.Get("recipients")), &list); err != nil {
		panic(err)
	}
	return list
}

// accepting is the provider's answer of acceptance: in reverse order, as it does.
func accepting(submission []byte) []byte {
	sent := sentTo(submission)
	lines := make([]map[string]string, len(sent))
	for i, r := range sent {
		lines[len(sent)-1-i] = map[string]string{
			"phoneNumber": r["phoneNumber"], "amount": r["amount"] + "00", "status": "Sent",
			"requestId": idOf(r["phoneNumber"]), "errorMessage": "None", "discount": "0",
		}
	}
	return encode(map[string]any{
		"errorMessage": "None", "numSent": len(sent), "responses": lines,
	})
}

// idOf is the id that the provider gives to a number: as long as a real one.
func idOf(number string) string {
	sum := sha256.Sum256([]byte(number))
	return "ATQid_" + hex.EncodeToString(sum[:16])
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Suite{
		New: func(base string, client *providers.Client) providers.Provider {
			return newAt(base, client)
		},
		Path: pathSend, AskedByRecipient: true,
		Callback: fixture(t, "status.json"), Validation: fixture(t, "validation.json"),
		Lines: func(named []airtime.Recipient) (int, []byte) {
			return http.StatusCreated, accepting(appendSend(
				testUser, providers.Batch{Recipients: named}))
		},
		Accept: func(submission []byte) (int, []byte) {
			return http.StatusCreated, accepting(submission)
		},
		Talk: func(submission []byte, said string) []byte {
			var lines []map[string]string
			for _, r := range sentTo(submission) {
				lines = append(lines, map[string]string{
					"phoneNumber": r["phoneNumber"], "status": "Failed", "requestId": "None",
					"errorMessage": said,
				})
			}
			return encode(map[string]any{"errorMessage": said, "numSent": 0, "responses": lines})
		},
		Secrets: []string{testKey},
	})
}

func TestPrepareWritesTheDocumentedRequest(t *testing.T) {
	t.Parallel()
	batch := providertest.TwoRecipients()
	const list = `[{"phoneNumber":"+254711000111","amount":"KES 10"},` +
		`{"phoneNumber":"+254722000222","amount":"KES 50.50"}]`
	// The bytes are spelt out: a repetition of the same key years later must be the same bytes.
	const wire = "username=tuma+%26+sons&recipients=%5B%7B%22phoneNumber%22%3A%22%2B254711000111" +
		"%22%2C%22amount%22%3A%22KES+10%22%7D%2C%7B%22phoneNumber%22%3A%22%2B254722000222%22%2C" +
		"%22amount%22%3A%22KES+50.50%22%7D%5D"
	require.Equal(t, wire, string(appendSend(testUser, batch)))

	s := newServer(t)
	s.send(t)
	sent := s.requests()[0]
	require.Equal(t, http.MethodPost, sent.method)
	require.Equal(t, "/version1/airtime/send", sent.path)
	require.Equal(t, wire, sent.body)
	require.Equal(t, testKey, sent.header.Get("apiKey"))
	require.Equal(t, "application/json", sent.header.Get("Accept"))
	require.Equal(t, "application/x-www-form-urlencoded", sent.header.Get("Content-Type"))
	require.Equal(t, []string{batch.ID}, sent.header.Values("Idempotency-Key"))
	form, err := url.ParseQuery(sent.body)
	require.NoError(t, err)
	require.Equal(t, url.Values{"username": {testUser}, "recipients": {list}}, form)
}

func TestAmountsAreWrittenInTheirCurrency(t *testing.T) {
	t.Parallel()
	batch := providers.Batch{ID: "b", Recipients: []airtime.Recipient{
		{Phone: phone("256772123456"), Amount: airtime.Money{Minor: 500, Currency: "UGX"}},
		{Phone: phone("254711000111"), Amount: airtime.Money{Minor: 38_67, Currency: "KES"}},
	}}
	require.NoError(t, check(batch))
	require.Equal(t, []map[string]string{
		{"phoneNumber": "+256772123456", "amount": "UGX 500"},
		{"phoneNumber": "+254711000111", "amount": "KES 38.67"},
	}, sentTo(appendSend(testUser, batch)))
}

func TestPrepareRefusesWhatMustNotReachTheWire(t *testing.T) {
	t.Parallel()
	cases := map[string]func(b *providers.Batch){
		"no id":         func(b *providers.Batch) { b.ID = "" },
		"an id no key":  func(b *providers.Batch) { b.ID = "a\r\nb" },
		"no recipients": func(b *providers.Batch) { b.Recipients = nil },
		"too many": func(b *providers.Batch) {
			b.Recipients = make([]airtime.Recipient, maxRecipients+1)
		},
		"twice":    func(b *providers.Batch) { b.Recipients[1].Phone = b.Recipients[0].Phone },
		"no phone": func(b *providers.Batch) { b.Recipients[1].Phone = airtime.MSISDN{} },
		"currency": func(b *providers.Batch) { b.Recipients[0].Amount.Currency = "UGX" },
		"country":  func(b *providers.Batch) { b.Recipients[0].Phone = phone("255712345678") },
		"zero":     func(b *providers.Batch) { b.Recipients[0].Amount.Minor = 0 },
		"negative": func(b *providers.Batch) { b.Recipients[0].Amount.Minor = -1 },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batch := providertest.TwoRecipients()
			spoil(&batch)
			_, err := newAt("http://127.0.0.1:1", nil).Prepare(t.Context(), batch)
			var refused *providers.PrepareError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, airtime.ReasonBatchRefused, refused.Reason)
		})
	}
}

func TestTheKeyIsAskedEveryTime(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	key := "first"
	s.o.APIKey = func() string { return key }
	s.send(t)
	key = "second"
	s.send(t)
	require.Equal(t, "first", s.requests()[0].header.Get("apiKey"))
	require.Equal(t, "second", s.requests()[1].header.Get("apiKey"))

	for _, key = range []string{"", "a b", "line\n"} {
		_, err := s.Prepare(t.Context(), providertest.TwoRecipients())
		var refused *providers.PrepareError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, airtime.ReasonCredentials, refused.Reason)
		require.ErrorContains(t, err, "AFRICASTALKING_API_KEY")
		_, err = s.Query(t.Context(), ask("id-1"))
		var nothing *providers.QueryError
		require.ErrorAs(t, err, &nothing)
		require.Equal(t, airtime.ReasonCredentials, nothing.Reason)
	}
	require.Len(t, s.requests(), 2, "nothing more was sent or asked")
}

func TestAWrongBaseURLIsNamed(t *testing.T) {
	t.Parallel()
	client := providertest.NewClient(t)
	for _, base := range []string{"", "at.example", "ftp://127.0.0.1", "http://u:pw@127.0.0.1:1"} {
		_, err := newAt(base, client).Prepare(t.Context(), providertest.TwoRecipients())
		var refused *providers.PrepareError
		require.ErrorAs(t, err, &refused, base)
		require.ErrorContains(t, err, "AFRICASTALKING_BASE_URL")
		require.NotContains(t, err.Error(), "pw")
		_, err = newAt(base, client).Query(t.Context(), ask("id-1"))
		require.ErrorContains(t, err, "AFRICASTALKING_BASE_URL")
		require.NotContains(t, err.Error(), "pw")
	}
}

// countingServer answers the first request of every connection, invites the client to use the
// connection again, and ends it without a word once another request has arrived on it: the moment
// at which net/http repeats a POST that carries an Idempotency-Key.
type countingServer struct {
	net.Listener
	all sync.WaitGroup

	mu    sync.Mutex
	keys  []string
	conns int
}

func newCountingServer(t *testing.T) *countingServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &countingServer{Listener: listener}
	s.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); s.all.Wait() })
	return s
}

func (s *countingServer) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	reader := bufio.NewReader(conn)
	for first := true; ; first = false {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(request.Body)
		s.mu.Lock()
		s.keys = append(s.keys, request.Header.Get("Idempotency-Key"))
		s.mu.Unlock()
		if !first {
			return
		}
		answer := accepting(body)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 201 Created\r\nConnection: keep-alive\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	}
}

func TestAKeyDoesNotMakeOneSendTwoRequests(t *testing.T) {
	t.Parallel()
	s := newCountingServer(t)
	adapter := newAt("http://"+s.Addr().String(), providertest.NewClient(t))
	for i := range 10 {
		batch := providertest.TwoRecipients()
		batch.ID = fmt.Sprintf("batch-%d", i)
		submission, err := adapter.Prepare(t.Context(), batch)
		require.NoError(t, err)
		answer := submission.Send(t.Context())
		for _, r := range batch.Recipients {
			require.Equal(t, airtime.Accepted, providertest.VerdictOf(answer, r.Phone))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Len(t, s.keys, 10)
	for i, key := range s.keys {
		require.Equal(t, fmt.Sprintf("batch-%d", i), key)
	}
	require.Equal(t, 10, s.conns)
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	got := Capabilities()
	require.Equal(t, providers.Limit{Min: 1000, Max: 1_000_000}, got.Limits["KES"])
	for currency, limit := range got.Limits {
		require.True(t, currency.Known(), currency)
		require.Positive(t, limit.Min, currency)
		require.Greater(t, limit.Max, limit.Min, currency)
	}
	got.Limits = nil
	want := providers.Capabilities{
		Name: "africastalking", Code: 'A', MaxRecipients: 1000, Accepted: airtime.Submitted,
		Asks: providers.AskByRecipient, ResendWithin: 4 * time.Minute, Callbacks: true,
		RampsUp: true, OverdueAfter: 24 * time.Hour, ShowsBalance: true,
	}
	require.Empty(t, cmp.Diff(want, got))
}
