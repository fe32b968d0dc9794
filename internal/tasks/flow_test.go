package tasks_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

func TestADisbursalGoesFromAcceptToSettled(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.worker(t)
	h.poller(t)
	h.accept(t, disbursal("d1", 0, 600))
	h.accept(t, disbursal("d2", 600, 600))
	h.all(t, "d1", airtime.Successful, 600)
	h.all(t, "d2", airtime.Successful, 600)
	h.paidOnce(t, 1200)

	require.Eventually(t, func() bool {
		return len(h.completed(t, lipad)) > 0 && len(h.completed(t, tasks.QueuePoll)) > 1
	}, testTimeout, 10*time.Millisecond)
	readable := regexp.MustCompile(`^(\d+: \d+ accepted, \d+ rejected|nothing to send: \w+)$`)
	for _, done := range h.completed(t, lipad) {
		require.Regexp(t, `^lipad:\d+$`, done.ID)
		require.Regexp(t, `^\{"provider":"lipad","wakeup":\d+\}$`, string(done.Payload))
		require.Regexp(t, readable, string(done.Result))
	}
	asked := regexp.MustCompile(`^\d+: \d+ changed, \d+ settled, \d+ open$`)
	const uuid = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	for _, done := range h.completed(t, tasks.QueuePoll) {
		require.Regexp(t, `^`+uuid+`:\d+$`, done.ID)
		require.Regexp(t, `^\{"batch":"`+uuid+`","provider":"lipad","number":\d+,"recipients":\d+,`+
			`"open":\d+,"attempt":1,"since":"20[^"]+Z"\}$`,
			string(done.Payload))
		require.Regexp(t, asked, string(done.Result))
	}
}

// picky is a provider that refuses some recipients and accepts the others, in one answer.
type picky struct {
	client  *providers.Client
	base    string
	refused map[airtime.MSISDN]bool
	// strange adds a line about a number that was never sent.
	strange bool
}

func (p *picky) Prepare(
	_ context.Context, batch providers.Batch,
) (*providers.Submission, error) {
	read := func(providers.Response) (providers.Answer, bool) {
		answer := providers.Answer{Verdict: airtime.Accepted}
		for _, r := range batch.Recipients {
			if p.refused[r.Phone] {
				answer.Lines = append(answer.Lines, providers.Line{
					Phone: r.Phone, Verdict: airtime.Refused, Reason: airtime.ReasonRefused,
				})
			}
		}
		if p.strange {
			answer.Lines = append(answer.Lines, providers.Line{
				Phone: phone(99_999_999), Verdict: airtime.Refused,
			})
		}
		return answer, true
	}
	return p.client.NewSubmission(p.base, http.Header{}, []byte("{}"), read)
}

// entry is the catalog's row of the picky provider.
func (p *picky) entry() catalog.Entry {
	capabilities := catalog.Known()[0]
	capabilities.Accepted = airtime.Successful // Nobody asks it.
	return catalog.Entry{Capabilities: capabilities, Provider: p}
}

func TestTheResultSaysWhatBecameOfTheRecipients(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.entry = (&picky{
		client: h.client, base: h.provider.base, strange: true,
		refused: map[airtime.MSISDN]bool{phone(1): true, phone(500): true, phone(999): true},
	}).entry()
	h.worker(t)
	h.accept(t, disbursal("d", 0, 1000))
	h.all(t, "d", airtime.Successful, 997)
	require.Equal(t, int64(3), h.statuses(t, "d")[airtime.Rejected])
	require.Eventually(t, func() bool { return len(h.completed(t, lipad)) == 1 }, testTimeout,
		10*time.Millisecond)
	require.Equal(t, "1000: 997 accepted, 3 rejected", string(h.completed(t, lipad)[0].Result))
	require.InDelta(t, 1, h.count(t, "tuma_unmatched_lines_total", "provider", lipad), 0)
	require.InDelta(t, 1, h.count(t, "tuma_submissions_total", "provider", lipad, "verdict",
		"accepted", "reason", ""), 0)
}

func TestAnUnknownCodeIsCountedAndLeavesTheRecipientOpen(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	faults := h.simulator.Faults()
	faults.Status.UnknownCodes = sandbox.NextRequests(2)
	faults.Pace.OpenPolls = 0
	require.NoError(t, h.simulator.SetFaults(faults))
	h.accept(t, disbursal("d", 0, 4))
	h.turn(t)
	one := h.query(t)
	require.Contains(t, one, "open")
	unknown := h.count(t, "tuma_unrecognised_statuses_total", "provider", lipad)
	require.Positive(t, unknown)
	require.Equal(t, int64(unknown), h.statuses(t, "d")[airtime.Submitted],
		"who has an unknown code must stay open")
	h.query(t)
	h.query(t)
	h.all(t, "d", airtime.Successful, 4)
}

// query waits for the next due query and makes it; it returns the handler's result.
func (h *harness) query(t testing.TB) string {
	t.Helper()
	var polls []state.Poll
	require.Eventually(t, func() bool {
		var err error
		polls, _, err = h.store.Due(context.Background(), 1, time.Minute)
		require.NoError(t, err)
		return len(polls) == 1
	}, testTimeout, 5*time.Millisecond)
	return h.ask(t, polls[0])
}

// ask has a query made by a server of the poll queue and returns its result.
func (h *harness) ask(t testing.TB, p state.Poll) string {
	t.Helper()
	require.NoError(t, h.queues.Poll(context.Background(), p))
	stop := h.serve(t, tasks.QueuePoll, tasks.TypePoll, h.poll())
	defer stop()
	var info *asynq.TaskInfo
	require.Eventually(t, func() bool {
		for _, done := range h.completed(t, tasks.QueuePoll) {
			if done.ID == taskID(p) {
				info = done
				return true
			}
		}
		return false
	}, testTimeout, 5*time.Millisecond)
	return string(info.Result)
}

func taskID(p state.Poll) string { return p.Batch + ":" + strconv.Itoa(p.Number) }

func TestAStaleQueryDoesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal("d", 0, 2))
	h.turn(t)
	var first, second []state.Poll
	for _, into := range []*[]state.Poll{&first, &second} {
		require.Eventually(t, func() bool {
			var err error
			*into, _, err = h.store.Due(context.Background(), 1, time.Millisecond)
			require.NoError(t, err)
			return len(*into) == 1
		}, testTimeout, 5*time.Millisecond)
	}
	require.Equal(t, "superseded by query 2", h.ask(t, first[0]))
	require.Zero(t, h.provider.queries())
	require.Contains(t, h.ask(t, second[0]), "0 settled, 2 open")
	require.Equal(t, 1, h.provider.queries())
	require.Equal(t, "the batch has been forgotten",
		h.ask(t, state.Poll{Batch: "none", Provider: lipad, Number: 1}))
}

func TestAnUnreadableTriggerIsNotRepeated(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	err := h.poll().ProcessTask(context.Background(), task(tasks.TypePoll, "not JSON"))
	require.ErrorIs(t, err, asynq.SkipRetry)
}

// TestTheDashboardSaysWhatIsInDoubtAndPaused, in the results of the tasks themselves.
func TestTheDashboardSaysWhatIsInDoubtAndPaused(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.provider.instead(send, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	})
	h.serve(t, lipad, tasks.TypeSubmit, h.submit(nil))
	h.accept(t, disbursal("d", 0, 3))
	result := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			return slices.ContainsFunc(h.completed(t, lipad), func(done *asynq.TaskInfo) bool {
				return strings.Contains(string(done.Result), text)
			})
		}, testTimeout, 5*time.Millisecond)
	}
	result("3: 0 accepted, 0 rejected, 3 in doubt: paid or not, it is not known yet")
	require.NoError(t, h.store.Pause(t.Context(), lipad, airtime.ReasonBalance, time.Hour))
	h.acceptSilently(t, disbursal("e", 10, 1))
	h.queues.Wake(t.Context(), &state.Wakeup{Provider: lipad, Number: 1000})
	result("nothing to send: the channel is paused, and tried again in ")
}
