package airtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

func TestDiscountsAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		spelt string
		units int64
	}{
		"0":               {"0", 0},
		"0.0000":          {"0", 0},
		"0.4":             {"0.4", 4000},
		"0.6000":          {"0.6", 6000},
		"0.00010":         {"0.0001", 1},
		"007.10":          {"7.1", 71000},
		"27.6125":         {"27.6125", 276125},
		"9999999999.9999": {"9999999999.9999", 99999999999999},
	} {
		spelt, err := airtime.ParseDiscount(text)
		require.NoError(t, err, text)
		require.Equal(t, want.spelt, spelt)
		units, err := airtime.DiscountUnits(text)
		require.NoError(t, err, text)
		require.Equal(t, want.units, units, text)
	}
	for _, text := range []string{
		"", ".", ".4", "4.", "-1", "+1", "1e3", "0.00001", "1,5", " 1", "10000000000", "٤",
	} {
		_, err := airtime.ParseDiscount(text)
		require.Error(t, err, text)
	}
	for units, want := range map[int64]string{
		0: "0.00", 1: "0.0001", 4000: "0.40", 42000: "4.20", 6125: "0.6125", 61250: "6.125",
		-4000: "-0.40", 99999999999999: "9999999999.9999",
	} {
		require.Equal(t, want, airtime.FormatDiscount(units))
	}
}

func TestCurrencyOfANumber(t *testing.T) {
	t.Parallel()
	for digits, want := range map[string]airtime.Currency{
		"254711000111": "KES", "256700000000": "UGX", "27820000000": "ZAR", "22507000000": "XOF",
		"4915110000000": "", "": "",
	} {
		phone := airtime.MSISDNFromE164(digits)
		require.Equal(t, want, airtime.CurrencyOf(phone), digits)
		require.True(t, want == "" || want.UsedBy(phone), digits)
	}
}
