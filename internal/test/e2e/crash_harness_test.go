package e2e_test

import (
	"bytes"
	"context"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// The times of a harness in which something crashes are the shortest that the settings allow, and
// to each other as in production.
const (
	crashTimeout = time.Second
	crashGuard   = 300 * time.Millisecond
	crashSettle  = 300 * time.Millisecond
	crashClaim   = time.Second
	// lapsed is when what a dead worker has left behind is somebody else's.
	lapsed = crashTimeout + crashGuard + 200*time.Millisecond
	// calm is how long nothing must have moved before people are asked: longer than the wait for a
	// repetition, and than the callbacks under way.
	calm = crashTimeout + crashGuard + 1200*time.Millisecond
	// crashLimit only bounds a broken test on a busy machine.
	crashLimit = testTimeout
)

// crash is the harness of one crash: a database of a shared Redis, a simulator, and one provider.
type crash struct {
	*harness
	point
	died   bool
	wanted orders
	// unpaid says that somebody may end unpaid without a person's word.
	unpaid bool
}

func newCrash(t *testing.T, p point, traces string) *crash {
	t.Helper()
	url, _ := redistest.Shared(t)
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	h := &harness{t: t, rdb: redis.NewClient(options), gateway: newGateway(t)}
	t.Cleanup(func() { _ = h.rdb.Close() })
	faults := sandbox.DefaultFaults()
	faults.Outcomes = sandbox.Weights{Successful: 1}
	simulator := sandbox.New(sandbox.Options{
		Seed: 7, Faults: faults, Callbacks: h.gateway.base,
	})
	server := httptest.NewServer(simulator)
	t.Cleanup(func() { server.Close(); simulator.Close() })
	h.providers = server.URL
	h.store, err = state.Open(t.Context(), state.Options{
		Options:       redisconn.Options{URL: url},
		SubmitTimeout: crashTimeout, Guard: crashGuard, SettleDelay: crashSettle,
		ClaimTimeout: crashClaim, Providers: catalog.Known(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.store.Close() })
	c := &crash{harness: h, point: p, wanted: orders{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the books: %v; callbacks kept: %v", h.rdb.HGetAll(context.Background(), "{tuma}:book"),
				h.rdb.HKeys(context.Background(), "{tuma}:parked"))
		}
	})
	h.environment = append(catalog.Simulated(h.providers, p.provider),
		"TUMA_REDIS_URL="+url, "TUMA_CALLBACK_TOKEN="+callbackToken,
		"TUMA_SUBMIT_TIMEOUT="+crashTimeout.String(), "TUMA_SEND_GUARD="+crashGuard.String(),
		"TUMA_SETTLE_DELAY="+crashSettle.String(), "TUMA_CLAIM_TIMEOUT="+crashClaim.String(),
		"TUMA_SWEEP_INTERVAL=300ms", "TUMA_POLL_INITIAL=100ms", "TUMA_POLL_MAX=1s",
		"CRASH_TRACE="+tracePath(traces, p.provider))
	c.configure("")
	return c
}

// tracePath is the file with the names of all effects in the harnesses of a provider.
func tracePath(traces, provider string) string { return filepath.Join(traces, provider) }

// configure writes the configuration File: requests of two recipients, and more.
func (c *crash) configure(more string) {
	c.t.Helper()
	config := filepath.Join(c.t.TempDir(), "tuma.yaml")
	require.NoError(c.t, os.WriteFile(config, []byte(more+batches(2)+equitelAtSozuri), 0o600))
	c.environment = append(c.environment, "TUMA_CONFIG="+config)
}

// starts starts a program that is not to crash.
func (c *crash) starts(program *proctest.Variant, arguments ...string) *proctest.Process {
	c.t.Helper()
	p := c.run(program.Build(c.t), nil, arguments...)
	if len(arguments) == 0 {
		p.WaitOutput("serving", crashLimit)
	}
	return p
}

// dies starts the program that crashes, lets meanwhile happen what leads to the crash, and waits
// for it. Settings come on top of the harness's.
func (c *crash) dies(meanwhile func(), settings []string, arguments ...string) {
	c.t.Helper()
	p := c.run(c.program.Build(c.t), append([]string{"CRASH_AT=" + c.crashAt()}, settings...),
		arguments...)
	if meanwhile != nil {
		meanwhile()
	}
	require.Equal(c.t, -1, p.Wait(crashLimit), "the program was to be killed %s", c.crashAt())
	require.Contains(c.t, p.Output(), "killed "+c.crashAt()+"\n")
	c.died = true
}

// says runs one enqueuer command to its end, which must be code 0.
func (c *crash) says(arguments ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), crashLimit)
	defer cancel()
	var out, errors bytes.Buffer
	command := exec.CommandContext(ctx, mortalEnqueuer.Build(c.t), arguments...)
	command.Env, command.Stdout, command.Stderr = c.environment, &out, &errors
	require.NoError(c.t, command.Run(), "enqueuer %s:\n%s\n%s", strings.Join(arguments, " "), &out,
		&errors)
	return out.String()
}

// jobs makes two jobs of three and two recipients for the harness's provider.
func (c *crash) jobs() []job {
	jobs := []job{
		{Reference: "crash-1", Campaign: "crash", Provider: c.provider},
		{Reference: "crash-2", Campaign: "crash", Provider: c.provider},
	}
	for i := range 5 {
		phone, cents := phoneFor(c.provider, i), centsFor(c.provider, i)
		j := &jobs[i/3]
		j.Recipients = append(j.Recipients, jobRecipient{phone, decimal(cents)})
		c.wanted[who{j.Reference, phone}] = cents
	}
	return jobs
}

// asked hands the jobs to the state, as an inlet that has nothing to do with the crash.
func (c *crash) asked() {
	c.t.Helper()
	c.accept(c.jobs())
}

// file writes the recipients of the jobs to a file that can be imported under the name crash.
func (c *crash) file() string {
	c.t.Helper()
	text := &strings.Builder{}
	text.WriteString("phone_number,amount\n")
	for _, j := range c.jobs() {
		for _, r := range j.Recipients {
			text.WriteString(r.PhoneNumber + "," + r.Amount + "\n")
		}
	}
	imported := orders{}
	for recipient, cents := range c.wanted {
		imported[who{"crash/1", recipient.phone}] = cents
	}
	c.wanted = imported
	path := filepath.Join(c.t.TempDir(), "crash.csv")
	require.NoError(c.t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

// inStatus is how many recipients have a status at the harness's provider.
func (c *crash) inStatus(status airtime.Status) int64 {
	c.t.Helper()
	return c.book()[c.provider+" "+status.String()]
}

// follows waits until everything has settled that settles by itself; what cannot is settled by
// callbacks that were lost with a crash and come late, and by people who have read the ledger.
// Workers and pollers must be running.
func (c *crash) follows() {
	c.t.Helper()
	var last map[string]int64
	since := time.Now()
	c.awaitFor(crashLimit, "everybody settles", func() bool {
		open, all := c.counts()
		if all == int64(len(c.wanted)) && open == 0 {
			return true
		}
		now := c.book()
		if all < int64(len(c.wanted)) || !maps.Equal(last, now) || c.underWay(now) {
			last, since = now, time.Now()
		}
		if time.Now().After(since.Add(calm)) {
			require.NotEqual(c.t, sandbox.Lipad, c.provider, "it can be asked")
			c.lateCallbacks(c.rows())
			c.resolveByLedger()
			since = time.Now()
		}
		return false
	})
}

// rows is the report of everything. It and the recount of agrees are asked of the state itself, as
// the commands do: two processes less for each of hundreds of harnesses.
func (c *crash) rows() (rows []reported) {
	c.t.Helper()
	for _, reference := range c.references() {
		err := c.store.Report(c.t.Context(), state.KindDisbursal, reference, func(r state.Row) error {
			rows = append(rows, reported{
				Reference: r.Reference, PhoneNumber: r.Phone.Digits(),
				Amount: decimal(r.Amount.Minor), Currency: string(r.Amount.Currency),
				Provider: r.Provider, Status: r.Status.String(), Reason: string(r.Reason),
				Batch: r.Batch, ProviderReference: r.ProviderReference,
			})
			return nil
		})
		require.NoError(c.t, err)
	}
	return rows
}

// references are those of all orders.
func (c *crash) references() []string {
	var list []string
	for recipient := range c.wanted {
		// What a producer calls its own is shown as "producer/reference".
		producer, own, _ := strings.Cut(recipient.reference, "/")
		if producer == inletProducer {
			list = append(list, state.Own(producer, own))
			continue
		}
		list = append(list, recipient.reference)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// balances recounts the books.
func (c *crash) balances() {
	c.t.Helper()
	audit, err := c.store.Verify(c.t.Context(), nil)
	require.NoError(c.t, err)
	require.Empty(c.t, audit.Drift)
	require.Zero(c.t, audit.Overpaid)
}

// agrees compares the books, the report, the results stream and the provider's ledger.
func (c *crash) agrees() {
	c.t.Helper()
	c.balances()
	rows := c.rows()
	got := orders{}
	for _, r := range rows {
		require.NotContains(c.t, got, r.who(), "reported twice")
		got[r.who()] = parseCents(c.t, r.Amount)
		if !r.paid() && !c.unpaid {
			require.Equal(c.t, "failed person", r.Status+" "+r.Reason)
		}
	}
	requireSame(c.t, c.wanted, got, "the report is not what was asked for")
	require.Empty(c.t, c.ledgerDifference(rows), "the ledger (-) and the report (+) differ")
	c.compareResults(rows)
	c.requireNobodyTwice()
}

// ends is follows and agrees.
func (c *crash) ends() {
	c.t.Helper()
	c.follows()
	c.agrees()
}

// recipients are the orders as the state takes them, in one disbursal of the campaign.
func (c *crash) recipients() []airtime.Recipient {
	var list []airtime.Recipient
	for recipient, cents := range c.wanted {
		list = append(list, airtime.Recipient{
			Phone:  airtime.MSISDNFromE164(recipient.phone),
			Amount: airtime.Money{Minor: cents, Currency: "KES"},
		})
	}
	slices.SortFunc(list, func(a, b airtime.Recipient) int {
		return strings.Compare(a.Phone.Digits(), b.Phone.Digits())
	})
	return list
}
