package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
)

// inlet is a real `enqueuer serve`.
type inlet struct {
	t    *testing.T
	base string
}

func (h *harness) serve() inlet {
	h.t.Helper()
	address := proctest.FreeAddr(h.t)
	p := h.run(proctest.Build(h.t, cmdEnqueuer), []string{
		"TUMA_HTTP_ADDR=" + address, "TUMA_HTTP_TOKENS=shop=shop-token,bank=bank-token",
	}, "serve")
	p.WaitOutput("taking jobs", testTimeout)
	return inlet{h.t, "http://" + address}
}

// ask is one call of a service; it is safe for many goroutines.
func (i inlet) ask(method, path, token, body string) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(i.t.Context(), method, i.base+path,
		strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(said), err
}

// must is ask for a call that has to be answered with a status.
func (i inlet) must(status int, method, path, token, body string) string {
	i.t.Helper()
	got, text, err := i.ask(method, path, token, body)
	require.NoError(i.t, err)
	require.Equal(i.t, status, got, "%s %s: %s", method, path, text)
	return text
}

// requireOneOf posts one job from a hundred callers at once, again while the inlet is busy: one is
// told that it was new.
func (i inlet) requireOneOf(body string) {
	i.t.Helper()
	var mu sync.Mutex
	answers := map[int]int{}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			status := http.StatusServiceUnavailable
			for status == http.StatusServiceUnavailable {
				var err error
				status, _, err = i.ask(http.MethodPost, "/v1/disbursals", "shop-token", body)
				if err != nil {
					status = -1
				}
			}
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
		})
	}
	all.Wait()
	require.Equal(i.t, map[int]int{http.StatusAccepted: 1, http.StatusOK: 99}, answers)
}

// TestJobsOverHTTPArePaid posts what services may post, good and bad, to a real inlet with workers
// behind it: what was answered with 202 is paid, once, and nothing else is.
func TestJobsOverHTTPArePaid(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{four: true, faults: `{"callbacks":{"validate":true}}`})
	h.pods(1)
	service := h.serve()
	jobs, _ := makeJobs("http", 3, 40)
	const path = "/v1/disbursals"
	service.must(http.StatusAccepted, http.MethodPost, path, "shop-token", encode(t, jobs[0]))
	service.must(http.StatusOK, http.MethodPost, path, "shop-token", encode(t, jobs[0]))
	conflict := jobs[0]
	conflict.Recipients = conflict.Recipients[1:]
	service.must(http.StatusConflict, http.MethodPost, path, "shop-token", encode(t, conflict))
	service.must(http.StatusAccepted, http.MethodPost, path, "bank-token", encode(t, conflict))
	service.must(http.StatusUnauthorized, http.MethodPost, path, "no-token", encode(t, jobs[2]))
	faulty := job{Reference: "faulty", Recipients: []jobRecipient{{"0711222333", "1"}}}
	require.Contains(t, service.must(http.StatusUnprocessableEntity, http.MethodPost, path,
		"shop-token", encode(t, faulty)), "recipients[0].amount: below the minimum of KES 10")
	service.must(http.StatusRequestEntityTooLarge, http.MethodPost, path, "shop-token",
		strings.Repeat(" ", 1<<20)+encode(t, jobs[2]))
	service.requireOneOf(encode(t, jobs[1]))

	const send = "/airtime/invoke-send-airtime?phone=254711900000&amount=25&currency=KES"
	for range 2 {
		service.must(http.StatusOK, http.MethodGet, send+"&idempotencyKey=gift-1", "shop-token", "")
	}
	service.must(http.StatusOK, http.MethodPost, send+"&idempotencyKey=gift-2", "shop-token", "")
	service.must(http.StatusBadRequest, http.MethodGet, send, "shop-token", "")

	wanted := orders{
		{"shop/gift-1", "254711900000"}: 25_00, {"shop/gift-2", "254711900000"}: 25_00,
	}
	names := []string{"shop/gift-1", "shop/gift-2"}
	for name, j := range map[string]job{
		"shop/" + jobs[0].Reference: jobs[0], "shop/" + jobs[1].Reference: jobs[1],
		"bank/" + conflict.Reference: conflict,
	} {
		names = append(names, name)
		for _, r := range j.Recipients {
			wanted[who{name, r.PhoneNumber}] = parseCents(t, r.Amount)
		}
	}
	counts := h.finished(wanted, names...)
	require.Equal(t, len(wanted), counts["successful"]+counts["failed"], "%v", counts)
	require.Equal(t, 2, h.of(sandbox.AfricasTalking).Recipients.Accepted)
	require.Equal(t, 2, h.of(sandbox.AfricasTalking).Callbacks.Asked)
	require.Zero(t, h.of(sandbox.AfricasTalking).Callbacks.Denied)

	var shown struct {
		Settled    bool                      `json:"settled"`
		Recipients int                       `json:"recipients"`
		List       []struct{ Status string } `json:"recipients_list"`
	}
	text := service.must(http.StatusOK, http.MethodGet,
		fmt.Sprintf("%s/%s", path, jobs[1].Reference), "shop-token", "")
	require.NoError(t, json.Unmarshal([]byte(text), &shown))
	require.True(t, shown.Settled)
	require.Equal(t, 40, shown.Recipients)
	require.Len(t, shown.List, 40)
}
