package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/redistest"
)

// TestFaultyJobsStopNobody pushes eight faulty jobs of megabytes into a small Redis: good jobs of
// others, by the stream and from a file, are accepted all the same.
func TestFaultyJobsStopNobody(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{redis: []redistest.Option{redistest.WithConfig("maxmemory", "64mb")}})
	h.start(cmdEnqueuer, "stream").WaitOutput("serving", testTimeout)
	h.start(cmdWorker).WaitOutput("serving", testTimeout)
	push := func(job string) {
		require.NoError(t, h.rdb.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "{tuma}:jobs", Values: []string{"job", job},
		}).Err())
	}
	for i := range 8 {
		filler := strings.Repeat(`{"phone_number":"x","amount":-1},`, (5500+i*214)*1000/33)
		push(fmt.Sprintf(`{"reference":"faulty-%d","recipients":[%s{}]}`, i, filler))
		h.await("it is refused", func() bool {
			return h.rdb.XLen(t.Context(), "{tuma}:rejected").Val() == int64(i)+1
		})
	}
	jobs, wanted := makeJobs("good", 2, 20)
	h.pipeJobs(jobs)
	path, more := writeFile(t, "file", 5_000, 10)
	h.must(0, "import", path, "--reference", "file")
	h.await("they are accepted", func() bool {
		_, all := h.counts()
		return all == int64(len(wanted)+len(more))
	})
}
