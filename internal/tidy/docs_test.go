package tidy

import (
	"path"
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

var (
	pageLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pageNamed   = regexp.MustCompile(`\bdocs/[a-z0-9/-]+\.md(?:#[a-z-]+)?`)
	pageHeading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns what links to the headings of a page end with.
func anchors(page file) map[string]bool {
	all := map[string]bool{"": true}
	for _, heading := range pageHeading.FindAllStringSubmatch(page.text, -1) {
		plain := notInAnchor.ReplaceAllString(strings.ToLower(heading[1]), "")
		all[strings.ReplaceAll(plain, " ", "-")] = true
	}
	return all
}

// deadLinks lists links of pages, and pages that other files name, that lead to no file, or to no
// heading of it.
func deadLinks(files []file) (dead []finding, in []string) {
	paths, headings := map[string]bool{".": true}, map[string]map[string]bool{}
	for _, f := range files {
		for at := f.path; at != "."; at = path.Dir(at) {
			paths[at] = true
		}
		if f.is(".md") {
			headings[f.path] = anchors(f)
		}
	}
	for _, f := range files {
		if f.foreign() || f.is("_test.go") && strings.HasPrefix(f.path, "internal/tidy/") {
			continue
		}
		for i, line := range f.lines() {
			for _, target := range targets(f, line) {
				to, anchor, _ := strings.Cut(target, "#")
				if !paths[to] || headings[to] != nil && !headings[to][anchor] {
					dead = append(dead, finding{i + 1, "nothing is at " + target})
					in = append(in, f.path)
				}
			}
		}
	}
	return dead, in
}

// targets are the paths and anchors that a line leads to, from the root.
func targets(f file, line string) (all []string) {
	all = pageNamed.FindAllString(line, -1)
	if !f.is(".md") {
		return all
	}
	for _, link := range pageLink.FindAllStringSubmatch(line, -1) {
		switch to, anchor, found := strings.Cut(link[1], "#"); {
		case strings.Contains(to, ":"):
		case to == "":
			all = append(all, f.path+"#"+anchor)
		case found:
			all = append(all, path.Join(path.Dir(f.path), to)+"#"+anchor)
		default:
			all = append(all, path.Join(path.Dir(f.path), to))
		}
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	dead, in := deadLinks(tree(t))
	for i, found := range dead {
		t.Errorf("%s:%d: %s (docs)", in[i], found.line, found.what)
	}
}

func TestDeadLinksAreFound(t *testing.T) {
	t.Parallel()
	dead, in := deadLinks([]file{
		{"docs/a.md", "# A `b`, c\n\n[x](../README.md#no) [y](#a-b-c) [z](gone.md) [d](https://x/)\n"},
		{"README.md", "# R\n\n[a](docs/a.md#a-b-c) [d](docs)\n"},
		{"a.go", "// docs/a.md says, docs/b.md not\n"},
	})
	require.Equal(t, []finding{
		{3, "nothing is at README.md#no"},
		{3, "nothing is at docs/gone.md"},
		{1, "nothing is at docs/b.md"},
	}, dead)
	require.Equal(t, []string{"docs/a.md", "docs/a.md", "a.go"}, in)
}
