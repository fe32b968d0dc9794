package sandbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// statuses asks for a status n times and lists the codes that a phone number showed.
func (c *client) statuses(reference, phone string, n int) []int {
	c.t.Helper()
	var codes []int
	for range n {
		codes = append(codes, c.codes(reference)[phone])
	}
	return codes
}

func TestStatusMovesByPolls(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*Faults)
		want   []int
	}{
		"at once":  {func(f *Faults) { f.Pace.OpenPolls = 0 }, []int{602, 602}},
		"open":     {func(f *Faults) { f.Pace.OpenPolls = 4 }, []int{600, 600, 601, 601, 602}},
		"jammed":   {func(f *Faults) { f.Jam = 1 }, []int{604, 604, 602, 602}},
		"again":    {func(f *Faults) { f.Reprocess = 1 }, []int{607, 607, 602, 602}},
		"reversed": {func(f *Faults) { f.LateReversal = 1 }, []int{602, 602, 602, 605, 605}},
		"refunded": {func(f *Faults) { f.LateRefund = 1 }, []int{602, 602, 602, 606, 606}},
		"failed":   {func(f *Faults) { f.Outcomes = Weights{Failed: 1} }, []int{603, 603}},
		"born 605": {func(f *Faults) { f.Outcomes = Weights{Reversed: 1} }, []int{605, 605}},
		"born 606": {func(f *Faults) { f.Outcomes = Weights{Refunded: 1} }, []int{606, 606}},
		"long way": {
			func(f *Faults) { f.Pace.OpenPolls, f.Jam = 2, 1 }, []int{600, 601, 604, 604, 602},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := calm()
			row.change(&f)
			c := newClient(t, Options{Faults: f})
			c.send("r", "254711000000")
			require.Equal(t, row.want, c.statuses("r", "254711000000", len(row.want)))
		})
	}
}

func TestShortOpenStageShowsBothCodes(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Pace.OpenPolls = 1
	c := newClient(t, Options{Faults: f})
	c.send("r", numbers(100)...)
	shown := map[int]int{}
	for _, code := range c.codes("r") {
		shown[code]++
	}
	require.Len(t, shown, 2)
	require.InDelta(t, 50, shown[600], 20)
	require.Equal(t, 100, shown[600]+shown[601])
}

func TestStatusMovesByTime(t *testing.T) {
	t.Parallel()
	f, clock := calm(), newTestClock()
	f.Pace.By, f.Jam, f.LateReversal = PaceByTime, 1, 1 // 2 s, then 4 s, then 10 s
	c := newClient(t, Options{Faults: f, Now: clock.now})
	c.send("r", "254711000000")
	for _, row := range []struct {
		after time.Duration
		want  int
	}{
		{0, 600},
		{900 * time.Millisecond, 600},
		{1100 * time.Millisecond, 601},
		{2 * time.Second, 604},
		{5999 * time.Millisecond, 604},
		{6 * time.Second, 602},
		{15999 * time.Millisecond, 602},
		{16 * time.Second, 605},
		{30 * time.Minute, 605},
	} {
		clock.set(newTestClock().now().Add(row.after))
		require.Equal(t, row.want, c.codes("r")["254711000000"], row.after)
		for e := range c.sim.Ledger().Entries() {
			require.Equal(t, row.want, e.Status, "the ledger shows the same")
			require.Equal(t, 1, e.TimesPaid)
		}
	}
	require.Equal(t, 1, c.sim.Ledger().Totals().Recipients.Returned)
}

func TestMoneyMovesWithoutQueries(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Pace.OpenPolls = 100
	c := newClient(t, Options{Faults: f})
	c.send("r", "254711000000")
	totals := c.sim.Ledger().Totals()
	require.Equal(t, Cents(1000), totals.Totals[Currency])
	require.Equal(t, map[int]int{600: 1}, totals.Statuses)
}

func TestMagicNumbers(t *testing.T) {
	t.Parallel()
	f := DefaultFaults()
	f.Outcomes = Weights{Failed: 1} // a magic number does not care
	for suffix, row := range map[int]struct {
		codes []int
		paid  int
	}{
		600: {[]int{600, 600, 600, 600, 600, 600}, 0},
		601: {[]int{601, 601, 601, 601, 601, 601}, 0},
		602: {[]int{0, 602, 602, 602, 602, 602}, 1},
		603: {[]int{0, 603, 603, 603, 603, 603}, 0},
		604: {[]int{604, 604, 604, 604, 604, 604}, 0},
		605: {[]int{0, 602, 602, 602, 605, 605}, 1},
		606: {[]int{0, 602, 602, 602, 606, 606}, 1},
		607: {[]int{607, 607, 607, 607, 607, 607}, 0},
		699: {[]int{699, 699, 699, 699, 699, 699}, 0},
		608: {[]int{0, 603, 603, 603, 603, 603}, 0}, // not magic
	} {
		t.Run(fmt.Sprint(suffix), func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{Faults: f})
			phone := fmt.Sprintf("254715550%d", suffix)
			require.Contains(t, c.send("r", phone).body, "720")
			got := c.statuses("r", phone, len(row.codes))
			if row.codes[0] == 0 {
				require.Contains(t, []int{600, 601}, got[0])
				got[0] = 0
			}
			require.Equal(t, row.codes, got)
			require.Equal(t, row.paid, c.paid()[phone])
		})
	}
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		f := calm()
		f.MagicNumbers = false
		c := newClient(t, Options{Faults: f})
		require.Contains(t, c.send("r", "254715550721", "254715550604").body, "720")
		require.Equal(t, map[string]int{"254715550721": 602, "254715550604": 602}, c.codes("r"))
	})
}

func TestOutcomesRepeatWithTheSeed(t *testing.T) {
	t.Parallel()
	f := HostileFaults()
	f.Outcomes = Weights{Successful: 1, Failed: 1, Reversed: 1, Refunded: 1}
	f.MagicNumbers = false
	outcomes := func(seed uint64, reference string) []outcome {
		var drawn []outcome
		for phone := range uint64(200) {
			drawn = append(drawn, f.drawOutcome(hashText(seed, reference), 254_700_000_000+phone))
		}
		return drawn
	}
	require.Equal(t, outcomes(1, "r"), outcomes(1, "r"))
	require.NotEqual(t, outcomes(1, "r"), outcomes(2, "r"))
	require.NotEqual(t, outcomes(1, "r"), outcomes(1, "s"))
}

func TestOutcomesFollowTheirWeights(t *testing.T) {
	t.Parallel()
	const n = 100_000
	f := DefaultFaults()
	f.Outcomes = Weights{Successful: 80, Failed: 10, Reversed: 5, Refunded: 5}
	f.Jam, f.Reprocess, f.LateReversal, f.LateRefund = 0.1, 0.2, 0.1, 0.2
	ends, detours, lates := map[uint16]int{}, map[uint16]int{}, map[uint16]int{}
	for phone := range uint64(n) {
		drawn := f.drawOutcome(7, 254_700_000_000+phone)
		ends[drawn.end]++
		detours[drawn.detour]++
		lates[drawn.late]++
	}
	const within = n / 100
	require.InDelta(t, 80_000, ends[602], within)
	require.InDelta(t, 10_000, ends[603], within)
	require.InDelta(t, 5_000, ends[605], within)
	require.InDelta(t, 5_000, ends[606], within)
	require.InDelta(t, 10_000, detours[604], within)
	require.InDelta(t, 20_000, detours[607], within)
	require.InDelta(t, 8_000, lates[605], within)
	require.InDelta(t, 16_000, lates[606], within)
}

func TestWeightsPickTheirEdges(t *testing.T) {
	t.Parallel()
	const end = 1 // beyond what unit returns: what rounding may make of it
	require.EqualValues(t, 602, Weights{Successful: 3}.pick(end))
	require.EqualValues(t, 603, Weights{Successful: 1, Failed: 2}.pick(end))
	require.EqualValues(t, 605, Weights{Failed: 1, Reversed: 2}.pick(end))
	require.EqualValues(t, 606, Weights{Successful: 1, Refunded: 2}.pick(end))
	require.EqualValues(t, 602, Weights{Successful: 1, Refunded: 2}.pick(0))
	require.EqualValues(t, 606, Weights{Refunded: 2}.pick(0))
}
