package intake

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNoCellIsAFormula(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"": "", "'": "'", "''": "''", "plain": "plain", "it's": "it's", "'quoted": "'quoted",
		"=1+1": "'=1+1", "@SUM(1)": "'@SUM(1)", "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
		"-2+3": "'-2+3", "\tx": "'\tx", "\rx": "'\rx", "'=1": "''=1", "''@x": "'''@x",
		"254711000000": "254711000000", "+254711000000": "+254711000000",
		"+254 711 000 000": "+254 711 000 000",
		"-10.50":           "-10.50", "'+254711000000": "''+254711000000", "10.00": "10.00",
	} {
		require.Equal(t, want, guardCell(cell), cell)
		require.Equal(t, cell, PlainCell(want), cell)
	}
}

// What is written is read back, whatever it is.
func TestCellsAreReadBack(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"'", "=", "+", "-", "@", "\t", "1", "a", ",", `"`, " ", "."})
	rapid.Check(t, func(t *rapid.T) {
		var cell string
		for _, text := range rapid.SliceOfN(part, 0, 6).Draw(t, "cell") {
			cell += text
		}
		var out bytes.Buffer
		writer := NewCellWriter(&out)
		require.NoError(t, writer.Write([]string{cell, "x"}))
		require.NoError(t, writer.Flush())
		read, err := csv.NewReader(&out).Read()
		require.NoError(t, err)
		require.False(t, isFormula(read[0]) && read[0][0] != '\'', "it would run")
		require.Equal(t, cell, PlainCell(read[0]))
	})
}

// What is refused comes back from the file of rejects as it was.
func TestRejectsHoldNoFormulas(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "phone_number,amount,campaign\n0711000000,1,=1+1\n"+
		"+254711000001,1,''@x\n=cmd\n", Options{})
	require.NoError(t, err)
	refused := rejects(t, plan)
	require.Contains(t, refused, "0711000000,1,'=1+1,")
	require.Contains(t, refused, "+254711000001,1,''@x,")
	require.Contains(t, refused, "\n'=cmd,,,")
	again, err := scanText(t, refused, Options{})
	require.NoError(t, err)
	same, _, _ := strings.Cut(refused, "\n'=cmd")
	require.True(t, strings.HasPrefix(rejects(t, again), same), "it is the same once more")
	require.Equal(t, "=1+1", again.scan.groups[0].given.campaign)
	require.Equal(t, "'@x", again.scan.groups[1].given.campaign)
}
