package airtime_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/airtime"
)

func TestMaskTextHidesNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"254711000111":                         "254711•••111",
		"to +254711000111: refused":            "to +254711•••111: refused",
		"0711000111, 0722-000-222":             "0711•••111, 0722•••222",
		"(0711) 000-111":                       "(0711•••111",
		"+254 (711) 000.111":                   "+254711•••111",
		"254.711.000.111":                      "254711•••111",
		"254.110.111.222":                      "254110•••222",
		"00254 711 000 111":                    "002547•••111",
		"+1 415 555 2671":                      "+14155•••671",
		"256 772 123 456":                      "256772•••456",
		"711 000 111":                          "711•••111",
		"0.2547110001370":                      "025471•••370",
		"12 254 711 000 111":                   "122547•••111",
		"0711 000 111 0722 000 222":            "071100•••222",
		"ref254711000111x":                     "ref254711•••111x",
		"import-254711000111-2026-11-22":       "import-254711•••111-2026-11-22",
		"2026-11-22 254711000111":              "2026-11-22 254711•••111",
		"lipad:254711000111":                   "lipad:254711•••111",
		"٠٧١١٠٠٠١١١":                           "•••",
		"?to=%220711-000-111%22":               "?to=%220711•••111%22",
		"?to=0711%20000%20111&x":               "?to=0711•••111&x",
		"?to=%2B254+711+000+111":               "?to=%2B254711•••111",
		`{"phone":254711000111}`:               `{"phone":254711•••111}`,
		strings.Repeat("a", 30) + "2547110001": strings.Repeat("a", 30) + "2547•••001",
	} {
		require.Equal(t, want, airtime.MaskText(text), "%q", text)
		require.Equal(t, want, airtime.MaskText(want), "masking twice changes %q", want)
	}
}

func TestMaskTextKeepsWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"",
		"1000: 997 accepted, 3 rejected",
		"12345678",
		"01939393-1111-7111-8111-254711000111", // The last group of a UUID may be all digits.
		"01939393-1111-7111-8111-254711000111:12",
		"2026-11-22T08:43:00.123456789Z",
		"2026-11-22 08:43:00",
		"2026-11-22T08:43:00+03:00",
		"rewards-2026-11-21-000917",
		"invoice-2026-000917",
		"dial tcp 10.244.13.27:6379: connect: connection refused",
		"dial tcp 192.168.100.200:63790: i/o timeout",
		"after 12.345678912s",
		"KES 12345678.00 of KES 99999999.50",
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c12345678901/12",
	} {
		require.Equal(t, text, airtime.MaskText(text))
	}
}

// TestMaskTextHidesEveryWayOfWriting: whatever stands around a number, and however it is grouped.
func TestMaskTextHidesEveryWayOfWriting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		national := rapid.StringMatching(`[71][0-9]{8}`).Draw(t, "national")
		prefix := rapid.SampledFrom([]string{"254", "+254", "0", "00254"}).Draw(t, "prefix")
		separator := rapid.SampledFrom([]string{"", " ", "-", ".", " - "}).Draw(t, "separator")
		groups := []string{prefix + national[:3], national[3:6], national[6:]}
		number := strings.Join(groups, separator)
		before := rapid.StringMatching(`([a-z:,"]{0,20}[a-z:,"])?`).Draw(t, "before")
		after := rapid.StringMatching(`([a-z:,"][^0-9]{0,20})?`).Draw(t, "after")
		got := airtime.MaskText(before + number + after)
		require.NotContains(t, got, number)
		require.NotContains(t, got, national)
	})
}

func TestMaskTextKeepsEveryBatchID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var id uuid.UUID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
		require.Equal(t, "batch "+id.String(), airtime.MaskText("batch "+id.String()))
	})
}

func FuzzMaskText(f *testing.F) {
	f.Add("KES ", " 10.00", uint32(11000111))
	f.Add("2026-11-22 ", "-000917", uint32(0))
	f.Add("0193939311117111", "f", uint32(99999999))
	f.Fuzz(func(t *testing.T, before, after string, n uint32) {
		number := "2547" + strings.Repeat("0", 8)
		digits := []byte(number)
		for i := len(digits) - 1; i >= 4; i-- {
			digits[i] = byte('0' + n%10)
			n /= 10
		}
		number = string(digits)
		got := airtime.MaskText(before + number + after)
		if strings.Contains(got, number) && !strings.Contains(before+after, number) &&
			!insideUUID(before+number+after, number) {
			t.Fatalf("%q shows the number: %q", before+number+after, got)
		}
		require.Equal(t, got, airtime.MaskText(got), "masking twice")
	})
}

func TestLineIsPrintableAndBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                           "",
		" plain ":                    "plain",
		"two\nlines\tand\x00more":    "two lines and more",
		"C1 \u0085\u009b2J":          "C1   2J",
		"turned \u202egnp\u2066.exe": "turned  gnp .exe",
		"mark \u200f\ufeff end":      "mark    end",
		"odd space \u2028 \u00a0 x":  "odd space     x",
		"bad\xffutf8":                "bad utf8",
		"Kiswahili: asante ✓":        "Kiswahili: asante ✓",
	} {
		require.Equal(t, want, airtime.Line(text, 100), "%q", text)
		require.Equal(t, text == want, airtime.Printable(text), "%q", text)
	}
	require.Equal(t, "ab", airtime.Line("abc", 2))
	require.Equal(t, "a", airtime.Line("a•", 3), "no half characters")
	require.Empty(t, airtime.Line("•", 1))
}

// insideUUID reports whether a number stands only where a UUID has its last group.
func insideUUID(text, number string) bool {
	at := strings.Index(text, number)
	if at < 24 || at+len(number) > len(text) {
		return false
	}
	_, err := uuid.Parse(text[at-24 : at+len(number)])
	return err == nil
}
