package state_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// journey is the way of a thousand recipients, one verb after the other.
type journey struct {
	s      *state.Store
	round  int
	each   int
	mixed  bool // Some recipients fail, so that a chunk is observed in many stretches.
	batch  *state.Batch
	holder string
	lists  [][]state.Disbursal
}

var verbs = []string{"accept", "claim", "begin", "record", "observe"}

// run runs one verb.
func (j *journey) run(ctx context.Context, verb string) (err error) {
	switch verb {
	case "accept":
		_, err = j.s.Accept(ctx, j.lists[j.round])
	case "claim":
		j.holder = token()
		var got state.Claim
		got, err = j.s.Claim(ctx, "lipad", j.holder, 1000)
		if got.Batch == nil || len(got.Batch.Members) != 1000 {
			return fmt.Errorf("claim: %s: %w", got.Idle, err)
		}
		j.batch = got.Batch
	case "begin":
		_, err = j.s.BeginSend(ctx, j.batch, j.holder)
	case "record":
		_, err = j.s.Record(ctx, answer(j.batch, airtime.Accepted, "").built())
	case "observe":
		list := facts(j.batch, airtime.Successful)
		for i := 0; j.mixed && i < len(list); i += 40 {
			list[i].Status = airtime.Failed
		}
		_, err = j.s.Observe(ctx, j.batch, list, true, pollSchedule(0))
	}
	return err
}

// BenchmarkVerbs measures each verb for a thousand recipients: in one disbursal, and in a thousand;
// and what a query brings of whom some have failed.
func BenchmarkVerbs(b *testing.B) {
	for _, each := range []int{1000, 1} {
		for _, measured := range verbs {
			b.Run(fmt.Sprintf("%s/%d", measured, 1000/each), func(b *testing.B) {
				(&journey{s: open(b, nil), each: each}).measure(b, measured)
			})
		}
	}
	b.Run("observe/mixed", func(b *testing.B) {
		(&journey{s: open(b, nil), each: 1000, mixed: true}).measure(b, "observe")
	})
}

// measure runs all verbs b.N times, and reports what one of them took.
func (j *journey) measure(b *testing.B, measured string) {
	for i := range b.N {
		j.lists = append(j.lists, bulk(fmt.Sprint(i, "-"), j.each))
	}
	var spent time.Duration
	var inside float64
	for j.round = range b.N {
		for _, verb := range verbs {
			start, before := time.Now(), redisTime(b, j.s)
			require.NoError(b, j.run(context.Background(), verb))
			if verb == measured {
				spent += time.Since(start)
				inside += redisTime(b, j.s) - before
			}
		}
	}
	b.ReportMetric(float64(1000*b.N)/spent.Seconds(), "recipients/s")
	b.ReportMetric(inside/float64(1000*b.N), "redis-µs/recipient")
	b.ReportMetric(0, "ns/op")
}

var cpuTime = regexp.MustCompile(`used_cpu_(?:sys|user)_main_thread:(\d+\.\d+)`)

// redisTime is the CPU time that Redis's own thread has taken so far, in µs.
func redisTime(b *testing.B, s *state.Store) (sum float64) {
	text, err := s.Client().Info(context.Background(), "cpu").Result()
	require.NoError(b, err)
	for _, found := range cpuTime.FindAllStringSubmatch(text, -1) {
		seconds, err := strconv.ParseFloat(found[1], 64)
		require.NoError(b, err)
		sum += 1e6 * seconds
	}
	return sum
}
