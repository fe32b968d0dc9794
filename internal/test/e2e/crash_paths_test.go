package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers/catalog"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
)

// crashPaths are all ways on which a process may die. Each effect of the code is in at least one of
// them, or in the table of what cannot be reached.
var crashPaths = []crashPath{
	{"sends", mortalWorker, and(
		at("rules", "claim", "trigger", "begin", "submission", "record"),
		"question", sandbox.Lipad), sends},
	{"accepts tasks", mortalWorker, at("accept", "trigger", "reject jobs"), acceptsTasks},
	{"cannot send", mortalWorker, at("requeue"), cannotSend},
	{"moves to another", mortalWorker, at("channels", "stranded", "reroute", "trigger"), moves},
	{"mends", mortalWorker, at("sweep", "trim stream"), mends},
	{"forgets", mortalWorker, at("forget"), forgets},
	{"releases what is due", mortalWorker, at("holdsdue", "admit", "trigger"), releasesDue},
	{"drips", mortalWorker, at("drip#2"), drips},
	{"follows", mortalPoller, and(
		and(at("due"), "load", sandbox.Lipad, sandbox.AfricasTalking, sandbox.Sozuri),
		"observe", sandbox.Lipad, sandbox.AfricasTalking, sandbox.Sozuri), followsUp},
	{"asks", mortalPoller, and(
		and(and(map[string][]string{}, "trigger", sandbox.Lipad, sandbox.AfricasTalking, sandbox.Sozuri),
			"question", sandbox.Lipad),
		"question#2", sandbox.AfricasTalking), followsUp}, // The first one is for the balance.
	{"asks for balances", mortalPoller, and(and(at("floatlook"), "question", sandbox.AfricasTalking),
		"floatset", sandbox.AfricasTalking), asksForBalances},
	{"shows what waits", mortalPoller, map[string][]string{
		sandbox.Lipad:          {"upcoming", "mirror"},
		sandbox.AfricasTalking: {"upcoming", "mirror"},
		sandbox.Sozuri:         {"upcoming", "mirror"},
	}, showsWhatWaits},
	{"is told of nothing", mortalPoller, map[string][]string{
		sandbox.Lipad: {"resolveunknown", "resolveunknown#2"}, sandbox.AfricasTalking: {"resend"},
	}, doubts},
	{"takes callbacks", mortalPoller, map[string][]string{
		sandbox.Lipad:          {"hint", "dead letter"},
		sandbox.AfricasTalking: {"callback", "validate", "dead letter"},
		sandbox.Sozuri:         {"callback", "dead letter"},
	}, takesCallbacks},
	{"tries callbacks again", mortalPoller, and(at("duecallbacks"), "callback",
		sandbox.AfricasTalking, sandbox.Sozuri), triesAgain},
	{"mends", mortalPoller, at("sweep", "trim stream"), mends},
	{"forgets", mortalPoller, at("forget"), forgets},
	{"posts results", mortalPoller, map[string][]string{
		sandbox.Lipad: {"webhookdispatch", "webhookdispatch#2", "webhooktry", "webhook", "webhookanswer"},
	}, postsResults},
	{"imports", mortalEnqueuer, at("manifest", "accept", "trigger"), imports},
	{"streams", mortalEnqueuer, at("take over jobs", "read jobs", "accept", "trigger",
		"reject jobs", "acknowledge jobs"), streams},
	{"serves", mortalEnqueuer, at("accept", "trigger"), serves},
	{"cancels", mortalEnqueuer, at("cancel", "cancel#2"), cancels},
	{"releases", mortalEnqueuer, at("admit", "trigger"), releases},
	{"lists who is in doubt", mortalEnqueuer, at("load"), listsDoubt},
	{"takes a person's word", mortalEnqueuer, at("resolve"), takesWord},
	{"erases a number", mortalEnqueuer, at("erased", "erased#2", "erase", "erase#2"), erases},
	{"says what is left", mortalEnqueuer, at("floatset"), setsFloat},
	{"shows what is left", mortalEnqueuer, at("floats"), showsFloats},
	{"pauses a campaign", mortalEnqueuer, at("campaign"), pausesCampaign},
	{"pauses a channel", mortalEnqueuer, at("pausebyperson"), pauses},
	{"switches a webhook on", mortalEnqueuer, map[string][]string{
		sandbox.Lipad: {"webhookon"},
	}, switchesOn},
	{"recounts", mortalEnqueuer, at("verify"), recounts},
	{"shows the channels", mortalEnqueuer, at("channels"), shows},
}

// sends has a worker die while it draws, sends and records.
func sends(c *crash) {
	c.starts(mortalPoller)
	c.asked()
	c.dies(nil, nil)
	c.starts(mortalWorker)
	c.ends()
}

// acceptsTasks has a worker die with a disbursal:accept task in its hands, which is then all that
// holds its disbursals.
func acceptsTasks(c *crash) {
	c.pushes(`{"reference":"bad","recipients":[{"phone_number":"0711222","amount":"1"}]}`)
	c.pushes(encode(c.t, map[string][]job{"jobs": c.jobs()}))
	c.starts(mortalPoller)
	c.dies(nil, nil)
	c.leasesExpire("disbursals")
	c.starts(mortalWorker)
	c.ends()
	c.await("the bad job is on the rejected stream", func() bool {
		return c.rdb.XLen(c.t.Context(), "{tuma}:rejected").Val() > 0
	})
}

// pushes enqueues a payload as a Go service does.
func (c *crash) pushes(payload string) {
	c.t.Helper()
	client := asynq.NewClientFromRedisClient(c.rdb)
	_, err := client.Enqueue(asynq.NewTask("disbursal:accept", []byte(payload)),
		asynq.Queue("disbursals"))
	require.NoError(c.t, err)
}

// leasesExpire lets the minute pass after which asynq gives a dead server's tasks to others.
func (c *crash) leasesExpire(queue string) {
	c.t.Helper()
	key := "asynq:{" + queue + "}:lease"
	tasks, err := c.rdb.ZRange(c.t.Context(), key, 0, -1).Result()
	require.NoError(c.t, err)
	for _, task := range tasks {
		require.NoError(c.t, c.rdb.ZAddXX(c.t.Context(), key, redis.Z{Score: 1, Member: task}).Err())
	}
}

// cannotSend has a worker die while it gives back what it cannot send: at Lipad there is no token,
// elsewhere the key cannot be sent.
func cannotSend(c *crash) {
	c.starts(mortalPoller)
	c.asked()
	wrong := map[string][]string{
		sandbox.AfricasTalking: {"AFRICASTALKING_API_KEY=no key"},
		sandbox.QuickSMS:       {"QUICKSMS_APP_KEY=no key"},
		sandbox.Sozuri:         {"SOZURI_API_KEY=no key"},
	}
	c.faults(sandbox.Lipad, `{"secret":"another"}`)
	c.dies(nil, wrong[c.provider])
	c.faults(sandbox.Lipad, `{"secret":""}`)
	c.starts(mortalWorker)
	c.ends()
}

// moves has a worker die while it moves recipients from a channel that is paused to another.
func moves(c *crash) {
	other := sandbox.Lipad
	if c.provider == other {
		other = sandbox.AfricasTalking
	}
	c.configure(fmt.Sprintf("routing:\n  rules:\n    - name: all\n      providers: [%s, %s]\n"+
		"      when_paused: move\n      move_after: 300ms\n", c.provider, other))
	// What another provider does is no business of this one's table.
	c.environment = append(c.environment, catalog.Simulated(c.providers, other)...)
	c.environment = append(c.environment, "CRASH_TRACE=")
	c.faults(c.provider, `{"secret":"another"}`)
	c.jobs()
	accepted, err := c.store.Accept(c.t.Context(), []state.Disbursal{{
		Reference: "crash-1", Campaign: "crash", Currency: "KES", Provider: c.provider,
		Recipients: c.recipients(),
	}})
	require.NoError(c.t, err)
	require.Equal(c.t, []state.Outcome{state.Accepted}, accepted.Outcomes)
	moved := orders{}
	for recipient, cents := range c.wanted {
		moved[who{"crash-1", recipient.phone}] = cents
	}
	c.wanted = moved
	c.starts(mortalPoller)
	c.dies(nil, nil)
	c.starts(mortalWorker)
	c.await("they have moved", func() bool { return c.inStatus(airtime.Queued) == 0 })
	c.ends()
	for _, r := range c.rows() {
		require.Equal(c.t, other, r.Provider)
	}
}

// mends has the process die that gives back what a dead worker had drawn, puts in doubt what it
// had begun to send, and trims what is older than any stream keeps.
func mends(c *crash) {
	old := c.rdb.XAdd(c.t.Context(), &redis.XAddArgs{
		Stream: "{tuma}:rejected", ID: "1-1",
		Values: []any{"job", "{}", "source", "test", "error", "old"},
	})
	require.NoError(c.t, old.Err())
	c.asked()
	for _, begin := range []bool{false, true} {
		token, err := uuid.NewV7()
		require.NoError(c.t, err)
		claim, err := c.store.Claim(c.t.Context(), c.provider, token.String(), 2)
		require.NoError(c.t, err)
		require.NotNil(c.t, claim.Batch)
		if begin {
			_, err := c.store.BeginSend(c.t.Context(), claim.Batch, token.String())
			require.NoError(c.t, err)
		}
	}
	time.Sleep(lapsed)
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

// forgets has the process die that drops settled disbursals at the end of their retention.
func forgets(c *crash) {
	c.asked()
	poller, worker := c.starts(mortalPoller), c.starts(mortalWorker)
	c.ends()
	poller.Kill()
	worker.Kill()
	time.Sleep(1100 * time.Millisecond)
	c.environment = append(c.environment, "TUMA_RETENTION=1s")
	c.dies(nil, nil)
	c.starts(c.program)
	c.await("the disbursals are forgotten", func() bool {
		keys, err := c.rdb.Keys(c.t.Context(), "{tuma}:disbursal:*").Result()
		return err == nil && len(keys) == 0
	})
	c.balances()
	_, all := c.counts()
	require.EqualValues(c.t, len(c.wanted), all, "the books keep what is forgotten")
	for _, j := range c.jobs() {
		require.Equal(c.t, state.Same, c.again(j), "the reference is known for a year")
	}
}

// again accepts a job once more.
func (c *crash) again(j job) state.Outcome {
	c.t.Helper()
	d := state.Disbursal{
		Reference: j.Reference, Campaign: j.Campaign, Currency: "KES", Provider: c.provider,
		Given: c.provider,
	}
	for _, r := range j.Recipients {
		d.Recipients = append(d.Recipients, airtime.Recipient{
			Phone:  airtime.MSISDNFromE164(r.PhoneNumber),
			Amount: airtime.Money{Minor: parseCents(c.t, r.Amount), Currency: "KES"},
		})
	}
	accepted, err := c.store.Accept(c.t.Context(), []state.Disbursal{d})
	require.NoError(c.t, err)
	return accepted.Outcomes[0]
}

// sent has everybody accepted by the provider, and its callbacks lost, if it sends any.
func (c *crash) sent() {
	c.t.Helper()
	c.faults(c.provider, `{"callbacks":{"lose":1}}`)
	c.asked()
	c.starts(mortalWorker)
	c.await("everybody is sent", func() bool {
		return c.inStatus(airtime.Submitted)+c.inStatus(airtime.Unconfirmed) == int64(len(c.wanted))
	})
}

// followsUp has a poller die while it asks about what was sent. Sozuri cannot be asked: there it is
// looked whether people must be told, for which the time is turned.
func followsUp(c *crash) {
	c.sent()
	if c.provider == sandbox.Sozuri {
		for _, r := range c.rows() {
			require.NoError(c.t, c.rdb.ZAdd(c.t.Context(), "{tuma}:due",
				redis.Z{Score: 1, Member: r.Batch}).Err())
		}
	}
	time.Sleep(200 * time.Millisecond) // Until they are due.
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.ends()
}

// showsWhatWaits has a poller die while it shows the queries that are scheduled.
func showsWhatWaits(c *crash) {
	c.environment = append(c.environment, "TUMA_POLL_INITIAL=4s", "TUMA_POLL_MAX=4s")
	c.sent()
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.ends()
}

// doubts has a poller die while it finds out that a request never arrived, and has it sent again.
func doubts(c *crash) {
	// The first question comes when it permits a decision, and the second brings it.
	c.environment = append(c.environment, "TUMA_POLL_INITIAL="+lapsed.String(),
		"TUMA_POLL_MAX=2s", "TUMA_SETTLE_DELAY=1ms")
	c.faults(c.provider, `{"send":{"lost_before":{"next":1}}}`)
	c.asked()
	c.starts(mortalWorker)
	c.await("the first answer is lost", func() bool { return c.inStatus(airtime.InDoubt) > 0 })
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.ends()
}

// takesCallbacks has a poller die with a callback in its hands. The provider sends it again if it
// has no answer, or the proxy takes it to another poller.
func takesCallbacks(c *crash) {
	if c.effect == "validate" {
		c.faults(c.provider, `{"callbacks":{"validate":true}}`)
		c.unpaid = true // Whom nobody vouched for in time was not paid.
	}
	path := map[string]string{
		sandbox.Lipad: "/lipad", sandbox.Sozuri: "/sozuri",
		sandbox.AfricasTalking: "/africastalking/status",
	}[c.provider]
	garbled := c.effect == "dead letter"
	posted := make(chan struct{})
	c.dies(func() {
		if garbled {
			go c.postsUntilAnswered(path, posted)
			return
		}
		close(posted)
		c.asked()
		c.starts(mortalWorker)
	}, nil)
	c.starts(mortalPoller)
	<-posted
	if garbled {
		require.NotZero(c.t, c.rdb.XLen(c.t.Context(), "{tuma}:dead_letters").Val(), "the body is kept")
		c.asked()
		c.starts(mortalWorker)
	}
	c.ends()
}

// postsUntilAnswered posts what nobody can read, as often as it takes until a poller refuses it,
// and then closes done.
func (c *crash) postsUntilAnswered(path string, done chan<- struct{}) {
	defer close(done)
	for c.t.Context().Err() == nil {
		answer, err := http.Post(c.gateway.base+path, inJSON, strings.NewReader("{"))
		if err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusBadRequest {
			return
		}
	}
}

// triesAgain has a poller die while it tries a callback again that came before the answer which it
// belongs to; the answer is lost.
func triesAgain(c *crash) {
	early := c.provider == sandbox.AfricasTalking || c.provider == sandbox.Sozuri
	if early {
		c.faults(c.provider, `{"send":{"hang_after":{"next":1}},"callbacks":{"early":1}}`)
	}
	first := c.starts(mortalPoller)
	c.asked()
	c.starts(mortalWorker)
	if early {
		c.await("a callback is kept", func() bool {
			return c.rdb.HLen(c.t.Context(), "{tuma}:parked").Val() > 0
		})
	}
	first.Kill()
	time.Sleep(1100 * time.Millisecond) // Until it is tried again.
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.ends()
}

// imports has an import die. The same command goes on with it.
func imports(c *crash) {
	path := c.file()
	command := []string{"import", path, "--reference", "crash", "--provider", c.provider}
	c.dies(nil, nil, command...)
	c.says(command...)
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

// streams has a consumer of the jobs stream die; one of the jobs was read by another dead one.
func streams(c *crash) {
	jobs := []string{
		`{"reference":"bad","recipients":[{"phone_number":"0711222","amount":"1"}]}`,
	}
	for _, j := range c.jobs() {
		jobs = append(jobs, encode(c.t, j))
	}
	for i := len(jobs) - 1; i >= 0; i-- {
		require.NoError(c.t, c.rdb.XAdd(c.t.Context(), &redis.XAddArgs{
			Stream: "{tuma}:jobs", Values: []string{"job", jobs[i]},
		}).Err())
	}
	require.NoError(c.t, c.store.OpenJobs(c.t.Context()))
	read, err := c.store.ReadJobs(c.t.Context(), "dead", 1, time.Second)
	require.NoError(c.t, err)
	require.Len(c.t, read, 1)
	c.entriesAge()
	c.dies(nil, nil, "stream")
	c.entriesAge()
	c.starts(mortalEnqueuer, "stream")
	c.await("the stream is empty", func() bool {
		return c.rdb.XLen(c.t.Context(), "{tuma}:jobs").Val() == 0
	})
	require.NotZero(c.t, c.rdb.XLen(c.t.Context(), "{tuma}:rejected").Val())
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

// entriesAge lets the half minute pass after which what a consumer has read is taken over.
func (c *crash) entriesAge() {
	c.t.Helper()
	entries, err := c.rdb.XPendingExt(c.t.Context(), &redis.XPendingExtArgs{
		Stream: "{tuma}:jobs", Group: "enqueuer", Start: "-", End: "+", Count: 10,
	}).Result()
	require.NoError(c.t, err)
	for _, e := range entries {
		require.NoError(c.t, c.rdb.Do(c.t.Context(), "XCLAIM", "{tuma}:jobs", "enqueuer", e.Consumer,
			0, e.ID, "IDLE", time.Minute.Milliseconds(), "JUSTID").Err())
	}
}

// inletProducer is who posts jobs to the HTTP inlet.
const inletProducer = "shop"

// serves has the HTTP inlet die with a job in its hands, so that the service has no answer.
func serves(c *crash) {
	jobs := c.jobs()
	imported := orders{}
	for recipient, cents := range c.wanted {
		imported[who{inletProducer + "/" + recipient.reference, recipient.phone}] = cents
	}
	c.wanted = imported
	settings := func() ([]string, string) {
		address := proctest.FreeAddr(c.t)
		return []string{
			"TUMA_HTTP_ADDR=" + address, "TUMA_HTTP_TOKENS=" + inletProducer + "=shop-token",
		}, "http://" + address + "/v1/disbursals"
	}
	post := func(url string, j job) (int, error) {
		request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, url,
			strings.NewReader(encode(c.t, j)))
		require.NoError(c.t, err)
		request.Header.Set("Authorization", "Bearer shop-token")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		return answer.StatusCode, answer.Body.Close()
	}
	mortal, url := settings()
	c.dies(func() {
		c.await("the job is in its hands", func() bool {
			_, err := post(url, jobs[0])
			return err != nil && !strings.Contains(err.Error(), "refused")
		})
	}, mortal, "serve")
	fresh, url := settings()
	c.run(mortalEnqueuer.Build(c.t), fresh, "serve").WaitOutput("taking jobs", crashLimit)
	known, err := post(url, jobs[0])
	require.NoError(c.t, err)
	want := http.StatusOK
	if c.moment == "before" && c.effect == "accept" {
		want = http.StatusAccepted
	}
	require.Equal(c.t, want, known)
	added, err := post(url, jobs[1])
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusAccepted, added)
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

// cancels has a cancel die in the middle. Nobody was sent before, and once the mark stands nobody
// ever is; the same command goes on with it.
func cancels(c *crash) {
	c.unpaid = true
	c.asked()
	c.dies(nil, nil, "cancel", "crash", "--campaign")
	if c.crashAt() != "before cancel#1" {
		c.starts(mortalWorker)
		time.Sleep(500 * time.Millisecond)
	}
	c.says("cancel", "crash", "--campaign")
	c.starts(mortalWorker)
	c.await("everybody is cancelled", func() bool {
		return c.inStatus(airtime.Cancelled) == int64(len(c.wanted))
	})
	c.agrees()
	require.Zero(c.t, c.ledger().Requests["send"])
}

// erases has the command die with which a number is erased that everybody has settled with. Run
// again it finishes, as one decision, and the books are as they were.
func erases(c *crash) {
	c.starts(mortalPoller)
	c.asked()
	c.starts(mortalWorker)
	c.ends()
	phone := c.jobs()[0].Recipients[0].PhoneNumber
	c.dies(nil, nil, "erase", phone, "--yes")
	c.says("erase", phone, "--yes")
	numbers := map[string]bool{}
	for _, r := range c.rows() {
		numbers[strings.TrimRight(r.PhoneNumber, "abcdefghijklmnop")] = true
	}
	require.False(c.t, numbers[phone])
	require.True(c.t, numbers["erased-"])
	c.says("verify")
	require.EqualValues(c.t, 1, c.rdb.XLen(c.t.Context(), "{tuma}:audit").Val(), "one decision")
}

// pauses has the command die with which a person stops a provider. Run again it has stopped, and
// goes on only when a person says so.
func pauses(c *crash) {
	c.asked()
	c.dies(nil, nil, "channel", "pause", c.provider, "--who", "amina")
	c.says("channel", "pause", c.provider, "--who", "amina")
	c.starts(mortalWorker)
	c.starts(mortalPoller)
	time.Sleep(500 * time.Millisecond)
	require.Zero(c.t, c.ledger().Requests["send"])
	c.says("channel", "resume", c.provider, "--who", "amina")
	c.ends()
}

// inDoubt has everybody in doubt who is asked for, and nobody to find out.
func (c *crash) inDoubt() {
	c.t.Helper()
	c.faults(c.provider, `{"send":{"lost_before":1}}`)
	j := c.jobs()[1]
	for recipient := range c.wanted {
		if recipient.reference != j.Reference {
			delete(c.wanted, recipient)
		}
	}
	c.accept([]job{j})
	worker := c.starts(mortalWorker)
	c.await("everybody is in doubt", func() bool {
		return c.inStatus(airtime.InDoubt) == int64(len(c.wanted))
	})
	worker.Kill()
	time.Sleep(lapsed) // Until a person may decide.
}

// listsDoubt has the command die with which people see what waits for them.
func listsDoubt(c *crash) {
	c.inDoubt()
	c.dies(nil, nil, "indoubt", "list")
	require.Len(c.t, c.wanted, c.resolveByLedger())
	c.agrees()
}

// takesWord has the command die with which a person decides. Who is still listed after that is
// decided by running it again.
func takesWord(c *crash) {
	c.inDoubt()
	path := filepath.Join(c.t.TempDir(), "unpaid.csv")
	list := c.says("indoubt", "list", "--csv")
	require.NoError(c.t, os.WriteFile(path, []byte(list), 0o600))
	c.dies(nil, nil, "indoubt", "resolve", "--file", path, "--as", "unpaid",
		"--evidence", "ledger", "--yes")
	left := c.resolveByLedger()
	require.Contains(c.t, []int{0, len(c.wanted)}, left, "all or none")
	require.Equal(c.t, c.moment == "before", left > 0)
	c.agrees()
	decided := c.rdb.XLen(c.t.Context(), "{tuma}:audit").Val()
	require.EqualValues(c.t, 1, decided, "one decision about the disbursal")
	c.says("audit", "--verify")
}

// recounts has the recount of the books die while work goes on.
func recounts(c *crash) {
	c.starts(mortalPoller)
	c.asked()
	c.starts(mortalWorker)
	c.dies(nil, nil, "verify")
	c.says("verify")
	c.ends()
}

// shows has the command die that shows the channels.
func shows(c *crash) {
	c.starts(mortalPoller)
	c.asked()
	c.starts(mortalWorker)
	c.dies(nil, nil, "status")
	c.says("status")
	c.ends()
}
