package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// sendFault is a fault from both sides: what the client sees, what the ledger says.
type sendFault struct {
	set  func(*CallFaults, Chance)
	sees func(*testing.T, reply)
	paid int
	lost LostCounts
}

func noAnswer(t *testing.T, got reply) {
	t.Helper()
	require.ErrorIs(t, got.err, io.EOF)
}

func brokenServer(t *testing.T, got reply) {
	t.Helper()
	require.Contains(t, []int{500, 502, 503, 504}, got.status)
	require.False(t, json.Valid([]byte(got.body)))
}

func sendFaults() map[string]sendFault {
	return map[string]sendFault{
		hangBefore: {
			func(f *CallFaults, c Chance) { f.HangBefore = c }, noAnswer, 0, LostCounts{Before: 1},
		},
		lostBefore: {
			func(f *CallFaults, c Chance) { f.LostBefore = c }, noAnswer, 0, LostCounts{Before: 1},
		},
		errorBefore: {
			func(f *CallFaults, c Chance) { f.ErrorBefore = c }, brokenServer, 0,
			LostCounts{Before: 1},
		},
		tooMany: {
			func(f *CallFaults, c Chance) { f.TooMany = c },
			func(t *testing.T, got reply) {
				t.Helper()
				require.Equal(t, http.StatusTooManyRequests, got.status)
				require.Equal(t, "2", got.header.Get("Retry-After"), "rounded up")
			}, 0,
			LostCounts{},
		},
		redirect: {
			func(f *CallFaults, c Chance) { f.Redirect = c },
			func(t *testing.T, got reply) {
				t.Helper()
				require.Equal(t, http.StatusTemporaryRedirect, got.status)
				require.Equal(t, "/v1/gw/airtime/send?redirected=1", got.header.Get("Location"))
			}, 0,
			LostCounts{},
		},
		hangAfter: {
			func(f *CallFaults, c Chance) { f.HangAfter = c }, noAnswer, 1, LostCounts{After: 1},
		},
		lostAfter: {
			func(f *CallFaults, c Chance) { f.LostAfter = c }, noAnswer, 1, LostCounts{After: 1},
		},
		errorAfter: {
			func(f *CallFaults, c Chance) { f.ErrorAfter = c }, brokenServer, 1,
			LostCounts{After: 1},
		},
		brokenJSON: {
			func(f *CallFaults, c Chance) { f.BrokenJSON = c },
			func(t *testing.T, got reply) {
				t.Helper()
				require.NoError(t, got.err)
				require.Equal(t, http.StatusOK, got.status)
				require.False(t, json.Valid([]byte(got.body)))
			}, 1,
			LostCounts{After: 1},
		},
		cutBody: {
			func(f *CallFaults, c Chance) { f.CutBody = c },
			func(t *testing.T, got reply) {
				t.Helper()
				require.Equal(t, http.StatusOK, got.status)
				require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
			}, 1,
			LostCounts{After: 1},
		},
		wrongTypes: {
			func(f *CallFaults, c Chance) { f.WrongTypes = c },
			func(t *testing.T, got reply) {
				t.Helper()
				require.Contains(t, got.body, `"response_code":"720"`)
			}, 1,
			LostCounts{},
		},
	}
}

func TestFaultsOfASend(t *testing.T) {
	t.Parallel()
	for name, row := range sendFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, chance := range []Chance{NextRequests(1), Sometimes(1)} {
				f := calm()
				f.Send.HangLimit = Duration(20 * time.Millisecond)
				f.Send.RetryAfter = Duration(1200 * time.Millisecond)
				row.set(&f.Send.CallFaults, chance)
				c := newClient(t, Options{Faults: f})
				row.sees(t, c.send("r", "254711000000"))
				require.Equal(t, row.paid, c.paid()["254711000000"])
				totals := c.sim.Ledger().Totals()
				require.Equal(t, map[string]int{"send." + name: 1}, totals.Faults)
				require.Equal(t, row.lost, totals.Lost)
				if chance.Next == 1 {
					require.Equal(t, Chance{}, *chanceOf(c.sim.Faults(), name), "used up")
					require.Equal(t, http.StatusOK, c.send("r2", "254711000000").status)
				}
			}
		})
	}
}

func chanceOf(f Faults, name string) *Chance {
	all := f.Send.chances()
	at := slices.IndexFunc(all, func(n namedChance) bool { return n.name == name })
	return all[at].chance
}

func TestFaultsStrikeOnlyTheirOwnCall(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.change(func(f *Faults) { f.Auth.LostAfter, f.Status.ErrorBefore = Sometimes(1), Sometimes(1) })
	require.Contains(t, c.send("r", "254711000000").body, "720")
	require.GreaterOrEqual(t, c.status("r").status, 500)
	got := c.do("POST", "/v1/auth", `{"consumer_key":"k","consumer_secret":"s"}`)
	require.ErrorIs(t, got.err, io.EOF)
}

func TestOneFaultARequestAndCountsWait(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.change(func(f *Faults) {
		f.Send.LostBefore, f.Send.ErrorBefore = NextRequests(1), NextRequests(1)
		f.Send.LostAfter, f.Send.ExpireToken = NextRequests(1), NextRequests(1)
	})
	require.Error(t, c.send("r", "254711000000").err)
	require.GreaterOrEqual(t, c.send("r", "254711000000").status, 500)
	require.Empty(t, c.paid())
	require.Error(t, c.send("r", "254711000000").err)
	require.Len(t, c.paid(), 1)
	require.Equal(t, http.StatusUnauthorized, c.send("r", "254711000000").status)
}

func TestFollowedRedirectIsProcessedOnce(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Send.Redirect = Sometimes(1)
	c := newClient(t, Options{Faults: f})
	c.http.CheckRedirect = nil // as a careless client has it
	require.Contains(t, c.send("r", "254711000000").body, `"response_code":720`)
	require.Equal(t, map[string]int{"254711000000": 1}, c.paid())
	require.Equal(t, 2, c.sim.Ledger().Totals().Requests["send"])
}

func TestTokenExpiresEarlyUntilRenewed(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.change(func(f *Faults) { f.Send.ExpireToken = NextRequests(1) })
	require.Equal(t, http.StatusUnauthorized, c.send("r", "254711000000").status)
	require.Equal(t, http.StatusUnauthorized, c.send("r", "254711000000").status)
	require.Empty(t, c.paid())
	c.authenticate()
	require.Equal(t, http.StatusOK, c.send("r", "254711000000").status)
	c.change(func(f *Faults) { f.Status.ExpireToken = NextRequests(1) })
	require.Equal(t, http.StatusUnauthorized, c.status("r").status)
}

func TestStatusAnswerIsMistyped(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.send("r", "254711000000")
	c.change(func(f *Faults) { f.Status.WrongTypes, f.Auth.WrongTypes = Sometimes(1), Sometimes(1) })
	require.Regexp(t, `^\[\{"phone_number":254711000000,"amount":"10","service_status":"602",`+
		`"external_reference":"r","provider_reference":null,`, c.status("r").body)
	got := c.do("POST", "/v1/auth", `{"consumer_key":"k","consumer_secret":"s"}`)
	require.Contains(t, got.body, `"expiresIn":"3600"`)
}

func TestStatusListIsPartial(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	phones := numbers(100)
	c.send("r", phones...)
	c.send("one", "254711000000")
	c.change(func(f *Faults) { f.Status.Partial = Sometimes(1) })
	require.Empty(t, c.codes("one"), "one recipient at least is left out")
	left := map[string]bool{}
	for range 20 {
		got := c.codes("r")
		require.InDelta(t, 50, len(got), 25)
		for phone := range got {
			left[phone] = true
		}
	}
	require.Len(t, left, 100, "all recipients are shown in the end")
}

func TestStatusShowsUnknownCodes(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.send("r", numbers(100)...)
	c.change(func(f *Faults) { f.Status.UnknownCodes = NextRequests(1) })
	shown := map[int]int{}
	for _, code := range c.codes("r") {
		shown[code]++
	}
	require.InDelta(t, 50, shown[699], 25)
	require.Equal(t, 100, shown[699]+shown[602])
	for _, code := range c.codes("r") {
		require.Equal(t, 602, code)
	}
}

func TestStatusListIsReordered(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	phones := numbers(100)
	c.send("r", phones...)
	order := func() (got []string) {
		for _, line := range c.list("r") {
			got = append(got, line["phone_number"].(string))
		}
		return got
	}
	require.Equal(t, phones, order())
	c.change(func(f *Faults) { f.Status.Reorder = Sometimes(1) })
	first, second := order(), order()
	require.NotEqual(t, phones, first)
	require.NotEqual(t, first, second)
	require.ElementsMatch(t, phones, first)
}

func TestChancesRepeatWithTheSeed(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Send.LostBefore = Sometimes(0.3)
	f.Send.LostAfter = Sometimes(0.3)
	struck := func(seed uint64) (got []string) {
		injector := newFaultInjector(seed, f)
		for range 1000 {
			rf := injector.drawRequest(callSend, false)
			got = append(got, rf.before+rf.after)
		}
		return got
	}
	require.Equal(t, struck(1), struck(1))
	require.NotEqual(t, struck(1), struck(2))
	times := map[string]int{}
	for _, fault := range struck(1) {
		times[fault]++
	}
	require.InDelta(t, 300, times[lostBefore], 50)
	require.InDelta(t, 210, times[lostAfter], 50, "of those that were not lost before")
}

// TestLatencyOutlivesTheClient: a client that gives up has not prevented anything.
func TestLatencyOutlivesTheClient(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Send.Latency = Duration(500 * time.Millisecond)
	c := newClient(t, Options{Faults: f})
	c.http.Timeout = 100 * time.Millisecond // enough to send, even on a busy machine
	require.Error(t, c.send("r", "254711000000").err)
	require.Equal(t, http.StatusOK, c.slowly().do("GET", "/sandbox/ledger", "").status)
	require.Eventually(t, func() bool { return c.paid()["254711000000"] == 1 },
		2*time.Minute, 5*time.Millisecond)
}

func (c *client) slowly() *client {
	c.http.Timeout = 10 * time.Second
	return c
}

func TestLatencyAndJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := calm()
		f.Auth.Latency, f.Auth.Jitter = Duration(time.Second), Duration(time.Second)
		sim := New(Options{Faults: f})
		taken := map[time.Duration]bool{}
		for range 20 {
			begun := time.Now()
			w := &discard{header: http.Header{}}
			sim.ServeHTTP(w, inProcess("POST", "/v1/auth", "",
				[]byte(`{"consumer_key":"k","consumer_secret":"s"}`)))
			require.Equal(t, http.StatusOK, w.status)
			spent := time.Since(begun)
			require.GreaterOrEqual(t, spent, time.Second)
			require.Less(t, spent, 2*time.Second)
			taken[spent] = true
		}
		require.Greater(t, len(taken), 15)
	})
}

func TestHangIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := calm()
		f.Status.HangBefore = Sometimes(1)
		sim := New(Options{Faults: f})
		begun := time.Now()
		require.PanicsWithValue(t, http.ErrAbortHandler, func() {
			sim.ServeHTTP(httptest.NewRecorder(),
				inProcess("GET", "/v1/gw/airtime/r/status", "", nil))
		})
		require.Equal(t, 2*time.Minute, time.Since(begun))
	})
}

func TestHugeBodyIsRefused(t *testing.T) {
	t.Parallel()
	sim := New(Options{Faults: calm()})
	w := &discard{header: http.Header{}}
	sim.ServeHTTP(w, inProcess("POST", "/v1/gw/airtime/send", "", make([]byte, bodyMax+1)))
	require.Equal(t, http.StatusRequestEntityTooLarge, w.status)
}
