package sandbox

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// routeAdmin puts the administration on the provider's own listener, under a path that no provider
// has. It meets no faults.
func (s *Simulator) routeAdmin() {
	s.mux.HandleFunc("GET /sandbox/ledger", s.showTotals)
	s.mux.HandleFunc("GET /sandbox/ledger/recipients", s.listEntries)
	s.mux.HandleFunc("GET /sandbox/ledger/phones", s.listPhones)
	s.mux.HandleFunc("GET /sandbox/faults", s.showFaults)
	s.mux.HandleFunc("PUT /sandbox/faults", s.putFaults)
	s.mux.HandleFunc("PATCH /sandbox/faults", s.patchFaults)
	s.mux.HandleFunc("POST /sandbox/reset", s.pressReset)
}

func (s *Simulator) showTotals(w http.ResponseWriter, _ *http.Request) {
	writeValue(w, http.StatusOK, s.ledger.Totals())
}

// listEntries streams JSON Lines, one per (reference, phone number).
func (s *Simulator) listEntries(w http.ResponseWriter, _ *http.Request) {
	write, flush := lines(w)
	for e := range s.ledger.Entries() {
		if write(e) != nil {
			return // the client is gone
		}
	}
	flush()
}

// listPhones streams JSON Lines, one per phone number over all references.
func (s *Simulator) listPhones(w http.ResponseWriter, _ *http.Request) {
	write, flush := lines(w)
	for _, phone := range s.ledger.Phones() {
		if write(phone) != nil {
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

func (s *Simulator) showFaults(w http.ResponseWriter, _ *http.Request) {
	writeValue(w, http.StatusOK, s.Faults())
}

// putFaults replaces all faults; what the body leaves out goes back to DefaultFaults.
func (s *Simulator) putFaults(w http.ResponseWriter, r *http.Request) {
	s.changeFaults(w, r, func(body []byte) error {
		f, err := ParseFaults(body)
		if err != nil {
			return err
		}
		return s.SetFaults(f)
	})
}

// patchFaults changes only what the body names.
func (s *Simulator) patchFaults(w http.ResponseWriter, r *http.Request) {
	s.changeFaults(w, r, s.board.merge)
}

// changeFaults answers with the faults as they are after the change, or 422 with all that is wrong.
func (s *Simulator) changeFaults(
	w http.ResponseWriter, r *http.Request, change func(body []byte) error,
) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		refuseBody(w, err)
		return
	}
	if err := change(body); err != nil {
		faults := strings.Split(err.Error(), "\n") // errors.Join puts one on each line
		writeValue(w, http.StatusUnprocessableEntity, map[string][]string{"errors": faults})
		return
	}
	s.showFaults(w, r)
}

func (s *Simulator) pressReset(w http.ResponseWriter, _ *http.Request) {
	s.Reset()
	w.WriteHeader(http.StatusNoContent)
}

func writeValue(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, answer{status, body})
}
