package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) {
	completionTime = time.Minute // The machine may be busy.
	testscript.Main(proctest.Suite{M: m}, map[string]func(){"enqueuer": main})
}

// TestScripts runs the scenarios of testdata: each is a user with a Redis of their own. Scripts
// whose name begins with own_ have a server of their own, which they may fill, stop and start.
func TestScripts(t *testing.T) {
	t.Parallel()
	proctest.NotInShort(t, "programs of their own")
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, Setup: settle,
		Deadline: time.Now().Add(scriptLimit),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "redis": redisCommand, "drive": drive, "observe": observe,
			"lapse": lapse, "idle": idle, "push": push, "drained": drained, "rejected": rejected,
			"server": serverCommand, "many": many, "waitfor": waitFor, "age": age,
			"producer": producer, "digest": digest,
		},
	})
}

// digest puts the digest of who is held under an import into DIGEST.
func digest(ts *testscript.TestScript, _ bool, args []string) {
	h, _ := ts.Value(harnessKey{}).(*harness)
	groups, err := h.store.HeldUnder(context.Background(), state.KindImport, args[0])
	ts.Check(err)
	if len(groups) != 1 {
		ts.Fatalf("%d groups are held", len(groups))
	}
	ts.Setenv("DIGEST", groups[0].Digest)
}

// scriptLimit is how long the scripts may take on a busy machine; each takes a few seconds.
const scriptLimit = 20 * time.Minute

// harness is what a script's commands share.
type harness struct {
	server *redistest.Server // Nil for scripts that share one.
	client *redis.Client
	store  *state.Store
	batch  *state.Batch // The last one driven.
	ns     string
}

type harnessKey struct{}

func settle(env *testscript.Env) error {
	t, ok := env.T().(testing.TB)
	if !ok {
		return errors.New("the scripts were not started by Run")
	}
	h := &harness{ns: "tuma"}
	var url string
	if strings.Contains(env.WorkDir, "own_") {
		h.server = redistest.Start(t)
		url = h.server.URL()
	} else {
		url, h.ns = redistest.Shared(t)
	}
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	h.client = redis.NewClient(options)
	env.Defer(func() { _ = h.client.Close() })
	h.store, err = state.Open(context.Background(), state.Options{
		Options: redisconn.Options{URL: url}, Namespace: h.ns, SubmitTimeout: time.Second,
		Providers: catalog.Known(),
	})
	require.NoError(t, err)
	env.Defer(func() { _ = h.store.Close() })
	env.Values[harnessKey{}] = h
	files, err := filepath.Abs("../../internal/intake/testdata/spreadsheets")
	require.NoError(t, err)
	leftOut, twice := clockChanges(time.Now())
	for name, value := range map[string]string{
		"FILES": files, "LEFT_OUT": leftOut, "TWICE": twice,
		"NS": h.ns, "TUMA_REDIS_URL": url, "TUMA_NAMESPACE": h.ns, "TUMA_OPS_ADDR": "127.0.0.1:0",
		"TUMA_SUBMIT_TIMEOUT": "1s", "TUMA_SEND_GUARD": "1ms", "TUMA_SETTLE_DELAY": "1ms",
		// Otherwise every program of the race detector sleeps for a second at its end.
		"GORACE":   "atexit_sleep_ms=0",
		"TOMORROW": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339),
	} {
		env.Setenv(name, value)
	}
	return nil
}

func harnessOf(ts *testscript.TestScript) *harness {
	h, ok := ts.Value(harnessKey{}).(*harness)
	if !ok {
		ts.Fatalf("the script has no harness")
	}
	return h
}

// fullNumber finds phone numbers that are not masked.
var fullNumber = regexp.MustCompile(`\b(254|0)[17][0-9]{8}\b`)

// exits CODE PROGRAM [ARGS]: run a program, which must end with that exit code and print no full
// phone number on standard error.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGS]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if found := fullNumber.FindString(ts.ReadFile("stderr")); found != "" {
		ts.Fatalf("standard error shows the phone number %s", found)
	}
}

// redis COMMAND [ARGS]: print what Redis answers.
func redisCommand(ts *testscript.TestScript, _ bool, args []string) {
	words := make([]any, len(args))
	for i, arg := range args {
		words[i] = arg
	}
	answer, err := harnessOf(ts).client.Do(context.Background(), words...).Result()
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), answer)
}

// drive VERDICT: send the next batch, with that verdict for everybody; $BATCH is its id then.
func drive(ts *testscript.TestScript, _ bool, args []string) {
	h, ctx := harnessOf(ts), context.Background()
	token := uuid.Must(uuid.NewV7()).String()
	claim, err := h.store.Claim(ctx, "lipad", token, state.MaxRecipients)
	ts.Check(err)
	if claim.Batch == nil {
		ts.Fatalf("nothing to send: %s", claim.Idle)
	}
	h.batch = claim.Batch
	ts.Setenv("BATCH", h.batch.ID)
	if args[0] == "claimed" {
		return
	}
	_, err = h.store.BeginSend(ctx, h.batch, token)
	ts.Check(err)
	answer := state.Answer{
		Batch: h.batch, Attempt: h.batch.Attempt + 1, Accepted: airtime.Submitted,
		NextPoll: time.Hour,
	}
	if len(args) > 1 { // "drive accepted soon": the first query is due when recipients can be overdue.
		answer.NextPoll = 5 * time.Millisecond
	}
	for _, verdict := range airtime.Verdicts() {
		if verdict.String() == args[0] {
			answer.Verdict = verdict
		}
	}
	if args[0] == "unconfirmed" {
		answer.Verdict, answer.Accepted = airtime.Accepted, airtime.Unconfirmed
	}
	if answer.Verdict == airtime.Unknown {
		answer.Reason = airtime.ReasonTimeout
	}
	_, err = h.store.Record(ctx, answer)
	ts.Check(err)
}

// idle REASON: there is nothing to send, for that reason.
func idle(ts *testscript.TestScript, _ bool, args []string) {
	h := harnessOf(ts)
	claim, err := h.store.Claim(context.Background(), "lipad", uuid.Must(uuid.NewV7()).String(), 1)
	ts.Check(err)
	if string(claim.Idle) != args[0] {
		ts.Fatalf("idle because of %q, not %q", claim.Idle, args[0])
	}
}

// observe STATUS [POSITION...]: the provider says where members of the last batch stand.
func observe(ts *testscript.TestScript, _ bool, args []string) {
	h := harnessOf(ts)
	status, err := airtime.ParseStatus(args[0])
	ts.Check(err)
	var lines []providers.RecipientStatus
	for i, m := range h.batch.Members {
		named := len(args) == 1
		for _, position := range args[1:] {
			named = named || position == strconv.Itoa(i)
		}
		if named {
			lines = append(lines, providers.RecipientStatus{
				Phone: m.Phone, Status: status, ProviderReference: fmt.Sprint("P", i), Message: "told",
			})
		}
	}
	_, err = h.store.Observe(context.Background(), h.batch, lines, true,
		state.PollSchedule{Next: time.Hour})
	ts.Check(err)
}

// errNotYet is what a look returns while it has to be repeated.
var errNotYet = errors.New("not yet")

// await repeats a look until it no longer says errNotYet. Its limit only bounds a broken test.
func await(ts *testscript.TestScript, failure string, look func() error) {
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		err := look()
		if !errors.Is(err, errNotYet) {
			ts.Check(err)
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s", failure)
		}
	}
}

// lapse: the last batch is overdue.
func lapse(ts *testscript.TestScript, _ bool, _ []string) {
	h := harnessOf(ts)
	var poll state.Poll
	await(ts, "no query of the batch is due", func() error {
		polls, _, err := h.store.Due(context.Background(), 10, time.Hour)
		i := slices.IndexFunc(polls, func(p state.Poll) bool { return p.Batch == h.batch.ID })
		switch {
		case err != nil:
			return err
		case i < 0:
			return errNotYet
		}
		poll = polls[i]
		return nil
	})
	schedule := state.PollSchedule{
		Poll: poll.Number, Next: time.Hour, OverdueAfter: time.Millisecond, Slow: time.Hour,
	}
	_, err := h.store.Observe(context.Background(), &state.Batch{ID: poll.Batch}, nil, true, schedule)
	ts.Check(err)
}

// push FILE: put every line of a file on the jobs stream as a job.
func push(ts *testscript.TestScript, _ bool, args []string) {
	h := harnessOf(ts)
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		err := h.client.XAdd(context.Background(), &redis.XAddArgs{
			Stream: "{" + h.ns + "}:jobs", Values: []string{"job", strings.TrimSpace(line)},
		}).Err()
		ts.Check(err)
	}
}

// producer NAME REFERENCE CAMPAIGN PHONE: a producer sends a job of one recipient over HTTP.
func producer(ts *testscript.TestScript, _ bool, args []string) {
	accepted, err := harnessOf(ts).store.Accept(context.Background(), []state.Disbursal{{
		Producer: args[0], SubmittedBy: args[0], Reference: args[1], Campaign: args[2],
		Provider: "lipad", Currency: "KES",
		Recipients: []airtime.Recipient{{
			Phone:  airtime.MSISDNFromE164(args[3]),
			Amount: airtime.Money{Minor: 10_00, Currency: "KES"},
		}},
	}})
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), accepted.Outcomes[0])
}

// drained: wait until no job is on the stream, nor read and not acknowledged.
func drained(ts *testscript.TestScript, _ bool, _ []string) {
	h, ctx := harnessOf(ts), context.Background()
	stream := "{" + h.ns + "}:jobs"
	await(ts, "jobs are still on the stream", func() error {
		length, err := h.client.XLen(ctx, stream).Result()
		if err != nil || length > 0 {
			return errNotYet
		}
		pending, err := h.client.XPending(ctx, stream, "enqueuer").Result()
		if err == nil && pending.Count != 0 {
			err = fmt.Errorf("%d deleted entries are not acknowledged", pending.Count)
		}
		return err
	})
}

// rejected: print the rejected stream, one line per job.
func rejected(ts *testscript.TestScript, _ bool, _ []string) {
	h := harnessOf(ts)
	entries, err := h.client.XRange(context.Background(), "{"+h.ns+"}:rejected", "-", "+").Result()
	ts.Check(err)
	for _, e := range entries {
		fmt.Fprintf(ts.Stdout(), "%v: %v <- %v\n", e.Values["source"], e.Values["error"],
			e.Values["job"])
	}
}

// server stop|start: the script's own Redis goes away or comes back.
func serverCommand(ts *testscript.TestScript, _ bool, args []string) {
	switch server := harnessOf(ts).server; args[0] {
	case "stop":
		server.Stop()
	case "start":
		server.Restart()
	default:
		ts.Fatalf("usage: server stop|start")
	}
}

// many FILE ROWS: write a CSV file with that many recipients.
func many(ts *testscript.TestScript, _ bool, args []string) {
	rows, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	b.WriteString("phone_number,amount\n")
	for i := range rows {
		fmt.Fprintf(&b, "0711%06d,10\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// waitfor IMPORT RECIPIENTS: wait until the state holds that many recipients of an import.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	h := harnessOf(ts)
	await(ts, fmt.Sprintf("import %s never had %s recipients", args[0], args[1]), func() error {
		sum, err := h.store.Summarize(context.Background(), state.KindImport, args[0])
		if err == nil && fmt.Sprint(sum.Recipients) != args[1] {
			err = errNotYet
		}
		return err
	})
}

// age: what the consumer named dead has read lies there for a minute already.
func age(ts *testscript.TestScript, _ bool, _ []string) {
	h, ctx := harnessOf(ts), context.Background()
	stream := "{" + h.ns + "}:jobs"
	pending, err := h.client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: stream, Group: "enqueuer", Start: "-", End: "+", Count: 10, Consumer: "dead",
	}).Result()
	ts.Check(err)
	if len(pending) == 0 {
		ts.Fatalf("the consumer has read nothing")
	}
	for _, entry := range pending {
		ts.Check(h.client.Do(ctx, "XCLAIM", stream, "enqueuer", "dead", "0", entry.ID,
			"IDLE", "60000").Err())
	}
}
