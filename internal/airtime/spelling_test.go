package airtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersAreReplacedInAnySpelling(t *testing.T) {
	t.Parallel()
	kenyan := SpellingOf(MSISDN{"254711000123"})
	for text, want := range map[string]string{
		"254711000123":                   "X",
		"+254711000123":                  "X",
		"0711000123":                     "X",
		"711000123":                      "X",
		"00254711000123":                 "X",
		"+254 711 000-123":               "X",
		"(0)711 000 123":                 "X",
		"0711.000.123, 254711000123":     "X, X",
		`{"phone":"0711000123","a":1}`:   `{"phone":"X","a":1}`,
		"phone=%2B254711000123&amount=1": "phone=%2BX&amount=1",
		"ATQid_254711000123_1":           "ATQid_X_1",
		"9254711000123":                  "9254711000123",
		"2547110001234":                  "2547110001234",
		"254711000124 0711000122":        "254711000124 0711000122",
		"0711 then 000123":               "0711 then 000123",
		"":                               "",
	} {
		require.Equal(t, want, kenyan.Replace(text, "X"), text)
		require.Equal(t, want != text, kenyan.In(text), text)
	}
	foreign := SpellingOf(MSISDN{"256772123456"})
	require.Equal(t, "X X 0772123456", foreign.Replace("+256 772 123456 256772123456 0772123456", "X"))
	for _, none := range []MSISDN{{}, {"erased-aaaaaaaaaaaaaaaa"}} {
		require.False(t, SpellingOf(none).In("254711000123 erased-aaaaaaaaaaaaaaaa"))
	}
}

func TestWhatStandsForAnErasedNumber(t *testing.T) {
	t.Parallel()
	erased, ok := ParseErased("erased-abcdefghijklmnop")
	require.True(t, ok)
	require.True(t, erased.Erased())
	require.Equal(t, "erased-abcdefghijklmnop", erased.String())
	require.Equal(t, "erased-abcdefghijklmnop", erased.Digits())
	require.Equal(t, "erased-abcdefghijklmnop", MaskText(erased.Digits()))
	require.Equal(t, NoNetwork, erased.Network())
	for _, text := range []string{
		"", "erased-", "erased-abc", "erased-abcdefghijklmno1",
		"erased-abcdefghijklmnoq", "254711000123", "erased-abcdefghijklmnopa",
	} {
		_, ok := ParseErased(text)
		require.False(t, ok, text)
	}
	_, err := ParseMSISDN("erased-abcdefghijklmnop")
	require.Error(t, err, "it can be nobody who is paid")
	require.False(t, MSISDN{"254711000123"}.Erased())
}
