package console

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// TestWords wants the same texts in each language, none empty, and each of them used.
func TestWords(t *testing.T) {
	t.Parallel()
	all := allWords()
	english := slices.Sorted(maps.Keys(all["en"]))
	used := usedWords(t)
	for _, tag := range languages {
		texts := all[tag.String()]
		require.Equal(t, english, slices.Sorted(maps.Keys(texts)), tag)
		for key, text := range texts {
			require.NotEmpty(t, text, "%s of %s", key, tag)
			require.True(t, used[key], "no page uses %s", key)
		}
	}
	for key := range used {
		require.Contains(t, all["en"], key)
	}
}

// usedWords are the keys in templates and code.
func usedWords(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	add := func(prefix, name string) { used[prefix+name] = true }
	for _, s := range airtime.Statuses() {
		add("status.", s.String())
	}
	for _, r := range state.HoldReasons() {
		add("hold.", string(r))
	}
	for _, k := range []state.Kind{state.KindDisbursal, state.KindImport, state.KindCampaign} {
		add("kind.", string(k))
	}
	for _, q := range []state.ReviewQueue{
		state.ReviewInDoubt, state.ReviewOverdue, state.ReviewOverpaid, state.ReviewMismatched,
	} {
		add("review.", string(q))
	}
	for name := range templates {
		add("title.", name)
	}
	literal := regexp.MustCompile(`\.T "([a-z_.]+)"`)
	inCode := regexp.MustCompile(`"((?:wait|error|signin)\.[a-z_]+)"`)
	walk := func(path string, _ fs.DirEntry, err error) error {
		text, readable := os.ReadFile(path)
		if err != nil || readable != nil || strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, found := range append(literal.FindAllStringSubmatch(string(text), -1),
			inCode.FindAllStringSubmatch(string(text), -1)...) {
			add("", found[1])
		}
		return nil
	}
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", walk))
	return used
}
