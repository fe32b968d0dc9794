package tidy

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// goneHeading begins the table of words that must not come back, in docs/glossary.md.
const goneHeading = "## Words that have gone"

// goneWords reads that table: from a word, lower case and with underscores, to what to say.
func goneWords(glossary string) map[string]string {
	_, table, _ := strings.Cut(glossary, goneHeading)
	gone := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.Contains(cells[1], "---") || strings.TrimSpace(cells[1]) == "not" {
			continue
		}
		for word := range strings.SplitSeq(cells[1], ",") {
			gone[strings.TrimSpace(word)] = strings.TrimSpace(cells[2])
		}
	}
	return gone
}

var name = regexp.MustCompile(`[A-Za-z_]+`)

// parts spells a name with underscores: chunkReader and chunk_reader are chunk_reader.
func parts(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return "_" + b.String() + "_"
}

// oldWords finds words that have gone in names; many names come again and again.
type oldWords struct {
	gone map[string]string
	said map[string]string // What to say instead, by name; empty for most.
}

func (o oldWords) instead(used string) string {
	instead, known := o.said[used]
	if !known {
		spelt := parts(used)
		for word, better := range o.gone {
			if strings.Contains(spelt, "_"+word+"_") {
				instead = better
			}
		}
		o.said[used] = instead
	}
	return instead
}

// in lists where a file uses words that have gone.
func (o oldWords) in(f file) (found []finding) {
	if !f.is(".go") && !f.is(".lua") || f.foreign() || slices.Contains(quoters, f.path) {
		return nil
	}
	for i, line := range f.lines() {
		for _, used := range name.FindAllString(line, -1) {
			if instead := o.instead(used); instead != "" && !isSpreadsheet(f, instead) {
				found = append(found, finding{i + 1, fmt.Sprintf("%s: say %s", used, instead)})
			}
		}
	}
	return found
}

// quoters are the files that must write such words.
var quoters = []string{"internal/tidy/words_test.go", "internal/config/load_test.go"}

// isSpreadsheet reports whether a file is of the part that reads what spreadsheets write: there a
// sheet is one of theirs.
func isSpreadsheet(f file, instead string) bool {
	return instead == "chunk" && (within(f.path, "internal/intake") || within(f.path, "cmd/enqueuer"))
}

// TestNoOldWordComesBack reads every name and comment.
func TestNoOldWordComesBack(t *testing.T) {
	t.Parallel()
	glossary, err := os.ReadFile(filepath.Join(root(t), "docs", "glossary.md"))
	require.NoError(t, err)
	old := oldWords{goneWords(string(glossary)), map[string]string{}}
	require.Equal(t, "chunk", old.gone["sheet"])
	require.Equal(t, "failover", old.gone["hand_on"])
	for _, f := range tree(t) {
		for _, found := range old.in(f) {
			t.Errorf("%s:%d: %s (docs/glossary.md)", f.path, found.line, found.what)
		}
	}
}

func TestOldWordsAreFound(t *testing.T) {
	t.Parallel()
	old := oldWords{
		map[string]string{"sheet": "chunk", "hand_on": "failover"}, map[string]string{},
	}
	for text, want := range map[string]int{
		"local sheet = 1": 1, "var sheetReader, rowsOfSheet int": 2, "func handOn() {}": 1,
		"hand_on(d)": 1, "// The sheet of a recipient.": 1,
		"spreadsheet": 0, "// to hand on": 0, "chunkReader": 0, "handOnce": 0,
	} {
		require.Len(t, old.in(file{"a.go", text}), want, text)
	}
	require.Empty(t, old.in(file{"a.md", "sheet"}))
	require.Empty(t, old.in(file{"internal/intake/a.go", "sheet"}))
	require.Len(t, old.in(file{"internal/intake/a.go", "handOn"}), 1)
}
