package sim_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"tuma/internal/sandbox"
)

// callBack has a provider report about a recipient, at any time, in any order, and again and again.
func (h *harness) callBack(c chance, p *pod) {
	entries := slices.Collect(h.simulate.Ledger().Entries())
	if len(entries) == 0 {
		return
	}
	entry := one(c, entries...)
	if h.silent[entry.Provider] {
		return
	}
	code := final(entry)
	if c.hit(0.4) && entry.Provider != sozuri {
		code = one(c, 600, 601) // Old news.
	}
	if forged := c.hit(h.forged) && entry.Provider != sozuri; forged && !h.trustLipad {
		code = one(c, 602, 603) // Whatever it says, the provider is asked.
	}
	h.deliver(p, entry, code, c.hit(0.3))
}

// final is the code that a provider reports in the end, or the one that it shows now.
func final(entry sandbox.Entry) int {
	if entry.TimesPaid > 0 && entry.Status < 602 {
		return 602
	}
	return entry.Status
}

// deliver posts one callback to the listener of a process.
func (h *harness) deliver(p *pod, entry sandbox.Entry, code int, form bool) {
	path, kind, body := letter(entry, code, form)
	if path == "" {
		return
	}
	title := fmt.Sprintf("callback of %s: %s is %d", entry.Provider, recipientOf(entry), code)
	p.running = h.start(title, func(context.Context) error {
		request := httptest.NewRequest(http.MethodPost, "/callbacks/"+token+path,
			strings.NewReader(body))
		request.Header.Set("Content-Type", kind)
		answer := httptest.NewRecorder()
		p.receiver.Handler().ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			return fmt.Errorf("answered %d: %s", answer.Code, answer.Body)
		}
		if code == final(entry) {
			h.delivered[entry.Provider+" "+entry.Reference+" "+entry.PhoneNumber] = true
		}
		return nil
	})
}

// talkingWords are Africa's Talking's words for codes.
var talkingWords = map[int]string{
	600: "Queued", 601: "Sent", 602: "Success", 603: "Failed", 699: "Incomplete",
}

// letter writes a callback as the provider's own page has it; QuickSMS has none.
func letter(entry sandbox.Entry, code int, form bool) (path, kind, body string) {
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	switch entry.Provider {
	case lipad:
		return "/lipad", asJSON, fmt.Sprintf(`{"phone_number":%q,"amount":%s,"service_status":%d,`+
			`"external_reference":%q,"provider_reference":null,"message":"simulated"}`,
			entry.PhoneNumber, entry.Amount, code, entry.Reference)
	case talking:
		word := talkingWords[code]
		if word == "" {
			word = "Sent"
		}
		if form {
			return "/africastalking/status", asForm, url.Values{
				"requestId": {entry.RequestID}, "status": {word},
				"phoneNumber": {"+" + entry.PhoneNumber}, "value": {"KES " + entry.Amount.String()},
			}.Encode()
		}
		return "/africastalking/status", asJSON, fmt.Sprintf(`{"requestId":%q,"status":%q,`+
			`"phoneNumber":"+%s","value":"KES %s"}`, entry.RequestID, word, entry.PhoneNumber,
			entry.Amount)
	case sozuri:
		if code != 602 && code != 603 {
			return "", "", ""
		}
		word := map[int]string{602: "success", 603: "failed"}[code]
		return "/sozuri", asJSON, fmt.Sprintf(`{"number":%q,"amount":"KES %s","requestId":%q,`+
			`"status":%q,"type":"airtimeDelivery","description":"simulated"}`, entry.PhoneNumber,
			entry.Amount, entry.RequestID, word)
	}
	return "", "", ""
}
