package sandbox

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// sendTo sends KES 10 to each number at a provider.
func (c *client) sendTo(provider, reference string, phones ...string) reply {
	c.t.Helper()
	switch provider {
	case AfricasTalking:
		return c.atSend(atList(phones...), "Idempotency-Key: "+reference)
	case QuickSMS:
		lines := ""
		for _, phone := range phones {
			lines += "," + quickLine(phone, 10)
		}
		return c.quickSend(lines[1:])
	case Sozuri:
		return c.sozuriSend(sozuriLines(phones...))
	default:
		return c.send(reference, phones...)
	}
}

// TestCallFaultsStrikeEveryProvidersSend on both sides of the payment, and only the provider that
// they are set for.
func TestCallFaultsStrikeEveryProvidersSend(t *testing.T) {
	t.Parallel()
	for _, provider := range Providers() {
		for name, row := range sendFaults() {
			t.Run(provider+" "+name, func(t *testing.T) {
				t.Parallel()
				c := newClient(t, Options{Faults: calm()})
				c.changeOne(provider, func(f *Faults) {
					f.Send.HangLimit, f.Send.RetryAfter = 1, DefaultFaults().Send.RetryAfter
					row.set(&f.Send.CallFaults, NextRequests(1))
				})
				for _, other := range Providers() {
					if other != provider {
						require.Less(t, c.sendTo(other, "r", "254722000000").status, 300)
						require.Empty(t, c.totals(other).Faults)
					}
				}
				got := c.sendTo(provider, "r", "254711000000")
				requireStruck(t, name, got)
				require.Equal(t, row.paid, c.paid()["254711000000"])
				totals := c.totals(provider)
				require.Equal(t, map[string]int{"send." + name: 1}, totals.Faults)
				require.Equal(t, row.lost, totals.Lost)
				require.Less(t, c.sendTo(provider, "r2", "254711000000").status, 300, "used up")
			})
		}
	}
}

// requireStruck demands that a fault shows, in whatever dialect.
func requireStruck(t *testing.T, name string, got reply) {
	t.Helper()
	switch name {
	case hangBefore, hangAfter, lostBefore, lostAfter:
		require.ErrorIs(t, got.err, io.EOF)
	case cutBody:
		require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
	case errorBefore, errorAfter:
		require.GreaterOrEqual(t, got.status, 500)
	case tooMany:
		require.Equal(t, http.StatusTooManyRequests, got.status)
		require.NotEmpty(t, got.header.Get("Retry-After"))
	case redirect:
		require.Equal(t, http.StatusTemporaryRedirect, got.status)
	case brokenJSON:
		require.Less(t, got.status, 300)
		require.NotRegexp(t, `\}$`, got.body)
	case wrongTypes:
		require.Less(t, got.status, 300)
	}
}

func TestFaultsStrikeAfricasTalkingsQuery(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	id := c.atSent(atList("254711000000")).Responses[0].RequestID
	c.changeOne(AfricasTalking, func(f *Faults) {
		f.Status.LostAfter, f.Status.Redirect = NextRequests(1), NextRequests(1)
	})
	got := c.atQuery(id)
	require.Equal(t, http.StatusTemporaryRedirect, got.status)
	require.Equal(t, "/query/transaction/find?username=me&transactionId="+id+"&redirected=1",
		got.header.Get("Location"))
	require.ErrorIs(t, c.atQuery(id).err, io.EOF)
	c.http.CheckRedirect = nil
	c.changeOne(AfricasTalking, func(f *Faults) { f.Status.Redirect = Sometimes(1) })
	require.JSONEq(t, `{"status":"Success"}`, c.atQuery(id).body)
}

func TestLedgerIsTheSumOfTheProviders(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	for i, provider := range Providers() {
		phones := append(numbers(i+1), "254715550603")
		require.Less(t, c.sendTo(provider, "r", phones...).status, 300)
	}
	sum := decode[Totals](t, c.do("GET", "/sandbox/ledger", "").body)
	require.Equal(t, c.sim.Ledger().Totals(), sum)
	require.Equal(t, "all", sum.Provider)
	require.Len(t, sum.Providers, 4)
	for i, provider := range Providers() {
		one := decode[Totals](t, c.do("GET", "/sandbox/ledger?provider="+provider, "").body)
		require.Equal(t, sum.Providers[provider], one)
		require.Equal(t, provider, one.Provider)
		require.Equal(t, RecipientCounts{
			Accepted: i + 2, Paid: i + 1, Unpaid: 1, PhoneNumbers: i + 2,
		}, one.Recipients)
		require.Equal(t, Cents(1000*(i+1)), one.Totals[Currency])
		require.Equal(t, 1, one.Requests["send"])
	}
	require.Equal(t, RecipientCounts{Accepted: 14, Paid: 10, Unpaid: 4, PhoneNumbers: 5},
		sum.Recipients)
	require.Equal(t, Cents(10_000), sum.Totals[Currency])
	require.Equal(t, BatchCounts{Accepted: 4}, sum.Batches)
	require.Equal(t, map[string]int{"auth": 1, "send": 4, "status": 0}, sum.Requests)
	require.Equal(t, map[int]int{600: 14}, sum.Statuses)

	require.Equal(t, `{"provider":"sozuri","reference":"request-1","request_id":"4971724",`+
		`"phone_number":"254700000000","currency":"KES","amount":"10.00","times_paid":1,`+
		`"amount_paid":"10.00","status":600}`,
		firstLine(c.do("GET", "/sandbox/ledger/recipients?provider=sozuri", "").body))
	require.Equal(t, `{"provider":"quicksms","phone_number":"254700000000",`+
		`"references":["request-1"],"request_ids":["10990"],"times_paid":1,"amount_paid":"10.00"}`,
		firstLine(c.do("GET", "/sandbox/ledger/phones?provider=quicksms", "").body))
	require.Len(t, c.sim.Ledger().Phones(), 14)
	for _, path := range []string{"", "/recipients", "/phones"} {
		require.Equal(t, http.StatusNotFound,
			c.do("GET", "/sandbox/ledger"+path+"?provider=other", "").status)
	}
}

func firstLine(text string) string {
	for i := range text {
		if text[i] == '\n' {
			return text[:i]
		}
	}
	return text
}

func TestFaultsOfOneProviderOrAll(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{})
	jams := func() (all []float64) {
		for _, provider := range Providers() {
			got := c.do("GET", "/sandbox/faults?provider="+provider, "").body
			f, err := ParseFaults([]byte(got))
			require.NoError(t, err)
			all = append(all, f.Jam)
		}
		return all
	}
	c.do("PATCH", "/sandbox/faults", `{"jam":0.5}`)
	require.Equal(t, []float64{0.5, 0.5, 0.5, 0.5}, jams())
	got := c.do("PATCH", "/sandbox/faults?provider=sozuri", `{"jam":0.9,"balance":"70"}`)
	require.Contains(t, got.body, `"balance":"70"`, "the answer shows that provider's")
	require.Equal(t, []float64{0.5, 0.5, 0.5, 0.9}, jams())
	require.Equal(t, 422, c.do("PATCH", "/sandbox/faults", `{"reprocess":0.2}`).status,
		"it fits three of them only: none changes")
	f, err := c.sim.ProviderFaults(Lipad)
	require.NoError(t, err)
	require.Zero(t, f.Reprocess)
	c.do("PUT", "/sandbox/faults?provider=quicksms", `{"jam":0.1}`)
	require.Equal(t, []float64{0.5, 0.5, 0.1, 0.9}, jams())
	c.do("PUT", "/sandbox/faults", `{"balance":"5"}`)
	require.Equal(t, []float64{0, 0, 0, 0}, jams())
	for _, method := range []string{"GET", "PUT", "PATCH"} {
		got := c.do(method, "/sandbox/faults?provider=other", "{}")
		require.Equal(t, http.StatusNotFound, got.status)
		require.JSONEq(t, `{"errors":["provider: want one of lipad, africastalking, quicksms, `+
			`sozuri, not \"other\""]}`, got.body)
	}
	_, err = c.sim.ProviderFaults("other")
	require.Error(t, err)
	require.Error(t, c.sim.SetProviderFaults("other", calm()))
	require.Error(t, c.sim.SetProviderFaults(Lipad, Faults{}))
	require.Error(t, c.sim.SetFaults(Faults{}))
}

func TestLipadRefusesCredentialsAndKeepsNoWallet(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.change(func(f *Faults) { f.RefuseCredentials, f.Balance = true, "0" })
	login := `{"consumer_key":"k","consumer_secret":"s"}`
	require.Equal(t, http.StatusUnauthorized, c.do("POST", "/v1/auth", login).status)
	require.Contains(t, c.send("r", "254711000000").body, "720", "the token is good still")
	c.change(func(f *Faults) { f.RefuseCredentials, f.Secret = false, "new" })
	require.Equal(t, http.StatusUnauthorized, c.do("POST", "/v1/auth", login).status)
	login = `{"consumer_key":"k","consumer_secret":"new"}`
	require.Equal(t, http.StatusOK, c.do("POST", "/v1/auth", login).status)
}

func TestResetIsForEveryProvider(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	for _, provider := range Providers() {
		c.changeOne(provider, func(f *Faults) { f.Balance = "100" })
		c.sendTo(provider, "r", "254711000000")
	}
	last := c.atIDs()
	c.sim.Reset()
	totals := c.sim.Ledger().Totals()
	require.Zero(t, totals.Recipients)
	require.Zero(t, totals.Batches)
	for _, provider := range Providers() {
		f, err := c.sim.ProviderFaults(provider)
		require.NoError(t, err)
		require.Equal(t, calm(), f)
		require.Less(t, c.sendTo(provider, "r", "254711000000").status, 300)
	}
	require.NotEqual(t, last, c.atIDs(), "ids are not given out again")
	require.Equal(t, 4, c.sim.Ledger().Totals().Recipients.Paid)
}
