package providertest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	// fewLines is small enough to try every subset of a batch.
	fewLines = 5
	// strangers is more lines than any batch has recipients.
	strangers = 2500
)

// Recipients is a batch of n Kenyan numbers, KES 10 each: an amount that every provider takes.
func Recipients(n int) providers.Batch {
	batch := providers.Batch{ID: "0199a6a4-7c1e-7d2b-8a51-5f2f6f0c1a12"}
	for i := range n {
		batch.Recipients = append(batch.Recipients, recipient(711_000_100+i))
	}
	return batch
}

func recipient(national int) airtime.Recipient {
	return airtime.Recipient{
		Phone:  airtime.MSISDNFromE164(fmt.Sprintf("254%d", national)),
		Amount: airtime.Money{Minor: 10_00, Currency: "KES"},
	}
}

// runLines checks an answer of one line per recipient: whom it leaves out is Unknown, and neither
// order nor repetition nor strangers change what it means for anybody.
func runLines(t *testing.T, s Suite) {
	s.Batch = Recipients(fewLines)
	h := newHarness(t, s, false)
	ids := h.references(t)

	t.Run("partial, in any order", func(t *testing.T) {
		order := rand.New(rand.NewPCG(1, 2))
		for subset := range 1 << fewLines {
			var named []airtime.Recipient
			for i, r := range s.Batch.Recipients {
				if subset&(1<<i) != 0 {
					named = append(named, r)
				}
			}
			for range 3 {
				order.Shuffle(len(named), func(i, j int) { named[i], named[j] = named[j], named[i] })
				h.requireAccepts(t, named, named, ids)
			}
		}
	})
	t.Run("repeated lines", func(t *testing.T) {
		all := s.Batch.Recipients
		h.requireAccepts(t, slices.Concat(all, all, all), all, ids)
		h.requireAccepts(t, slices.Repeat(all[1:2], 3), all[1:2], ids)
	})
	t.Run("ids that cannot be shown", func(t *testing.T) {
		for _, escape := range []string{`\u0007`, `\u0085`, `\u009b2J`, `\u200f`, `\u202e`, `\u2028`} {
			h.set(func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
				status, answer := s.Lines(s.Batch.Recipients)
				for _, id := range ids {
					given := regexp.MustCompile(`"?\b` + regexp.QuoteMeta(id) + `\b"?`)
					answer = given.ReplaceAll(answer, []byte(`"AB`+escape+`CD"`))
				}
				reply(rw, status, "application/json", answer)
			})
			answer := h.send(t)
			h.requireVerdict(t, airtime.Unknown, answer, escape)
			for _, line := range answer.Lines {
				require.True(t, airtime.Printable(line.ProviderReference+line.Message), escape)
			}
		}
	})
	t.Run("sums", func(t *testing.T) { h.runSums(t) })
	t.Run("strangers", func(t *testing.T) {
		var others []airtime.Recipient
		for i := range strangers {
			others = append(others, recipient(722_000_000+i))
		}
		h.requireAccepts(t, others, nil, ids)
		for at := range s.Batch.Recipients {
			ours := s.Batch.Recipients[at : at+1]
			h.requireAccepts(t, slices.Concat(others[:at], ours, others[at:]), ours, ids)
		}
	})
}

// references asks for the whole batch and returns the id that each recipient was given; they must
// all be different.
func (h *harness) references(t *testing.T) map[airtime.MSISDN]string {
	t.Helper()
	ids, used := map[airtime.MSISDN]string{}, map[string]bool{}
	h.answersFor(h.suite.Batch.Recipients)
	for _, line := range h.send(t).Lines {
		require.NotEmpty(t, line.ProviderReference)
		require.False(t, used[line.ProviderReference], "two recipients have one id")
		ids[line.Phone], used[line.ProviderReference] = line.ProviderReference, true
	}
	require.Len(t, ids, len(h.suite.Batch.Recipients))
	return ids
}

// answersFor makes the provider answer every submission with lines for those named.
func (h *harness) answersFor(named []airtime.Recipient) {
	h.set(func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
		status, answer := h.suite.Lines(named)
		reply(rw, status, "application/json", answer)
	})
}

// requireAccepts checks that an answer with lines for those named accepts the recipients of the
// batch that are in accepted, each under its own id and once, and leaves the others Unknown.
func (h *harness) requireAccepts(
	t *testing.T, named, accepted []airtime.Recipient, ids map[airtime.MSISDN]string,
) {
	t.Helper()
	h.answersFor(named)
	answer := h.send(t)
	lines := map[airtime.MSISDN]providers.Line{}
	for _, line := range answer.Lines {
		_, twice := lines[line.Phone]
		require.False(t, twice, "two lines for %s: which of them holds?", line.Phone)
		lines[line.Phone] = line
	}
	for _, r := range h.suite.Batch.Recipients {
		if slices.Contains(accepted, r) {
			require.Equal(t, airtime.Accepted, VerdictOf(answer, r.Phone), "%s is named", r.Phone)
			require.Equal(t, ids[r.Phone], lines[r.Phone].ProviderReference, "%s", r.Phone)
			continue
		}
		require.Equal(t, airtime.Unknown, VerdictOf(answer, r.Phone), "%s is left out", r.Phone)
	}
}

// fields of an answer's line that speak of money.
var (
	amountField   = regexp.MustCompile(`"amount":("[^"]*"|[0-9.]+)`)
	discountField = regexp.MustCompile(`"discount":("[^"]*"|[0-9.]+)`)
)

// runSums checks that the amount and the discount of a line are read, and that whatever stands in
// their place is no reason to doubt an acceptance.
func (h *harness) runSums(t *testing.T) {
	for _, c := range []struct {
		amount, discount string
		want             providers.Sums
	}{
		{`"KES 999.0000"`, `"KES 0.6000"`, sums(999_00, "0.6")},
		{`999`, `0.4`, sums(999_00, "0.4")},
		{`"999.00"`, `"0"`, sums(999_00, "0")},
		{`null`, `null`, providers.Sums{}},
		{`"USD 0.07"`, `"None"`, providers.Sums{}},
		{`{"a":1}`, `[]`, providers.Sums{}},
		{`"ten"`, `"KES 0.12345"`, providers.Sums{OddAmount: true, OddDiscount: true}},
		{`true`, `"4%"`, providers.Sums{OddAmount: true, OddDiscount: true}},
	} {
		h.set(func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
			status, answer := h.suite.Lines(h.suite.Batch.Recipients)
			require.True(t, amountField.Match(answer) && discountField.Match(answer))
			answer = amountField.ReplaceAll(answer, []byte(`"amount":`+c.amount))
			answer = discountField.ReplaceAll(answer, []byte(`"discount":`+c.discount))
			reply(rw, status, "application/json", answer)
		})
		answer := h.send(t)
		h.requireVerdict(t, airtime.Accepted, answer, c.amount, " ", c.discount)
		for _, line := range answer.Lines {
			require.Equal(t, c.want, line.Sums, "%s %s", c.amount, c.discount)
		}
	}
}

func sums(minor int64, discount string) providers.Sums {
	return providers.Sums{
		Amount: airtime.Money{Minor: minor, Currency: "KES"}, Discount: discount,
	}
}
