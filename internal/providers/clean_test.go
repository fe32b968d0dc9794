package providers

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"":                                  "",
		"Invalid phone number":              "Invalid phone number",
		"  spaced\r\n\x00out\x7f ":          "spaced   out",
		"to 254711000111 failed":            "to •••111 failed",
		"+254711000111":                     "+•••111",
		"0711 000 111, 0722-000-222":        "•••111, •••222",
		"(0711) 000-111":                    "(•••111",
		"2547\x0011000111":                  "•••111",
		"12345678":                          "12345678",
		"123456789":                         "•••789",
		"code 799 amount 10.50":             "code 799 amount 10.50",
		"٠٧١١٠٠٠١١١":                        "•••١١١",
		"bad\xffutf8":                       "bad utf8",
		"secret s3cr3t+x and s3cr3t%2Bx ok": "secret ••• and ••• ok",
	}
	for text, want := range cases {
		require.Equal(t, want, Clean(text, "s3cr3t+x", ""), "%q", text)
	}
}

func TestCleanNeverShowsANumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`254[71][0-9]{8}`).Draw(t, "number")
		before := rapid.StringN(0, 120, 300).Draw(t, "before")
		after := rapid.StringN(0, 120, 300).Draw(t, "after")
		got := Clean(before + number + after)
		require.NotContains(t, got, number)
		require.NotContains(t, got, number[3:])
		require.LessOrEqual(t, len(got), MaxMessage)
		require.True(t, utf8.ValidString(got))
	})
}

func TestCleanCutsAfterAWholeCharacter(t *testing.T) {
	t.Parallel()
	require.Len(t, Clean(strings.Repeat("•", 100)), 198)
}
