package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/bench/floor"
	"tuma/internal/test/proctest"
)

// TestMain lets the test binary be a rival, as the program is when it starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && rivals[os.Args[1]] != nil {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(proctest.Suite{M: m}.Run())
}

// built are the programs, for all tests.
var built = sync.OnceValues(func() (*bench, error) {
	b, err := newBench(options{})
	if err == nil {
		proctest.AtEnd(b.close)
	}
	return b, err
})

// tiny is a run with a hundredth of the recipients.
func tiny(t *testing.T, scenarios string) *bench {
	t.Helper()
	proctest.NotInShort(t, "programs of its own")
	programs, err := built()
	require.NoError(t, err)
	return &bench{
		options: options{
			scenarios: scenarios, divisor: 100, out: t.Output(), log: t.Output(),
			page: filepath.Join(t.TempDir(), "page.md"),
		},
		folder: t.TempDir(), programs: programs.programs,
	}
}

// TestBulkIsHeldAgainstTheFloorAndThePeer runs all three with real processes and reads the page.
func TestBulkIsHeldAgainstTheFloorAndThePeer(t *testing.T) {
	t.Parallel()
	b := tiny(t, "bulk")
	require.NoError(t, b.run(t.Context()))
	require.Positive(t, b.floor)
	require.Positive(t, b.peer)
	require.Greater(t, b.floor, 2*b.peer, "a thousand in a request are cheaper than one")
	text, err := os.ReadFile(b.page)
	require.NoError(t, err)
	for _, part := range []string{
		"# Benchmarks", "quick run", "## Targets", "## floor", "## peer", "## bulk",
		"| bulk | share of the floor | at least 0.300 |",
		"| bulk | send requests | 0.00100 |", "allocations of the worker", "| redis |",
	} {
		require.Contains(t, string(text), part)
	}
	require.NotContains(t, string(text), "no figures")
	require.NotContains(t, string(text), "not compared")
	entries, err := os.ReadDir(b.folder)
	require.NoError(t, err)
	require.Empty(t, entries, "nothing is left of the runs")
}

// TestRecipientsAreFoundByEachKey runs real processes and reads the page.
func TestRecipientsAreFoundByEachKey(t *testing.T) {
	t.Parallel()
	b := tiny(t, "find")
	require.NoError(t, b.run(t.Context()))
	text, err := os.ReadFile(b.page)
	require.NoError(t, err)
	for _, part := range []string{
		"10,000 settled ones in 20 disbursals", "| by phone number | ", "| by id | ",
		"| by provider's reference | ", "index of the three keys | at most 40.0 bytes |",
	} {
		require.Contains(t, string(text), part)
	}
	require.NotContains(t, string(text), "no figures")
}

// TestARunThatPaidOthersIsNoBenchmark gives a harness another number of recipients than were paid.
func TestARunThatPaidOthersIsNoBenchmark(t *testing.T) {
	t.Parallel()
	b := tiny(t, "floor")
	h, err := b.newHarness(t.Context(), setting{})
	require.NoError(t, err)
	defer h.close()
	_, err = floor.Run(t.Context(), floor.Options{
		Redis: h.redis, Provider: h.provider, Recipients: 1500, Loops: 2,
	})
	require.NoError(t, err)
	asked, err := h.ledger(2000)
	require.NoError(t, err)
	require.Equal(t, requests{sends: 2, polls: 2}, asked)
	entries, err := h.rdb.XRange(t.Context(), "floor:results", "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, entries, 2000)
	require.Len(t, entries[0].Values, 13, "the fields of the results stream")
	_, err = h.ledger(1999)
	require.ErrorContains(t, err, "2000 recipients")
	// A second run uses the references again, and the provider refuses them.
	_, err = floor.Run(t.Context(), floor.Options{
		Redis: h.redis, Provider: h.provider, Recipients: 1000, Loops: 1,
	})
	require.ErrorContains(t, err, "refused")
}

func TestAScenarioThatFailsIsOnThePage(t *testing.T) {
	t.Parallel()
	b := &bench{options: options{divisor: 100, out: t.Output(), log: t.Output()}}
	fails := func(context.Context, *bench) (section, error) {
		return section{}, errors.New("it\nfailed")
	}
	found, err := b.one(t.Context(), scenario{"broken", fails})
	require.Error(t, err)
	var page strings.Builder
	found.write(&page)
	require.Contains(t, page.String(), "## broken\n\n**No figures:** it failed\n")
	require.Equal(t, [][]string{{"broken", "", "", "", "no figures"}}, summary([]section{found}).rows)
}

func TestAScenarioThatTakesTooLongSaysSo(t *testing.T) {
	t.Parallel()
	b := &bench{options: options{divisor: 100, out: t.Output(), log: t.Output()}}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	found, err := b.one(ctx, scenario{"slow", func(ctx context.Context, _ *bench) (section, error) {
		<-ctx.Done()
		return section{}, ctx.Err()
	}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Contains(t, found.fault, "took longer than its limit of 5m0s")
}

func TestScenariosBringWhatTheyAreHeldAgainst(t *testing.T) {
	t.Parallel()
	names := func(list string) (names []string) {
		chosen, err := choose(list, list == "idle")
		require.NoError(t, err)
		for _, s := range chosen {
			names = append(names, s.name)
		}
		return names
	}
	require.Equal(t, []string{"floor", "peer", "small"}, names("small"))
	require.Equal(t, []string{"latency", "memory"}, names("memory, latency"))
	require.Equal(t, []string{"idle", "profile"}, names("idle"), "whose profile is to be kept")
	require.Len(t, names("all"), len(scenarios()))
	_, err := choose("bulk,none", false)
	require.ErrorContains(t, err, `"none" is not one of all, floor, peer, bulk`)
}

func TestGoalsAreMetOnTheirSide(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		goal
		want string
	}{
		{atLeast("a", 0.3, 0.3, ""), "met"},
		{atLeast("a", 0.299, 0.3, ""), "**not met**"},
		{atMost("a", 20, 20, " ms"), "met"},
		{atMost("a", 20.1, 20, " ms"), "**not met**"},
		{(&bench{}).ratios(1, 0, 0)[0], "not compared"},
	} {
		require.Equal(t, row.want, row.verdict())
	}
	require.Equal(t, "at most 20.0 ms", atMost("a", 1, 20, " ms").target)
}

func TestTimeOnAProcessorIsRead(t *testing.T) {
	t.Parallel()
	before := cpuOf(os.Getpid())
	for end := time.Now().Add(20 * time.Second); cpuOf(os.Getpid()) < before+30*time.Millisecond; {
		require.True(t, time.Now().Before(end), "three hundredths of a second never passed")
		_, _ = json.Marshal(scenarioNames())
	}
	require.InDelta(t, ourCPU().Seconds(), cpuOf(os.Getpid()).Seconds(), 0.1)
	require.Zero(t, cpuOf(-1))
}

func TestTheWatchFindsEverybodyInARequest(t *testing.T) {
	t.Parallel()
	v := &watch{posted: map[int]time.Time{}, accepted: map[int]time.Time{}}
	came := time.Now()
	v.note([]byte(`{"reference":"r","recipients":[{"phone_number":"254700000003","amount":"10"},`+
		`{"phone_number":"254700000004","amount":"11"}]}`), came, came.Add(time.Second))
	pushed := []time.Time{came.Add(-time.Millisecond), came.Add(-time.Minute)}
	require.Equal(t, []time.Duration{time.Millisecond, time.Minute}, times(pushed, 3, v.posted))
	require.Equal(t, time.Second+time.Millisecond, times(pushed, 3, v.accepted)[0])
	seen, err := v.seen()
	require.NoError(t, err)
	require.Equal(t, 2, seen)
	v.note([]byte(`"phone_number":"many"`), came, came)
	_, err = v.seen()
	require.Error(t, err)
}

func TestLinesAreWrapped(t *testing.T) {
	t.Parallel()
	text := wrap(strings.Repeat("word ", 50))
	lines := strings.Split(text, "\n")
	require.Len(t, lines, 3)
	require.Len(t, lines[0], 99)
	require.Equal(t, 50, strings.Count(text, "word"))
}
