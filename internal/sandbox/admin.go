package sandbox

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// routeAdmin puts the administration on the providers' own listener, under a path that no provider
// has. It meets no faults. ?provider=NAME narrows each route but the reset to one provider.
func (s *Simulator) routeAdmin() {
	s.mux.HandleFunc("GET /sandbox/ledger", s.forProvider(showTotals))
	s.mux.HandleFunc("GET /sandbox/ledger/recipients", s.forProvider(listEntries))
	s.mux.HandleFunc("GET /sandbox/ledger/phones", s.forProvider(listPhones))
	s.mux.HandleFunc("GET /sandbox/ledger/lost", s.forProvider(listLost))
	s.mux.HandleFunc("GET /sandbox/faults", s.showFaults)
	s.mux.HandleFunc("PUT /sandbox/faults", s.putFaults)
	s.mux.HandleFunc("PATCH /sandbox/faults", s.patchFaults)
	s.mux.HandleFunc("POST /sandbox/reset", s.postReset)
}

// forProvider passes the ledger of the provider that the query names, or of all.
func (s *Simulator) forProvider(show func(http.ResponseWriter, *Ledger)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("provider")
		if name == "" {
			show(w, s.Ledger())
			return
		}
		ledger, err := s.ProviderLedger(name)
		if err != nil {
			writeErrors(w, http.StatusNotFound, err)
			return
		}
		show(w, ledger)
	}
}

func showTotals(w http.ResponseWriter, l *Ledger) { writeValue(w, http.StatusOK, l.Totals()) }

// listEntries streams JSON Lines, one per (reference, phone number).
func listEntries(w http.ResponseWriter, l *Ledger) {
	write, flush := lines(w)
	for e := range l.Entries() {
		if write(e) != nil {
			return // the client is gone
		}
	}
	flush()
}

// listPhones streams JSON Lines, one per phone number and provider over all references.
func listPhones(w http.ResponseWriter, l *Ledger) {
	write, flush := lines(w)
	for _, phone := range l.Phones() {
		if write(phone) != nil {
			return // the client is gone
		}
	}
	flush()
}

// listLost streams JSON Lines, one per recipient and send whose answer did not report its outcome.
func listLost(w http.ResponseWriter, l *Ledger) {
	write, flush := lines(w)
	for _, lost := range l.Lost() {
		if write(lost) != nil {
			return // the client is gone
		}
	}
	flush()
}

func lines(w http.ResponseWriter) (write func(any) error, flush func()) {
	w.Header().Set("Content-Type", "application/jsonl; charset=utf-8")
	buffered := bufio.NewWriterSize(w, 64<<10)
	return json.NewEncoder(buffered).Encode, func() { _ = buffered.Flush() }
}

// showFaults shows the switches of the provider that the query names, or Lipad's.
func (s *Simulator) showFaults(w http.ResponseWriter, r *http.Request) {
	f, err := s.ProviderFaults(cmp.Or(r.URL.Query().Get("provider"), Lipad))
	if err != nil {
		writeErrors(w, http.StatusNotFound, err)
		return
	}
	writeValue(w, http.StatusOK, f)
}

// putFaults replaces all faults; what the body leaves out goes back to DefaultFaults.
func (s *Simulator) putFaults(w http.ResponseWriter, r *http.Request) {
	s.changeFaults(w, r, func(accounts []*account, body []byte) error {
		f, err := ParseFaults(body)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			a.injector.replace(f)
		}
		return nil
	})
}

// patchFaults changes only what the body names.
func (s *Simulator) patchFaults(w http.ResponseWriter, r *http.Request) {
	s.changeFaults(w, r, func(accounts []*account, body []byte) error {
		for _, a := range accounts { // first, so that all change or none
			if _, err := mergeFaults(a.injector.current(), body); err != nil {
				return err
			}
		}
		for _, a := range accounts {
			if err := a.injector.merge(body); err != nil {
				return err
			}
		}
		return nil
	})
}

// changeFaults changes the provider that the query names, or all of them. It answers with the
// faults as they are after the change, or 422 with all that is wrong.
func (s *Simulator) changeFaults(
	w http.ResponseWriter, r *http.Request, change func([]*account, []byte) error,
) {
	accounts := s.accounts
	if name := r.URL.Query().Get("provider"); name != "" {
		one, err := s.account(name)
		if err != nil {
			writeErrors(w, http.StatusNotFound, err)
			return
		}
		accounts = []*account{one}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		refuseBody(w, err)
		return
	}
	if err := change(accounts, body); err != nil {
		writeErrors(w, http.StatusUnprocessableEntity, err)
		return
	}
	s.showFaults(w, r)
}

func writeErrors(w http.ResponseWriter, status int, err error) {
	faults := strings.Split(err.Error(), "\n") // errors.Join puts one on each line
	writeValue(w, status, map[string][]string{"errors": faults})
}

func (s *Simulator) postReset(w http.ResponseWriter, _ *http.Request) {
	s.Reset()
	w.WriteHeader(http.StatusNoContent)
}

func writeValue(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, answer{status: status, body: body})
}
