// Package sandbox simulates the providers for tests and for people trying Tuma. It is hostile by
// switch: it can lose answers before and after paying, pay a repeated reference again, forget
// references for a while, answer with broken, partial or mistyped bodies, and send callbacks early,
// twice, late, out of order or never.
//
// It is an independent reading of the providers' own pages: it shares no type with the adapters,
// so that a misreading of ours on one side shows on the other.
//
// One simulator has an account at each of four providers, distinguished by path. Each has switches,
// counters and a ledger of its own.
//
// The money model is simple on purpose. The outcome of a recipient is drawn when its request is
// accepted, from the seed, the reference and the phone number, so that runs repeat; the ledger
// counts the money as moved at that moment when the outcome is a success. Only the visible status
// takes polls or time. A recipient is paid also when no query asks about it.
//
// A provider without a reference of ours books under another name: Africa's Talking under the
// Idempotency-Key, the others, and a request without a key, under request-1, request-2 and so on.
// A phone number that is twice in such a request is paid twice, and the ledger says so.
//
// sandbox.go and serve.go are the simulator and its listener, handler.go one request; account.go
// has the accounts, outcome.go and random.go what becomes of a recipient, ledger.go and
// ledger_view.go the money, money.go and naming.go how amounts are spelt, lost.go whose answer was
// lost. Providers: lipad_auth.go, lipad_send.go, lipad_status.go; africastalking.go,
// africastalking_wire.go; quicksms.go; sozuri.go; fields.go reads their forms. callbacks.go and
// callback_sender.go send callbacks. The switches: faults.go, faults_json.go, faults_validate.go,
// fault_injector.go, and admin.go, which serves them.
//
// Latency is spent before processing, and a client that goes away does not stop it: a request
// whose client has gone is still carried out, late. That is what real servers do.
package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Currency is the one currency of the simulated accounts.
const Currency = "KES"

// Options say how a Simulator starts. The zero value works: any credentials, DefaultFaults, seed 0.
type Options struct {
	// Seed decides every draw. Two simulators with one seed give one (reference, phone number)
	// the same outcome.
	Seed uint64
	// Credentials maps each accepted consumer key, username, App-Key and project to its secret.
	// Empty accepts any non-empty pair.
	Credentials map[string]string
	// Faults are the switches of every provider at start and after a reset. The zero value means
	// DefaultFaults; anything else must pass Validate.
	Faults Faults
	// Callbacks is the URL under which callbacks are posted, such as
	// "http://127.0.0.1:8081/callbacks/TOKEN"; "" sends none. It must pass CheckCallbacks.
	Callbacks string
	// SozuriAuthKey, if not empty, travels in Sozuri's callbacks.
	SozuriAuthKey string
	// Now is the clock of tokens, ages, windows and slow knowledge; nil means time.Now.
	Now func() time.Time
}

// Simulator answers the providers' airtime APIs and the administration under /sandbox/. It is an
// http.Handler and safe for concurrent use. With callbacks it has goroutines, which end with Close
// or Serve.
type Simulator struct {
	initial  Faults
	mux      *http.ServeMux
	tokens   *tokens
	accounts []*account // in the order of Providers
	sender   *callbackSender

	mu   sync.Mutex
	stop chan struct{} // closed while no server may wait: ends latencies and hangs
}

var _ http.Handler = (*Simulator)(nil)

// New returns a simulator with empty ledgers. It panics on invalid Options.Faults and Callbacks,
// which are the caller's own constants; faults from outside go through ParseFaults first, and
// URLs through CheckCallbacks.
func New(o Options) *Simulator {
	if o.Faults == (Faults{}) {
		o.Faults = DefaultFaults()
	}
	if err := o.Faults.Validate(); err != nil {
		panic(fmt.Sprintf("sandbox: invalid faults: %v", err))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Simulator{
		initial: o.Faults,
		mux:     http.NewServeMux(),
		tokens:  newTokens(o.Seed),
		stop:    make(chan struct{}),
	}
	if o.Callbacks != "" {
		if err := CheckCallbacks(o.Callbacks, true); err != nil {
			panic(fmt.Sprintf("sandbox: invalid callbacks: %v", err))
		}
		s.sender = newCallbackSender(o.Callbacks)
	}
	for _, name := range Providers() {
		a := newAccount(name, o)
		a.sender = s.sender
		s.accounts = append(s.accounts, a)
	}
	s.routeLipad(s.accounts[0])
	s.routeAfricasTalking(s.accounts[1])
	s.routeQuickSMS(s.accounts[2])
	s.routeSozuri(s.accounts[3], o.SozuriAuthKey)
	s.routeAdmin()
	return s
}

func (s *Simulator) routeLipad(a *account) {
	l := lipad{a, s.tokens}
	a.payload, a.reportsSteps, a.tries = l.payload, true, triesMax
	s.mux.HandleFunc("POST /v1/auth", s.withFaults(a, callAuth, l.auth))
	s.mux.HandleFunc("POST /v1/gw/airtime/send", s.withFaults(a, callSend, l.send))
	s.mux.HandleFunc("GET /v1/gw/airtime/{reference}/status",
		s.withFaults(a, callStatus, l.status))
}

func (s *Simulator) routeAfricasTalking(a *account) {
	at := africasTalking{a}
	a.payload, a.reportsSteps, a.sendsForms = at.payload, true, true
	s.mux.HandleFunc("POST /version1/airtime/send", s.withFaults(a, callSend, at.send))
	s.mux.HandleFunc("GET /query/transaction/find", s.withFaults(a, callStatus, at.query))
	s.mux.HandleFunc("GET /version1/user", s.withFaults(a, callAuth, at.balance))
}

func (s *Simulator) routeQuickSMS(a *account) {
	s.mux.HandleFunc("POST /api/v3/airtime/send", s.withFaults(a, callSend, quickSMS{a}.send))
}

func (s *Simulator) routeSozuri(a *account, authKey string) {
	z := sozuri{a, authKey}
	a.payload = z.payload
	s.mux.HandleFunc("POST /api/v1/airtime/topup", s.withFaults(a, callSend, z.send))
}

// ServeHTTP answers one request.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends the callbacks, and all latencies and hangs, of a simulator that Serve does not run.
// Callbacks that are due later are never sent.
func (s *Simulator) Close() {
	s.release()
	s.sender.close()
}

// Ledger returns the record of the recipients paid by any provider, for use in the same process.
func (s *Simulator) Ledger() *Ledger { return &Ledger{s.accounts} }

// ProviderLedger returns one provider's record. An error that lists the names is returned when
// there is no such provider.
func (s *Simulator) ProviderLedger(name string) (*Ledger, error) {
	a, err := s.account(name)
	if err != nil {
		return nil, err
	}
	return &Ledger{[]*account{a}}, nil
}

// Faults returns Lipad's switches as they are now: counts of "next" requests have gone down.
func (s *Simulator) Faults() Faults { return s.accounts[0].injector.current() }

// SetFaults replaces all switches of all providers. An error that names each bad field is returned
// when they are invalid, and then nothing changes.
func (s *Simulator) SetFaults(f Faults) error {
	if err := f.Validate(); err != nil {
		return err
	}
	for _, a := range s.accounts {
		a.injector.replace(f)
	}
	return nil
}

// ProviderFaults returns the switches of one provider as they are now. An error that lists the
// names is returned when there is no such provider.
func (s *Simulator) ProviderFaults(name string) (Faults, error) {
	a, err := s.account(name)
	if err != nil {
		return Faults{}, err
	}
	return a.injector.current(), nil
}

// SetProviderFaults replaces all switches of one provider. An error is returned when there is no
// such provider or the switches are invalid, and then nothing changes.
func (s *Simulator) SetProviderFaults(name string, f Faults) error {
	a, err := s.account(name)
	if err != nil {
		return err
	}
	if err := f.Validate(); err != nil {
		return err
	}
	a.injector.replace(f)
	return nil
}

// account finds a provider by name.
func (s *Simulator) account(name string) (*account, error) {
	for _, a := range s.accounts {
		if a.name == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("provider: want one of %s, not %q",
		strings.Join(Providers(), ", "), name)
}

// Reset empties the ledgers, sets all counters to zero, restores the faults of the start and
// forgets the callbacks that are not sent yet. Issued tokens stay valid, as a client cannot know
// of the reset.
func (s *Simulator) Reset() {
	s.sender.discard()
	for _, a := range s.accounts {
		a.injector.reset(s.initial)
		a.book.reset()
	}
}

// stopping returns the channel that is closed when the serving process stops.
func (s *Simulator) stopping() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop
}

// open lets latencies and hangs take their time again after a release.
func (s *Simulator) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		s.stop = make(chan struct{})
	default:
	}
}

// release ends all latencies and hangs, and those that begin before the next open.
func (s *Simulator) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
}
