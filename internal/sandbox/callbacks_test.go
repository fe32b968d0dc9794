package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// posted is one callback as our side receives it.
type posted struct {
	path, kind string
	body       string
	at         time.Time
}

// fields reads the body, a form or JSON, into texts.
func (p posted) fields(t testing.TB) map[string]string {
	t.Helper()
	texts := map[string]string{}
	if strings.Contains(p.kind, "form") {
		form, err := url.ParseQuery(p.body)
		require.NoError(t, err)
		for name := range form {
			texts[name] = form.Get(name)
		}
		return texts
	}
	for name, value := range decode[map[string]json.RawMessage](t, p.body) {
		texts[name], _ = textOf(value)
	}
	return texts
}

// inbox is our side: it keeps what arrives and answers as set.
type inbox struct {
	mu   sync.Mutex
	got  []posted
	says func(posted) (int, string)
}

func (i *inbox) take(r *http.Request) (int, string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return http.StatusBadRequest, ""
	}
	p := posted{r.URL.Path, r.Header.Get("Content-Type"), string(body), time.Now()}
	i.mu.Lock()
	i.got = append(i.got, p)
	says := i.says
	i.mu.Unlock()
	if says == nil {
		return http.StatusOK, ""
	}
	return says(p)
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body := i.take(r)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// RoundTrip lets the inbox stand in for the whole network.
func (i *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := i.take(r)
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (i *inbox) all() []posted {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.got)
}

func (i *inbox) answer(says func(posted) (int, string)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.says = says
}

// await returns what arrived as soon as that much did.
func (i *inbox) await(t testing.TB, n int) []posted {
	t.Helper()
	require.Eventually(t, func() bool { return i.count() >= n }, time.Minute,
		2*time.Millisecond, "%d callbacks", n)
	return i.all()
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.got)
}

// called returns a client whose simulator posts to an inbox.
func called(t *testing.T, f Faults) (*client, *inbox) {
	t.Helper()
	box := &inbox{}
	server := httptest.NewServer(box)
	t.Cleanup(server.Close)
	return newClient(t, Options{
		Faults: f, Callbacks: server.URL + "/callbacks/token/", SozuriAuthKey: "sesame",
	}), box
}

// quiet are calm faults with callbacks about the end only.
func quiet() Faults {
	f := calm()
	f.Callbacks.FinalOnly = true
	return f
}

func TestCallbacksAreThoseOfThePages(t *testing.T) {
	t.Parallel()
	c, box := called(t, quiet())
	failed := "254715550603"

	c.sendTo(Lipad, "r", "254711000000")
	got := box.await(t, 1)[0]
	require.Equal(t, "/callbacks/token/lipad", got.path)
	require.Equal(t, "application/json", got.kind)
	shown := decode[[]json.RawMessage](t, c.status("r").body)
	require.JSONEq(t, string(shown[0]), got.body, "the same structure as a query")

	c.sendTo(AfricasTalking, "r", failed)
	got = box.await(t, 2)[1]
	require.Equal(t, "/callbacks/token/africastalking/status", got.path)
	require.JSONEq(t, `{"phoneNumber":"+254715550603","description":"Airtime Delivery Failed",
		"status":"Failed","requestId":"`+c.atIDs()[failed]+`","discount":"KES 0.4000",
		"value":"KES 10.0000"}`, got.body)

	c.sendTo(Sozuri, "r", "0711000000")
	got = box.await(t, 3)[2]
	require.Equal(t, "/callbacks/token/sozuri", got.path)
	require.Equal(t, map[string]string{
		"number": "254711000000", "amount": "KES 10.00", "requestId": "4971724",
		"discount": "KES 0.00", "status": "success", "type": "airtimeDelivery",
		"description": "success", "timestamp": got.fields(t)["timestamp"], "authKey": "sesame",
	}, got.fields(t))
	require.Regexp(t, `"timestamp":"\d{10}"`, got.body)

	c.sendTo(QuickSMS, "r", "254711000000")
	c.sendTo(Sozuri, "r", failed)
	got = box.await(t, 4)[3]
	require.Equal(t, "failed", got.fields(t)["status"], "and nothing of QuickSMS")
	require.Len(t, box.all(), 4)
	require.Eventually(t, func() bool {
		return c.sim.Ledger().Totals().Callbacks == CallbackCounts{Sent: 4}
	}, 2*time.Minute, time.Millisecond)
}

func TestCallbackChances(t *testing.T) {
	t.Parallel()
	c, box := called(t, quiet())
	c.changeOne(Sozuri, func(f *Faults) {
		f.Callbacks.Lose, f.Callbacks.Duplicate = NextRequests(2), NextRequests(1)
	})
	c.sendTo(Sozuri, "r", numbers(4)...)
	seen := map[string]int{}
	for _, p := range box.await(t, 3) {
		seen[p.fields(t)["number"]]++
	}
	require.Equal(t, map[string]int{"254700000002": 2, "254700000003": 1}, seen)
	require.Equal(t, map[string]int{"callbacks.lose": 2, "callbacks.duplicate": 1},
		c.totals(Sozuri).Faults)
	require.Eventually(t, func() bool {
		return c.totals(Sozuri).Callbacks == CallbackCounts{Sent: 3, Lost: 2, Duplicated: 1}
	}, 2*time.Minute, time.Millisecond)
}

func TestAfricasTalkingCallbackForms(t *testing.T) {
	t.Parallel()
	c, box := called(t, quiet())
	c.changeOne(AfricasTalking, func(f *Faults) { f.Callbacks.Form = NextRequests(1) })
	c.sendTo(AfricasTalking, "r", "254711000000")
	got := box.await(t, 1)[0]
	require.Equal(t, "application/x-www-form-urlencoded", got.kind)
	require.Equal(t, map[string]string{
		"phoneNumber": "+254711000000", "description": "Airtime Delivered Successfully",
		"status": "Success", "requestId": c.atIDs()["254711000000"], "discount": "KES 0.4000",
		"value": "KES 10.0000",
	}, got.fields(t))
	c.changeOne(AfricasTalking, func(f *Faults) { f.Callbacks.Short = true })
	c.sendTo(AfricasTalking, "r2", "254722000000")
	got = box.await(t, 2)[1]
	require.JSONEq(t, `{"status":"Success","requestId":"`+c.atIDs()["254722000000"]+`"}`, got.body)
}

func TestEarlyCallbackArrivesBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{Lipad, AfricasTalking, Sozuri} {
		f := quiet()
		f.Callbacks.Early, f.Callbacks.Delay = Sometimes(1), Duration(time.Minute)
		c, box := called(t, f)
		c.sendTo(provider, "r", numbers(20)...)
		require.Len(t, box.all(), 20, provider)
	}
}

// offline runs a simulator without a network and with time that costs nothing.
func offline(t *testing.T, f Faults, test func(sim *Simulator, box *inbox, begun time.Time)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		box := &inbox{}
		sim := New(Options{Faults: f, Callbacks: "http://127.0.0.1:1/c"})
		sim.sender.client.Transport = box
		defer sim.Close()
		test(sim, box, time.Now())
	})
}

// sendOffline sends KES 10 to one number at Lipad.
func sendOffline(sim *Simulator, reference, phone string) {
	token := sim.tokens.issue(time.Now(), time.Hour)
	sim.ServeHTTP(httptest.NewRecorder(),
		inProcess("POST", "/v1/gw/airtime/send", token, []byte(sendBody(reference, phone))))
}

func (i *inbox) history(t *testing.T, begun time.Time) (all []string) {
	t.Helper()
	for _, p := range i.all() {
		all = append(all, fmt.Sprint(p.at.Sub(begun), " ", p.fields(t)["service_status"]))
	}
	return all
}

func TestCallbacksFollowThePace(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*Faults)
		want   []string
	}{
		"by time":  {func(f *Faults) { f.Pace.By = PaceByTime }, []string{"6s 602", "16s 605"}},
		"by polls": {func(*Faults) {}, []string{"0s 602"}},
		"steps": {
			func(f *Faults) { f.Callbacks.FinalOnly = false },
			[]string{"0s 601", "0s 604", "0s 602"},
		},
		"delay": {
			func(f *Faults) { f.Callbacks.Delay = Duration(time.Second) }, []string{"1s 602"},
		},
		"everything": {func(f *Faults) {
			f.Pace.By, f.Callbacks.FinalOnly = PaceByTime, false
		}, []string{"0s 601", "2s 604", "6s 602", "16s 605"}},
		"early is not the reversal": {func(f *Faults) {
			f.Pace.By, f.Callbacks.Early = PaceByTime, Sometimes(1)
		}, []string{"0s 602", "16s 605"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := quiet()
			f.Jam, f.LateReversal = 1, 1 // 2 s open, 4 s jammed, 10 s successful
			row.change(&f)
			offline(t, f, func(sim *Simulator, box *inbox, begun time.Time) {
				sendOffline(sim, "r", "254711000000")
				time.Sleep(time.Minute)
				require.Equal(t, row.want, box.history(t, begun))
			})
		})
	}
}

func TestStuckRecipientHasNoFinalCallback(t *testing.T) {
	t.Parallel()
	f := quiet()
	offline(t, f, func(sim *Simulator, box *inbox, begun time.Time) {
		sendOffline(sim, "r", "254715550604")
		f.Callbacks.FinalOnly = false
		require.NoError(t, sim.SetFaults(f))
		time.Sleep(time.Second)
		sendOffline(sim, "r2", "254715550604")
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1s 604"}, box.history(t, begun))
	})
}

func TestCallbacksAreReorderedWithinASecond(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Callbacks.FinalOnly, f.Callbacks.Reorder = false, true
	offline(t, f, func(sim *Simulator, box *inbox, begun time.Time) {
		for n := range 100 {
			sendOffline(sim, fmt.Sprint(n), "254711000000")
		}
		time.Sleep(time.Second)
		last, backwards := map[string]string{}, 0
		for _, p := range box.all() {
			one := p.fields(t)
			if last[one["external_reference"]] == "602" {
				backwards++
			}
			last[one["external_reference"]] = one["service_status"]
			require.LessOrEqual(t, p.at.Sub(begun), time.Second)
		}
		require.Len(t, box.all(), 200)
		require.InDelta(t, 50, backwards, 25, "601 after 602")
	})
}

func TestOnlyLipadRepeatsCallbacks(t *testing.T) {
	t.Parallel()
	offline(t, quiet(), func(sim *Simulator, box *inbox, begun time.Time) {
		box.answer(func(p posted) (int, string) {
			if p.at.Sub(begun) < 3*time.Second {
				return http.StatusServiceUnavailable, ""
			}
			return http.StatusOK, ""
		})
		sendOffline(sim, "r", "254711000000")
		time.Sleep(time.Hour)
		require.Equal(t, []string{"0s 602", "500ms 602", "1.5s 602", "3.5s 602"},
			box.history(t, begun))
		require.Equal(t, CallbackCounts{Sent: 4, Unanswered: 3}, sim.Ledger().Totals().Callbacks)

		box.answer(func(posted) (int, string) { return http.StatusAccepted, "" })
		sendOffline(sim, "r2", "254711000000")
		time.Sleep(time.Hour)
		require.Len(t, box.all(), 4+triesMax, "bounded; 202 is not the 200 that the page wants")

		form := url.Values{"project": {"me"}, "recipients": {sozuriLines("0711000000")}}
		r := inProcess("POST", "/api/v1/airtime/topup", "", []byte(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer k")
		box.answer(func(posted) (int, string) { return http.StatusServiceUnavailable, "" })
		sim.ServeHTTP(httptest.NewRecorder(), r)
		time.Sleep(time.Hour)
		require.Len(t, box.all(), 5+triesMax, "Sozuri posts once")
	})
}

func TestResetForgetsCallbacksAndCloseEndsThem(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Callbacks.Delay = Duration(time.Second)
	offline(t, f, func(sim *Simulator, box *inbox, _ time.Time) {
		sendOffline(sim, "r", "254711000000")
		sim.Reset()
		time.Sleep(time.Minute)
		require.Empty(t, box.all())
		sendOffline(sim, "r", "254711000000")
		sim.Close()
		time.Sleep(time.Minute)
		require.Empty(t, box.all())
	})
}

// TestCallbacksOutliveAnOutage: what is due while the simulator does not serve is posted later.
func TestCallbacksOutliveAnOutage(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Callbacks.Delay = Duration(300 * time.Millisecond)
	box := &inbox{}
	server := httptest.NewServer(box)
	defer server.Close()
	sim := New(Options{Faults: f, Callbacks: server.URL})
	for round := range 2 {
		listener, err := Listen("127.0.0.1:0", false)
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sim.Serve(ctx, listener) }()
		if round == 0 {
			sendOffline(sim, "r", "254711000000")
		} else {
			box.await(t, 1)
		}
		stop()
		require.NoError(t, <-done)
		require.Len(t, box.all(), round)
	}
}

// TestServeStopsWhileCallbacksHang: neither an early callback nor a validation keeps it alive.
func TestServeStopsWhileCallbacksHang(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Callbacks.Early, f.Callbacks.Validate = Sometimes(1), true
	hung := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		hung <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	sim := New(Options{Faults: f, Callbacks: server.URL})
	listener, err := Listen("127.0.0.1:0", false)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sim.Serve(ctx, listener) }()
	answered := make(chan int, 1)
	c := &client{t: t, sim: sim, base: "http://" + listener.Addr().String(), http: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
	go func() { answered <- c.atSend(atList("254711000000")).status }()
	<-hung
	stop()
	require.NoError(t, <-done)
	require.Equal(t, http.StatusCreated, <-answered)
}

func TestValidationDecidesWhoIsPaid(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Callbacks.Validate, f.Callbacks.Lose = true, Sometimes(1)
	c, box := called(t, f)
	box.answer(func(p posted) (int, string) {
		switch p.fields(t)["phoneNumber"] {
		case "+254711000001":
			return http.StatusOK, `{"status":"Failed"}`
		case "+254711000002":
			return http.StatusServiceUnavailable, `{"status":"Validated"}`
		case "+254711000003":
			return http.StatusOK, `Validated`
		default:
			return http.StatusOK, `{"status":"Validated"}`
		}
	})
	got := c.atSent(atList("254711000000", "254711000001", "254711000002", "254711000003"),
		"Idempotency-Key: k")
	require.Equal(t, 1, got.NumSent)
	for _, line := range got.Responses[1:] {
		require.Equal(t, "Failed", line.Status)
		require.Equal(t, "Rejected", line.ErrorMessage)
	}
	require.Equal(t, map[string]int{"254711000000": 1}, c.paid())
	require.Equal(t, CallbackCounts{Lost: 1, Asked: 4, Denied: 3}, c.totals(AfricasTalking).Callbacks)

	asked := box.all()
	require.Len(t, asked, 4)
	for _, p := range asked {
		require.Equal(t, "/callbacks/token/africastalking/validation", p.path)
		one := p.fields(t)
		require.Regexp(t, `^ATPid_[0-9a-f]{32}$`, one["transactionId"])
		require.Equal(t, "KES", one["currencyCode"])
		require.NotEmpty(t, one["sourceIpAddress"])
		require.Contains(t, p.body, `"amount":10.00`, "a number")
	}
	c.changeOne(AfricasTalking, func(f *Faults) { f.Callbacks.Form = NextRequests(1) })
	c.atSent(atList("254711000000"), "Idempotency-Key: k2")
	require.Equal(t, "10.00", box.all()[4].fields(t)["amount"])
	require.Contains(t, box.all()[4].kind, "form")
}

func TestUnansweredValidationIsADenial(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Callbacks.Validate = true
	box := &inbox{}
	release := make(chan struct{})
	box.answer(func(posted) (int, string) { <-release; return 200, `{"status":"Validated"}` })
	server := httptest.NewServer(box)
	defer server.Close()
	defer close(release)
	c := newClient(t, Options{Faults: f, Callbacks: server.URL})
	got := c.atSent(atList("254711000000")) // It does not wait for the release.
	require.Equal(t, "Rejected", got.Responses[0].ErrorMessage)
	require.Empty(t, c.paid())
}

// TestCrowdOfCallbacksArrives sends to 10,000 recipients and counts what comes back.
func TestCrowdOfCallbacksArrives(t *testing.T) {
	t.Parallel()
	c, box := called(t, quiet())
	phones := numbers(1000)
	var senders sync.WaitGroup
	for n := range 10 {
		provider := []string{Lipad, AfricasTalking, Sozuri}[n%3]
		senders.Go(func() { c.sendTo(provider, fmt.Sprint(n), phones...) })
	}
	senders.Wait()
	ended := map[string]int{}
	for _, p := range box.await(t, 10_000) {
		one := p.fields(t)
		ended[one["requestId"]+one["external_reference"]+one["phone_number"]]++
	}
	require.Len(t, ended, 10_000, "each once")
	require.Eventually(t, func() bool {
		return c.sim.Ledger().Totals().Callbacks == CallbackCounts{Sent: 10_000}
	}, 2*time.Minute, time.Millisecond)
}

func TestCallbacksGoToLoopbackUnlessAllowed(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"http://127.0.0.1:1/c/t", "http://localhost/", "http://[::1]:8"} {
		require.NoError(t, CheckCallbacks(base, false), base)
	}
	require.ErrorIs(t, CheckCallbacks("http://192.0.2.1:80/c", false), ErrNotLoopback)
	require.NoError(t, CheckCallbacks("http://192.0.2.1:80/c", true))
	for _, base := range []string{"", "127.0.0.1:1", "ftp://127.0.0.1", "http://", "http://h?x=1", ":"} {
		require.ErrorContains(t, CheckCallbacks(base, true), "callbacks: want a URL", base)
	}
	require.Panics(t, func() { New(Options{Callbacks: "nowhere"}) })
}

func TestAReplayBringsNoSecondCallback(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Repeat = RepeatReplay
	offline(t, f, func(sim *Simulator, box *inbox, begun time.Time) {
		sendOffline(sim, "r", "254711000000")
		sendOffline(sim, "r", "254711000000")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"0s 602"}, box.history(t, begun))
	})
}

// TestCallbacksBesidePaymentsOfOneReference repeats one reference while its callbacks are written.
func TestCallbacksBesidePaymentsOfOneReference(t *testing.T) {
	t.Parallel()
	f := quiet()
	f.Repeat = RepeatPay
	c, box := called(t, f)
	phones := numbers(50)
	var senders sync.WaitGroup
	for n := range 10 {
		senders.Go(func() { c.send("r", phones[:5*(n+1)]...) })
	}
	senders.Wait()
	const all = 5 * (10 * 11 / 2)
	box.await(t, all)
	times := 0
	for _, n := range c.paid() {
		times += n
	}
	require.Equal(t, all, times)
}
