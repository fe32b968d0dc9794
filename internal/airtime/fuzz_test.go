package airtime

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
)

// plainDecimal is how amounts are written; big.Rat alone also reads fractions and exponents.
var plainDecimal = regexp.MustCompile(`\A[0-9]+(\.[0-9]+)?\z`)

// wantMinor says by exact arithmetic what an amount is worth in minor units; ok is false for what
// must be refused. Decimals beyond the currency's are refused even when they are zeros.
func wantMinor(text string, decimals int) (minor int64, ok bool) {
	_, fraction, _ := strings.Cut(text, ".")
	if !plainDecimal.MatchString(text) || len(fraction) > decimals {
		return 0, false
	}
	worth, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, false
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	worth.Mul(worth, new(big.Rat).SetInt(scale))
	if worth.Sign() <= 0 || worth.Cmp(new(big.Rat).SetInt64(MaxMinor)) > 0 {
		return 0, false
	}
	return worth.Num().Int64(), worth.IsInt()
}

func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{
		"10", "10.50", "0.01", "1e3", "-1", "10.505", "", ".", "9999999999999", "1/2", "0x10", "+1",
		"10000000000.00", "10000000000.01", "1000000000000", "1000000000001", "1000000000.000",
		"0000000000000000000000000000010.5", "1_000", "٣", "10.", ".5", "0", "0.00", "Inf", " 10",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, currency := range []Currency{"KES", "UGX", "TND"} {
			decimals, _ := currency.Decimals()
			want, ok := wantMinor(text, decimals)
			money, err := ParseAmount(text, currency)
			if !ok {
				require.Error(t, err, "%s %q", currency, text)
				require.Zero(t, money)
				continue
			}
			require.NoError(t, err, "%s %q", currency, text)
			require.Equal(t, Money{want, currency}, money)
			for _, written := range []string{money.Decimal(), money.Short()} {
				again, err := ParseAmount(written, currency)
				require.NoError(t, err)
				require.Equal(t, money, again)
			}
		}
		_, err := ParseAmount(text, "KSH")
		require.Error(t, err, "a currency that is not known")
	})
}

// longRun is a run of digits that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]{9}`)

func FuzzParseMSISDN(f *testing.F) {
	for _, seed := range []string{
		"0711000000", "+254711000000", "711000000", "+254 (0) 712345678", "00254711000000",
		"0202345678", "+255713123456", "FLOWERS0712345678", "(0711) 000-000", "", "+", "()",
		"254110000000", "0110000000", "27821234567", "+14155552671", "+221771234567", "٠٧١١٠٠٠٠٠٠",
		"254254711000000", "+2482510123", "0711000000;ext=1", "tel:+254711000000", "2547110000000",
		"+2550713123456", "+25607721234567", "+4407911123456",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		number, err := ParseMSISDN(text)
		if err != nil {
			require.True(t, number.IsZero())
			require.NotRegexp(t, longRun, err.Error())
			return
		}
		digits := number.Digits()
		require.Regexp(t, `^[1-9][0-9]{6,14}$`, digits)
		// The digits are those that were written, but for what is put before a national number.
		written := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, text)
		if written != digits {
			require.Equal(t, digits, kenya+strings.TrimPrefix(written, "0"))
		}
		for _, spelling := range []string{digits, "+" + digits} {
			again, err := ParseMSISDN(spelling)
			require.NoError(t, err, "%s %q", number, spelling)
			require.Equal(t, number, again)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%20v"} {
			require.NotRegexp(t, longRun, fmt.Sprintf(verb, number))
		}
		requireLibraryAgrees(t, digits)
	})
}

// requireLibraryAgrees checks a number against the phone number library: it must be one that the
// library takes for valid, and would write the same way.
func requireLibraryAgrees(t *testing.T, digits string) {
	t.Helper()
	parsed, err := phonenumbers.Parse("+"+digits, "")
	require.NoError(t, err)
	require.True(t, phonenumbers.IsValidNumber(parsed))
	require.Equal(t, "+"+digits, phonenumbers.Format(parsed, phonenumbers.E164))
	require.Contains(t,
		[]phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE},
		phonenumbers.GetNumberType(parsed))
}
