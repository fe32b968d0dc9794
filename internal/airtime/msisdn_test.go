package airtime

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
)

func TestParseMSISDN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0711000000":        "254711000000",
		"0110000000":        "254110000000",
		"0100000000":        "254100000000",
		"711000000":         "254711000000",
		"110000000":         "254110000000",
		"254711000000":      "254711000000",
		"+254711000000":     "254711000000",
		"+254 711 000 000":  "254711000000",
		" 0711-000-000 ":    "254711000000",
		"(0711) 000000":     "254711000000",
		"+(254) 711-000000": "254711000000",
		"+255713123456":     "255713123456",
		"255713123456":      "255713123456",
		"+256 772 123456":   "256772123456",
		"+27821234567":      "27821234567",
		"+2348031234567":    "2348031234567",
		"+14155552671":      "14155552671", // Fixed line or mobile.
	} {
		got, err := ParseMSISDN(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Digits(), text)
	}
}

func TestParseMSISDNRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ text, fault string }{
		{"", "empty"},
		{"+", "empty"},
		{"()", "brackets"},
		{"0712345678O", "may hold only"},
		{"FLOWERS0712345678", "may hold only"},
		{"tel:0712345678", "may hold only"},
		{"٠٧١٢٣٤٥٦٧٨", "may hold only"},
		{"0712345678 ext 5", "may hold only"},
		{"0712345678x12", "may hold only"},
		{"2547XXXXXX", "may hold only"},
		{"254712345678.0", "may hold only"},
		{"2.54712E+11", "may hold only"},
		{"0712\t345678", "may hold only"},
		{"0712345678\n", "may hold only"},
		{"0712+345678", "may hold only"},
		{"++254712345678", "may hold only"},
		{"(+254712345678)", "may hold only"},
		{"(0712345678", "brackets"},
		{"0712)345678", "brackets"},
		{"((0712))345678", "brackets"},
		{"+254 (0) 712345678", "nine digits after 254"},
		{"+2540712345678", "nine digits after 254"},
		{"+254 (0) 12345678", "not a Kenyan mobile"},
		{"25471234567", "nine digits after 254"},
		{"2547123456789", "nine digits after 254"},
		{"254", "nine digits after 254"},
		{"00254712345678", "not a mobile number"},
		{"000254712345678", "not a mobile number"},
		{"07123456789", "not a mobile number"},
		{"071234567", "not a mobile number"},
		{"0202345678", "not a mobile number"},
		{"254202345678", "not a Kenyan mobile"},
		{"+254202345678", "not a Kenyan mobile"},
		{"0109000000", "not a Kenyan mobile"},
		{"0131000000", "not a Kenyan mobile"},
		{"0149000000", "not a Kenyan mobile"},
		{"254800123456", "not a Kenyan mobile"},
		{"12345", "not a valid number"},
		{"+999123456789", "not a valid number"},
		{"+2550713123456", "not a valid number"}, // The library would drop the zero.
		{"+442083661177", "not a mobile number"},
		{"+1234567890123456", "too long"},
		{strings.Repeat(" ", 41), "too long"},
	} {
		got, err := ParseMSISDN(row.text)
		require.ErrorContains(t, err, row.fault, row.text)
		require.True(t, got.IsZero())
		require.NotContains(t, err.Error(), "2345678", "the whole number is shown")
	}
}

// libraryMobile says what the library thinks of nine national digits.
func libraryMobile(t *testing.T, national string) bool {
	t.Helper()
	number, err := phonenumbers.Parse("+254"+national, "")
	return err == nil && phonenumbers.IsValidNumberForRegion(number, "KE") &&
		phonenumbers.GetNumberType(number) == phonenumbers.MOBILE
}

func TestKenyanPrefixesAgreeWithTheLibrary(t *testing.T) {
	t.Parallel()
	for prefix := range 1000 {
		for _, rest := range []string{"000000", "123456", "500500", "999999"} {
			national := fmt.Sprintf("%03d%s", prefix, rest)
			_, err := ParseMSISDN("+254" + national)
			require.Equal(t, libraryMobile(t, national), err == nil, national)
		}
	}
}

func TestKenyanNumbersAgreeWithTheLibrary(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(254, 711))
	for range 3000 {
		national := fmt.Sprintf("%09d", random.IntN(1_000_000_000))
		_, err := ParseMSISDN("254" + national)
		require.Equal(t, libraryMobile(t, national), err == nil, national)
	}
}

func TestMSISDNIsMaskedHoweverItIsPrinted(t *testing.T) {
	t.Parallel()
	const digits, masked = "254711222000", "254711•••000"
	number := MSISDNFromE164(digits)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%X", "%t", "%o", "%U"} {
		require.Equal(t, masked, fmt.Sprintf(verb, number), verb)
		require.NotContains(t, fmt.Sprintf(verb, &number), digits, verb)
		require.NotContains(t, fmt.Sprintf(verb, Recipient{Phone: number}), digits, verb)
		require.NotContains(t, fmt.Sprintf(verb, []MSISDN{number}), digits, verb)
		require.NotContains(t, fmt.Sprintf(verb, map[MSISDN]int{number: 1}), digits, verb)
	}
	require.Equal(t, `"`+masked+`"`, fmt.Sprintf("%q", number))
	require.Equal(t, masked+"  |", fmt.Sprintf("%-14v|", number))
	require.Equal(t, "  "+masked, fmt.Sprintf("%14v", number))
	encoded, err := json.Marshal(map[string]any{"recipient": Recipient{Phone: number}})
	require.NoError(t, err)
	require.NotContains(t, string(encoded), digits)
	require.Equal(t, masked, number.String())
	require.Equal(t, masked, number.GoString())
}

func TestShortNumbersShowLess(t *testing.T) {
	t.Parallel()
	for digits, want := range map[string]string{
		"": "", "1234": "•••", "12345678": "•••", "123456789": "123•••789",
		"1234567890": "1234•••890", "27821234567": "27821•••567", "2348031234567": "234803•••567",
	} {
		require.Equal(t, want, MSISDN{digits}.String())
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for digits, want := range map[string]string{
		"254711000000": "safaricom", "254110000000": "safaricom", "254733000000": "airtel",
		"254100000000": "airtel", "254770000000": "telkom", "254763000000": "equitel",
		"254747000000": "other", "254131000000": "", "255711000000": "", "": "", "254": "",
	} {
		require.Equal(t, want, MSISDN{digits}.Network().String(), digits)
	}
}

func TestMSISDNCompares(t *testing.T) {
	t.Parallel()
	one, err := ParseMSISDN("0711 000 000")
	require.NoError(t, err)
	require.Equal(t, MSISDNFromE164("254711000000"), one)
	require.True(t, one.Equal(MSISDNFromE164("254711000000")))
	require.False(t, one.Equal(MSISDN{}))
}

func TestKenyanParsingAllocatesOnlyTheNumber(t *testing.T) { //nolint:paralleltest // It counts.
	allocations := testing.AllocsPerRun(100, func() { _, _ = ParseMSISDN("0711 000 000") })
	require.LessOrEqual(t, allocations, 1.0)
}

func BenchmarkParseMSISDN(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMSISDN("+254711000000"); err != nil {
			b.Fatal(err)
		}
	}
}
