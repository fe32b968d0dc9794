package airtime

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
)

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text     string
		currency Currency
		minor    int64
	}{
		{"10", "KES", 1000},
		{"10.0", "KES", 1000},
		{"10.00", "KES", 1000},
		{"10.5", "KES", 1050},
		{"0.01", "KES", 1},
		{"010", "KES", 1000},
		{"500", "UGX", 500},
		{"1", "RWF", 1},
		{"1.234", "TND", 1234},
		{"10000000000", "KES", MaxMinor},
		{"10000000000.00", "KES", MaxMinor},
		{"1000000000000", "UGX", MaxMinor},
	} {
		got, err := ParseAmount(row.text, row.currency)
		require.NoError(t, err, row.text)
		require.Equal(t, Money{row.minor, row.currency}, got, row.text)
	}
}

func TestParseAmountRefuses(t *testing.T) {
	t.Parallel()
	const shape = "plain decimal"
	for _, row := range []struct{ text, currency, fault string }{
		{"", "KES", shape},
		{".", "KES", shape},
		{"10.", "KES", shape},
		{".5", "KES", shape},
		{"+10", "KES", shape},
		{"-10", "KES", shape},
		{"1e3", "KES", shape},
		{"1E3", "KES", shape},
		{" 10", "KES", shape},
		{"10 ", "KES", shape},
		{"1,000", "KES", shape},
		{"1_000", "KES", shape},
		{"0x10", "KES", shape},
		{"10.5.0", "KES", shape},
		{"٣", "KES", shape},
		{"KES 10", "KES", shape},
		{"NaN", "KES", shape},
		{"10.505", "KES", "more decimals than KES has"},
		{"10.500", "KES", "more decimals than KES has"},
		{"10.0", "UGX", "more decimals than UGX has"},
		{"0", "KES", "greater than zero"},
		{"0.00", "KES", "greater than zero"},
		{"10000000000.01", "KES", "too large"},
		{"1000000000001", "UGX", "too large"},
		{"99999999999999999999999999", "KES", "too large"},
		{"10", "KSH", "not known"},
		{"10", "", "not known"},
		{"10", "kes", "not known"},
	} {
		_, err := ParseAmount(row.text, Currency(row.currency))
		require.ErrorContains(t, err, row.fault, row.text)
	}
}

func TestAmountFaultDoesNotRepeatAMisplacedPhoneNumber(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"+254711222333", "254711222333.5.5", "254711222333444"} {
		_, err := ParseAmount(text, "KES")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "711222333")
	}
}

func TestMoneyWriting(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		money                Money
		decimal, short, full string
	}{
		{Money{1000, "KES"}, "10.00", "10", "KES 10.00"},
		{Money{1050, "KES"}, "10.50", "10.50", "KES 10.50"},
		{Money{5, "KES"}, "0.05", "0.05", "KES 0.05"},
		{Money{0, "KES"}, "0.00", "0", "KES 0.00"},
		{Money{100000, "KES"}, "1000.00", "1000", "KES 1000.00"},
		{Money{500, "UGX"}, "500", "500", "UGX 500"},
		{Money{1234, "TND"}, "1.234", "1.234", "TND 1.234"},
		{Money{7, "XXX"}, "7 minor", "7 minor", "XXX 7 minor"},
	} {
		require.Equal(t, row.decimal, row.money.Decimal())
		require.Equal(t, row.short, row.money.Short())
		require.Equal(t, row.full, row.money.String())
	}
	require.Equal(t, "-0.05", FormatMinor(-5, "KES"))
	require.Equal(t, "-10.00", FormatMinor(-1000, "KES"))
	require.Equal(t, "-9223372036854775808", FormatMinor(-1<<63, "UGX"))
}

func TestCurrencyDecimals(t *testing.T) {
	t.Parallel()
	for currency, want := range map[Currency]int{
		"KES": 2, "UGX": 0, "TZS": 2, "RWF": 0, "ETB": 2, "NGN": 2, "GHS": 2, "ZAR": 2, "ZMW": 2,
		"MWK": 2, "XOF": 0, "XAF": 0, "USD": 2, "EUR": 2, "GBP": 2, "TND": 3, "JPY": 0,
	} {
		got, known := currency.Decimals()
		require.True(t, known, currency)
		require.Equal(t, want, got, currency)
	}
	_, known := Currency("KSH").Decimals()
	require.False(t, known)
	require.False(t, Currency("").Known())
}

func TestCurrencyUsedBy(t *testing.T) {
	t.Parallel()
	require.True(t, Currency("KES").UsedBy(MSISDN{"254711000000"}))
	require.False(t, Currency("KES").UsedBy(MSISDN{"255713000000"}))
	require.True(t, Currency("TZS").UsedBy(MSISDN{"255713000000"}))
	require.True(t, Currency("XOF").UsedBy(MSISDN{"221771234567"}))
	require.True(t, Currency("ZAR").UsedBy(MSISDN{"27821234567"}))
	require.False(t, Currency("USD").UsedBy(MSISDN{"254711000000"}))
	require.False(t, Currency("KSH").UsedBy(MSISDN{"254711000000"}))
	require.False(t, Currency("KES").UsedBy(MSISDN{}))
}

func TestCallingCodesAreRealAndUsedOnce(t *testing.T) {
	t.Parallel()
	var all []string
	for currency, row := range currencyTable {
		for _, code := range row.codes {
			var number int
			for _, digit := range code {
				number = number*10 + int(digit-'0')
			}
			region := phonenumbers.GetRegionCodeForCountryCode(number)
			require.NotEqual(t, "ZZ", region, "%s %s", currency, code)
			for _, other := range all {
				require.False(t, strings.HasPrefix(other, code) || strings.HasPrefix(code, other),
					"%s and %s", code, other)
			}
			all = append(all, code)
		}
	}
}

// TestParseBound: the bound of a sum may be zero, and is an amount otherwise.
func TestParseBound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "0.00": 0, "0.01": 1, "10.5": 1050, "10000000000": MaxMinor,
	} {
		got, err := ParseBound(text, "KES")
		require.NoError(t, err, text)
		require.Equal(t, Money{Minor: want, Currency: "KES"}, got)
	}
	for text, want := range map[string]string{
		"": "must be a plain decimal", "-1": "must be a plain decimal", "1e3": "must be a plain decimal",
		"0.005": "has more decimals", "10000000000.01": "is too large",
	} {
		_, err := ParseBound(text, "KES")
		require.ErrorContains(t, err, want, text)
	}
}
