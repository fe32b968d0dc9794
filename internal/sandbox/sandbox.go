// Package sandbox simulates the providers for tests and for people trying Tuma. It is hostile by
// switch: it can lose answers before and after paying, pay a repeated reference again, forget
// references for a while, and answer with broken, partial or mistyped bodies.
//
// It is an independent reading of the providers' own pages: it shares no type with the adapters,
// so that a misreading of ours on one side shows on the other.
//
// The money model is simple on purpose. The outcome of a recipient is drawn when its request is
// accepted, from the seed, the reference and the phone number, so that runs repeat; the ledger
// counts the money as moved at that moment when the outcome is a success. Only the visible status
// takes polls or time. A recipient that nobody ever asks about is paid all the same.
//
// Latency is spent before processing, and a client that goes away does not stop it: a request
// whose answer nobody waits for is still carried out, late. That is what real servers do.
package sandbox

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Provider is the name under which the ledger books what was paid.
const Provider = "lipad"

// Currency is the one currency of the simulated account.
const Currency = "KES"

// Options say how a Simulator starts. The zero value works: any credentials, DefaultFaults, seed 0.
type Options struct {
	// Seed decides every draw. Two simulators with one seed give one (reference, phone number)
	// the same outcome.
	Seed uint64
	// Credentials maps each accepted consumer key to its secret. Empty accepts any non-empty pair.
	Credentials map[string]string
	// Faults are the switches at start and after a reset. The zero value means DefaultFaults;
	// anything else must pass Validate.
	Faults Faults
	// Now is the clock of tokens, ages and slow knowledge; nil means time.Now.
	Now func() time.Time
}

// Simulator answers Lipad's airtime API and the administration under /sandbox/. It is an
// http.Handler and safe for concurrent use.
type Simulator struct {
	seed        uint64
	credentials map[string]string
	initial     Faults
	now         func() time.Time
	mux         *http.ServeMux
	board       *switchboard
	tokens      *tokens
	ledger      *Ledger

	mu   sync.Mutex
	stop chan struct{} // closed while no server may wait: ends latencies and hangs
}

var _ http.Handler = (*Simulator)(nil)

// New returns a simulator with an empty ledger. It panics on invalid Options.Faults, which are the
// caller's own constants; faults that people typed go through ParseFaults first.
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
		seed:        o.Seed,
		credentials: o.Credentials,
		initial:     o.Faults,
		now:         o.Now,
		mux:         http.NewServeMux(),
		board:       newSwitchboard(o.Seed, o.Faults),
		tokens:      newTokens(o.Seed),
		stop:        make(chan struct{}),
	}
	s.ledger = newLedger(s.board, s.now)
	s.mux.HandleFunc("POST /v1/auth", s.answering(callAuth, s.auth))
	s.mux.HandleFunc("POST /v1/gw/airtime/send", s.answering(callSend, s.send))
	s.mux.HandleFunc("GET /v1/gw/airtime/{reference}/status", s.answering(callStatus, s.status))
	s.routeAdmin()
	return s
}

// ServeHTTP answers one request.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Ledger returns the record of who was paid, for use in the same process.
func (s *Simulator) Ledger() *Ledger { return s.ledger }

// Faults returns the switches as they are now: counts of "next" requests have gone down.
func (s *Simulator) Faults() Faults { return s.board.current() }

// SetFaults replaces all switches. An error that names each bad field is returned when they are
// invalid, and then nothing changes.
func (s *Simulator) SetFaults(f Faults) error {
	if err := f.Validate(); err != nil {
		return err
	}
	s.board.replace(f)
	return nil
}

// Reset empties the ledger, sets all counters to zero and restores the faults of the start. Issued
// tokens stay valid, as a client cannot know that somebody pressed the button.
func (s *Simulator) Reset() {
	s.board.reset(s.initial)
	s.ledger.reset()
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
