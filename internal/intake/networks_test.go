package intake

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// fussyRules are routedRules where Sozuri takes the networks that its page names.
func fussyRules(list ...routing.Rule) Rules {
	rules := routedRules(list...)
	sozuri := rules.Providers["sozuri"]
	sozuri.Networks = []airtime.Network{airtime.Safaricom, airtime.Airtel, airtime.Telkom}
	rules.Providers["sozuri"] = sozuri
	return rules
}

// toSozuri is a job for Sozuri about these recipients.
func toSozuri(recipients string) string {
	return `{"reference":"a","provider":"sozuri","recipients":[` + recipients + `]}`
}

// scanFussy scans a file under fussyRules.
func scanFussy(t *testing.T, text string) *Plan {
	t.Helper()
	plan, err := Scan(t.Context(), write(t, "file", text), Options{}, fussyRules())
	require.NoError(t, err)
	return plan
}

func TestNetworksThatAProviderDoesNotTakeAreRefused(t *testing.T) {
	t.Parallel()
	const good = `{"phone_number":"0711000001","amount":"10"},`
	refusal := func(phone, network string) string {
		return fmt.Sprintf("recipients[1].phone_number: %s is of the network %s, and sozuri takes "+
			"safaricom, airtel, telkom only (settings: sozuri.networks; routing.ported for a number "+
			"that changed its network)", phone, network)
	}
	for recipient, want := range map[string]string{
		`{"phone_number":"0747000001","amount":"10"}`: refusal("254747•••001", "other"),
		`{"phone_number":"0763000001","amount":"10"}`: refusal("254763•••001", "equitel"),
		`{"phone_number":"0763000001","amount":"6000"}`: "recipients[1].amount: above the maximum of " +
			"KES 5000",
		`{"phone_number":"256772000001","amount":"10"}`: "recipients[1].phone_number: " +
			"256772•••001 is not a number of a country that uses KES",
		`{"amount":"10"}`: "recipients[1].phone_number: missing",
	} {
		_, err := decode(toSozuri(good+recipient), fussyRules())
		require.EqualError(t, err, want, recipient)
	}
	rules := fussyRules()
	_, err := decode(toSozuri(good+`{"phone_number":"0733000001","amount":"10"}`), rules)
	require.NoError(t, err)
	rules.Ported = map[string]airtime.Network{
		"254747000001": airtime.Safaricom, "254711000001": airtime.Equitel,
	}
	_, err = decode(toSozuri(`{"phone_number":"0747000001","amount":"10"}`), rules)
	require.NoError(t, err)
	_, err = decode(toSozuri(`{"phone_number":"0711000001","amount":"10"}`), rules)
	require.ErrorContains(t, err, "254711•••001 is of the network equitel")

	named := scanFussy(t, "phone_number,amount,provider\n0747000001,10,sozuri\n")
	require.Equal(t, int64(1), named.Refused())
	require.ErrorContains(t, named.Faults[0], "254747•••001 is of the network other")
}

func TestNetworksThatNoProviderOfARuleTakesAreRefused(t *testing.T) {
	t.Parallel()
	_, err := decode(`{"reference":"a","recipients":[{"phone_number":"0747000001","amount":"10"}]}`,
		fussyRules(routing.Rule{Providers: []string{"sozuri"}}))
	require.ErrorContains(t, err, "is of the network other, and sozuri takes")
}
