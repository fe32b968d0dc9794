package tidy

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	testNamed   = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*)`")
	testDefined = regexp.MustCompile(`(?m)^func (Test[A-Z][A-Za-z0-9]*)\(`)
)

// namelessTests lists the tests that a page names and nobody has written.
func namelessTests(pages, code []file) []string {
	defined := map[string]bool{}
	for _, f := range code {
		for _, match := range testDefined.FindAllStringSubmatch(f.text, -1) {
			defined[match[1]] = true
		}
	}
	var missing []string
	for _, page := range pages {
		for _, match := range testNamed.FindAllStringSubmatch(page.text, -1) {
			if !defined[match[1]] {
				missing = append(missing, page.path+" names "+match[1]+", which does not exist")
			}
		}
	}
	return missing
}

func TestPagesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	var pages, code []file
	for _, f := range tree(t) {
		switch {
		case strings.HasSuffix(f.path, ".md"):
			pages = append(pages, f)
		case f.isTest():
			code = append(code, f)
		}
	}
	require.NotEmpty(t, pages)
	for _, missing := range namelessTests(pages, code) {
		t.Errorf("%s (docs)", missing)
	}
}

func TestPagesAreHeldAgainstTheTests(t *testing.T) {
	t.Parallel()
	page := []file{{path: "a.md", text: "shown by `TestOne` and `TestTwo`"}}
	code := []file{{path: "a_test.go", text: "func TestOne(t *testing.T) {\n}\n"}}
	require.Equal(t, []string{"a.md names TestTwo, which does not exist"},
		namelessTests(page, code))
}
