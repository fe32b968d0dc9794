package tasks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/intake"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/routing"
	"tuma/internal/state"
	"tuma/internal/tasks"
	"tuma/internal/test/redistest"
)

// inlet is the handler of disbursal:accept.
func (h *harness) inlet() *tasks.Accept {
	return &tasks.Accept{
		Inlet: tasks.Inlet{Store: h.store, Queues: h.queues},
		Rules: intake.Rules{Rules: routing.Rules{
			Providers:       map[string]providers.Capabilities{lipad: catalog.Known()[0]},
			DefaultProvider: lipad,
		}},
	}
}

// push enqueues a payload as a Go service does and returns its task once a server has had it.
func (h *harness) push(t testing.TB, id, payload string) *asynq.TaskInfo {
	t.Helper()
	client := asynq.NewClientFromRedisClient(h.rdb)
	queue := h.queues.Name(tasks.QueueDisbursals)
	_, err := client.Enqueue(task(tasks.TypeAccept, payload), asynq.TaskID(id), asynq.Queue(queue),
		asynq.Retention(testTimeout))
	require.NoError(t, err)
	var info *asynq.TaskInfo
	require.Eventually(t, func() bool {
		info, err = h.inspector.GetTaskInfo(queue, id)
		require.NoError(t, err)
		return info.State == asynq.TaskStateCompleted || info.LastErr != ""
	}, testTimeout, 5e6)
	return info
}

// rejected lists the rejected stream as source, error and job.
func (h *harness) rejected(t testing.TB) []map[string]any {
	t.Helper()
	entries, err := h.rdb.XRange(context.Background(), "{"+h.options.Namespace+"}:rejected", "-",
		"+").Result()
	require.NoError(t, err)
	var list []map[string]any
	for _, entry := range entries {
		list = append(list, entry.Values)
	}
	return list
}

func job(reference string, first, n int) string {
	recipients := make([]string, n)
	for i := range recipients {
		recipients[i] = fmt.Sprintf(`{"phone_number":"%s","amount":"10"}`, phone(first+i).Digits())
	}
	return fmt.Sprintf(`{"reference":%q,"recipients":[%s]}`, reference,
		strings.Join(recipients, ","))
}

func TestAcceptTakesJobsFromServicesThatSpeakAsynq(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.serve(t, tasks.QueueDisbursals, tasks.TypeAccept, h.inlet())
	done := h.push(t, "one", job("a", 0, 3))
	require.Equal(t, "1: 1 accepted, 0 known, 0 refused", string(done.Result))
	done = h.push(t, "again", job("a", 0, 3))
	require.Equal(t, "1: 0 accepted, 1 known, 0 refused", string(done.Result))
	require.Empty(t, h.rejected(t))
	h.worker(t) // The trigger of Accept is there already.
	h.all(t, "a", airtime.Submitted, 3)
}

func TestAcceptKeepsWhatItRefuses(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.serve(t, tasks.QueueDisbursals, tasks.TypeAccept, h.inlet())
	faulty := strings.Replace(job("f", 0, 2), `"amount":"10"`, `"amount":"1"`, 1)
	done := h.push(t, "faulty", faulty)
	require.Equal(t, asynq.TaskStateCompleted, done.State)
	require.Contains(t, string(done.Result), "refused: recipients[0].amount")
	require.NotContains(t, string(done.Result), phone(0).Digits())
	require.Len(t, h.rejected(t), 1)
	require.Equal(t, faulty, h.rejected(t)[0]["job"])
	require.Equal(t, tasks.TypeAccept, h.rejected(t)[0]["source"])
	require.Contains(t, h.rejected(t)[0]["error"], "recipients[0].amount")

	h.push(t, "first", job("c", 0, 2))
	both := `{"jobs":[` + job("c", 0, 1) + "," + job("new", 5, 1) + `]}`
	done = h.push(t, "conflict", both)
	require.Equal(t, "2: 1 accepted, 0 known, 1 refused", string(done.Result))
	require.Len(t, h.rejected(t), 2)
	require.Equal(t, both, h.rejected(t)[1]["job"])
	require.Equal(t, "disbursal c: "+state.ErrConflict.Error(), h.rejected(t)[1]["error"])

	_, err := h.store.Cancel(context.Background(), state.KindDisbursal, "gone", "amina", "")
	require.NoError(t, err)
	h.push(t, "cancelled", job("gone", 0, 1))
	require.Len(t, h.rejected(t), 3)
	require.Contains(t, h.rejected(t)[2]["error"], state.ErrCancelled.Error())

	done = h.push(t, "too-many", `{"jobs":[`+job("x", 0, 600)+","+job("y", 600, 600)+`]}`)
	require.Equal(t, asynq.TaskStateCompleted, done.State, "repeating it would not help")
	require.Len(t, h.rejected(t), 4)
}

// A payload that is repeated after a limit was lowered is held, as it was; one that is new goes
// whole or not at all.
func TestAcceptKnowsWhatIsHeldWhateverTheRulesSayNow(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	inlet := h.inlet()
	h.serve(t, tasks.QueueDisbursals, tasks.TypeAccept, inlet)
	held := `{"jobs":[` + job("a", 0, 2) + "," + job("b", 2, 1) + `]}`
	h.push(t, "one", held)
	lowered := inlet.Rules.Providers[lipad]
	lowered.Limits = map[airtime.Currency]providers.Limit{"KES": {Min: 1_00, Max: 9_00}}
	inlet.Rules.Providers[lipad] = lowered
	require.Equal(t, "2: 0 accepted, 2 known, 0 refused", string(h.push(t, "two", held).Result))
	require.Empty(t, h.rejected(t))

	cheap := strings.ReplaceAll(job("d", 9, 1), `"amount":"10"`, `"amount":"5"`)
	done := h.push(t, "three", `{"jobs":[`+job("a", 0, 2)+","+job("c", 5, 1)+","+cheap+`]}`)
	require.Equal(t, "3: 0 accepted, 1 known, 2 refused", string(done.Result))
	require.Len(t, h.rejected(t), 1)
	require.Equal(t, "jobs[1].recipients[0].amount: above the maximum of KES 9\n"+
		"jobs[2]: refused with another job of the payload", h.rejected(t)[0]["error"])
}

func TestAcceptIsRepeatedForAsLongAsRedisIsFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := newHarness(t, func(o *state.Options) { o.URL = server.URL() })
	ctx := context.Background()
	const ballast = 32 << 20 // Beside it, connections and scripts weigh nothing.
	require.NoError(t, h.rdb.SetRange(ctx, "ballast", ballast, "x").Err())
	used, err := h.rdb.InfoMap(ctx, "memory").Result()
	require.NoError(t, err)
	var bytes int
	_, err = fmt.Sscan(used["Memory"]["used_memory"], &bytes)
	require.NoError(t, err)
	require.NoError(t, h.rdb.ConfigSet(ctx, "maxmemory", fmt.Sprint(bytes*20/17)).Err())

	h.serve(t, tasks.QueueDisbursals, tasks.TypeAccept, h.inlet())
	tried := h.push(t, "full", job("a", 0, 1))
	require.Contains(t, tried.LastErr, "maxmemory")
	require.Zero(t, tried.Retried, "a full Redis must not use up the producer's attempts")
	require.Empty(t, h.rejected(t))

	require.NoError(t, h.rdb.ConfigSet(ctx, "maxmemory", "0").Err())
	require.Eventually(t, func() bool {
		info, err := h.inspector.GetTaskInfo(h.queues.Name(tasks.QueueDisbursals), "full")
		require.NoError(t, err)
		return info.State == asynq.TaskStateCompleted
	}, testTimeout, 5e7)
	require.Equal(t, int64(1), h.statuses(t, "a")[airtime.Queued])
}
