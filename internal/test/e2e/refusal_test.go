package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
)

// TestOneRecipientStopsNobody brings recipients that a provider refuses the whole request for,
// before 300 good ones: all the good ones are paid, the bad ones rejected, and no channel stays
// paused.
func TestOneRecipientStopsNobody(t *testing.T) {
	t.Parallel()
	for provider, bad := range map[string]int{"quicksms": 1, "lipad": 3} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, setup{
				four: true, faults: `{"refuse_suffix":"99","refuse_whole":true}`,
				config: "default_provider: " + provider + "\n",
			})
			h.pods(1)
			j := job{Reference: "mixed", Currency: "KES", Provider: provider}
			wanted := orders{}
			for i := range 300 + bad {
				phone := fmt.Sprintf("2547110%02d0%02d", i/90, i%90)
				if i < bad {
					phone = fmt.Sprintf("25471100%02d99", i)
				}
				j.Recipients = append(j.Recipients, jobRecipient{phone, "10"})
				wanted[who{"mixed", phone}] = 1000
			}
			h.accept([]job{j})
			counts := h.finished(wanted, "mixed")
			require.Equal(t, bad, counts["rejected"])
			require.Equal(t, 300, counts["successful"]+counts["failed"]+counts["unconfirmed"])
			require.Less(t, h.ledger().Requests["send"], 60*(bad+1), "requests")
			require.Equal(t, "open", h.channel(provider).State)
		})
	}
}

// TestOneRequestInDoubtForOneRecipient brings three numbers that were ported to networks which
// Sozuri does not take, among 300 good ones. Sozuri refuses the request of the first after it has
// paid those before it: only that request is in doubt, callbacks settle whom it paid, the other
// two are rejected alone, and everybody else is paid. Where the prefix shows the network, the
// number is refused at the door.
func TestOneRequestInDoubtForOneRecipient(t *testing.T) {
	t.Parallel()
	const most, all, bad = 50, 303, 3
	h := newHarness(t, setup{
		four: true, batch: most, config: "max_in_flight: 1\n",
		faults: `{"refuse_suffix":"99","half_processed":true}`,
	})
	path := filepath.Join(t.TempDir(), "door.csv")
	require.NoError(t, os.WriteFile(path, []byte("phone_number,amount,provider\n"+
		"0711000000,10,sozuri\n0747000000,10,sozuri\n0763000000,10,sozuri\n"), 0o600))
	for _, number := range []string{"254747•••000", "254763•••000"} {
		said := h.must(5, "import", path)
		require.Regexp(t, number+` is of the network \w+, and sozuri takes .*sozuri\.networks`,
			said.out+said.errors)
	}

	h.pods(1)
	j := job{Reference: "mixed", Currency: "KES", Provider: sandbox.Sozuri}
	wanted := orders{}
	for i := range all {
		phone := fmt.Sprintf("2547110%02d0%02d", i/90, i%90)
		if i%90 == 80 {
			phone = fmt.Sprintf("2547110%02d099", i/90)
		}
		j.Recipients = append(j.Recipients, jobRecipient{phone, "10"})
		wanted[who{"mixed", phone}] = 1000
	}
	h.accept([]job{j})
	doubtful := func() int {
		figures, err := h.open().Stats(t.Context())
		require.NoError(t, err)
		return int(figures.Book["sozuri KES in_doubt"])
	}
	h.await("all whom Sozuri took are settled, and the others in doubt", func() bool {
		open, known := h.counts()
		return known == all && int(open) == doubtful() &&
			doubtful() == all-(bad-1)-h.of(sandbox.Sozuri).Recipients.Accepted
	})
	require.Positive(t, doubtful())
	require.LessOrEqual(t, doubtful(), most)
	require.Equal(t, bad, h.of(sandbox.Sozuri).Batches.Refused, "requests refused")
	require.Equal(t, "open", h.channel(sandbox.Sozuri).State)
	left := doubtful()
	h.await("people may decide, and do", func() bool {
		left -= h.resolveByLedger()
		return left == 0
	})
	counts := h.finished(wanted, "mixed")
	require.Equal(t, bad-1, counts["rejected"])
	require.Equal(t, all-(bad-1), counts["successful"]+counts["failed"])
}
