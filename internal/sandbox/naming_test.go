package sandbox

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAmountsAndDiscountsAreNamedOtherwise turns the switches; what is paid stays as it was asked.
func TestAmountsAndDiscountsAreNamedOtherwise(t *testing.T) {
	t.Parallel()
	quick := `{"recipients":[{"recipient":"254722000000","amount":100}]}`
	headers := []string{jsonType, "App-Key: key", "App-Token: token"}
	for _, row := range []struct {
		amounts, discounts string
		sozuri, quick      string
	}{
		{NameOther, DiscountGiven, `"amount":"KES 11","discount":"KES 0.0600"`, `"amount":101,`},
		{
			NameMalformed, DiscountMalformed,
			`"amount":"KES ten","discount":"KES ten"`, `"amount":"KES ten",`,
		},
	} {
		c := newClient(t, Options{Faults: calm()})
		for _, provider := range []string{Sozuri, QuickSMS} {
			c.changeOne(provider, func(f *Faults) {
				f.Amounts, f.Discounts = row.amounts, row.discounts
			})
		}
		require.Contains(t, c.sozuriSend(sozuriLines("0722000000")).body, row.sozuri)
		got := c.ask("POST", "/api/v3/airtime/send", quick, headers...)
		require.Contains(t, got.body, row.quick)
		require.ElementsMatch(t, []string{
			"request-1 254722000000 1×10.00", "request-1 254722000000 1×100.00",
		}, c.entries())
	}
}

// TestQuickSMSRefusesInOtherWords gives a refused line the text of the switch.
func TestQuickSMSRefusesInOtherWords(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.changeOne(QuickSMS, func(f *Faults) { f.RefusalText = "Request not successful" })
	got := c.ask("POST", "/api/v3/airtime/send",
		`{"recipients":[{"recipient":"254715550721","amount":100}]}`,
		jsonType, "App-Key: key", "App-Token: token")
	require.Contains(t, got.body, `"code":500,"message":"Request not successful"`)
	require.Empty(t, c.paid())
}
