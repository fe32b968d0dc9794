package e2e_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOneRecipientStopsNobody brings recipients that a provider refuses the whole request for,
// before 300 good ones: all the good ones are paid, the bad ones rejected, and no channel stays
// paused.
func TestOneRecipientStopsNobody(t *testing.T) {
	t.Parallel()
	for provider, bad := range map[string]int{"quicksms": 1, "lipad": 3} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{
				four: true, faults: `{"refuse_suffix":"99","refuse_whole":true}`,
				config: "default_provider: " + provider + "\n",
			})
			w.pods(1)
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
			w.accept([]job{j})
			counts := w.finished(wanted, "mixed")
			require.Equal(t, bad, counts["rejected"])
			require.Equal(t, 300, counts["successful"]+counts["failed"]+counts["unconfirmed"])
			require.Less(t, w.ledger().Requests["send"], 60*(bad+1), "requests")
			require.Equal(t, "open", w.channel(provider).State)
		})
	}
}
