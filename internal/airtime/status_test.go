package airtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// mergeTable is what Merge makes of every pair, by status code: one line per status now, one
// column per status seen, both in the order of the header.
const mergeHeader = "hqsdxcapjrufSvn"

var mergeTable = map[byte]string{
	'h': "hqsdxcapjrufSvn",
	'q': "hqsdxcapjrufSvn",
	's': "sssdxcapjrufSvn",
	'd': "ddsdxcapjrufSvn",
	'x': "xxxxxxapjrufSvn",
	'c': "ccccccapjrufSvn",
	'a': "aaaaaaapjrufSvn",
	'p': "ppppppapjrufSvn",
	'j': "jjjjjjapjrufSvn",
	'r': "rrrrrrapjrufSvn",
	'u': "uuuuuuuuuuufSvn",
	'f': "ffffffffffffSvn",
	'S': "SSSSSSSSSSSSSvn",
	'v': "vvvvvvvvvvvvvvn",
	'n': "nnnnnnnnnnnnnnn",
}

func TestMergeEveryPair(t *testing.T) {
	t.Parallel()
	require.Len(t, mergeTable, len(Statuses()))
	require.Len(t, mergeHeader, len(Statuses()))
	for code, line := range mergeTable {
		now, err := StatusFromCode(code)
		require.NoError(t, err)
		for column := range len(mergeHeader) {
			seen, err := StatusFromCode(mergeHeader[column])
			require.NoError(t, err)
			want, err := StatusFromCode(line[column])
			require.NoError(t, err)
			require.Equal(t, want, Merge(now, seen), "%s sees %s", now, seen)
		}
	}
}

func TestStatusNamesAndCodesAreUniqueAndRoundTrip(t *testing.T) {
	t.Parallel()
	names, codes := map[string]bool{}, map[byte]bool{}
	for _, s := range Statuses() {
		require.True(t, s.Valid())
		require.False(t, names[s.String()], s)
		require.False(t, codes[s.Code()], s)
		names[s.String()], codes[s.Code()] = true, true

		fromName, err := ParseStatus(s.String())
		require.NoError(t, err)
		require.Equal(t, s, fromName)
		fromCode, err := StatusFromCode(s.Code())
		require.NoError(t, err)
		require.Equal(t, s, fromCode)

		text, err := s.MarshalText()
		require.NoError(t, err)
		var read Status
		require.NoError(t, read.UnmarshalText(text))
		require.Equal(t, s, read)
	}
}

func TestStatusesThatDoNotExist(t *testing.T) {
	t.Parallel()
	for _, s := range []Status{0, 200} {
		require.False(t, s.Valid())
		require.False(t, s.Effect())
		require.False(t, s.Settled())
		_, err := s.MarshalText()
		require.Error(t, err)
	}
	_, err := ParseStatus("paid")
	require.Error(t, err)
	_, err = StatusFromCode('?')
	require.Error(t, err)
	var s Status
	require.Error(t, s.UnmarshalText([]byte("Queued")))
}

func TestSettledAndEffect(t *testing.T) {
	t.Parallel()
	settled := map[Status]bool{
		Rejected: true, Cancelled: true, Unconfirmed: true, Failed: true, Successful: true,
		Reversed: true, Refunded: true,
	}
	effect := map[Status]bool{
		Submitted: true, Processing: true, Jammed: true, Reprocessing: true, Unconfirmed: true,
		Failed: true, Successful: true, Reversed: true, Refunded: true,
	}
	for _, s := range Statuses() {
		require.Equal(t, settled[s], s.Settled(), s)
		require.Equal(t, effect[s], s.Effect(), s)
	}
}

func TestReasonsAreUniqueLabels(t *testing.T) {
	t.Parallel()
	seen := map[Reason]bool{}
	for _, reason := range Reasons() {
		require.Regexp(t, `^[a-z]+(_[a-z]+)*$`, string(reason))
		require.False(t, seen[reason], reason)
		seen[reason] = true
	}
}

func TestVerdictWords(t *testing.T) {
	t.Parallel()
	var words []string
	for _, verdict := range Verdicts() {
		words = append(words, verdict.String())
	}
	require.Equal(t, []string{"accepted", "rejected", "unsent", "unknown"}, words)
	require.Equal(t, "verdict(0)", Verdict(0).String())
	require.Equal(t, "verdict(9)", Verdict(9).String())
}

// Whoever may still be paid is in flight, and what stands is live; the last word ends both ways.
func TestInFlightAndLive(t *testing.T) {
	t.Parallel()
	for _, s := range Statuses() {
		require.Equal(t, s != Held && s != Queued && !s.Settled(), s.InFlight(), s)
		undone := s == Failed || s == Reversed || s == Refunded
		require.Equal(t, s.Effect() && !undone, s.Live(), s)
		require.Equal(t, s.Settled(), s.MovesNext() == "", s)
		nothing := s == Held || s == Rejected || s == Cancelled || undone
		require.Equal(t, !nothing, s.Spends(), s)
	}
}
