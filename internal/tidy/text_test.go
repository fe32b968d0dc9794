package tidy

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	columnsMax     = 100
	tabWidth       = 1
	fileLinesMax   = 400
	testLinesMax   = 800
	mainLinesMax   = 120
	functionsLimit = 70
)

// columns limits the width of lines. A line with an address is spared: addresses cannot be broken.
func columns(f file) []finding {
	if f.foreign() || !f.is(".go") && !f.is(".lua") {
		return nil
	}
	var found []finding
	for i, line := range f.lines() {
		width := utf8.RuneCountInString(line) + (tabWidth-1)*strings.Count(line, "\t")
		if width > columnsMax && !strings.Contains(line, "://") {
			what := fmt.Sprintf("line has %d columns, at most %d", width, columnsMax)
			found = append(found, finding{i + 1, what})
		}
	}
	return found
}

// fileLength limits the length of Go files; a main.go only wires, so it is shorter.
func fileLength(f file) []finding {
	if f.foreign() || !f.is(".go") {
		return nil
	}
	limit := fileLinesMax
	switch {
	case f.isTest():
		limit = testLinesMax
	case path.Base(f.path) == "main.go":
		limit = mainLinesMax
	}
	if lines := len(f.lines()); lines > limit {
		return []finding{{limit + 1, fmt.Sprintf("file has %d lines, at most %d", lines, limit)}}
	}
	return nil
}

// unfinished finds words by which authors mark what they left undone. They are put together here so
// that this file does not find itself. Behind a quote they are data: one is a currency's code.
var (
	marks      = []string{"FIX" + "ME", "TO" + "DO", "X" + "XX"}
	unfinished = regexp.MustCompile(`(?:^|[^\w"])(` + strings.Join(marks, "|") + `)\b`)
)

// markers refuses marks of unfinished work: it is finished, or it is an issue.
func markers(f file) []finding {
	if f.foreign() {
		return nil
	}
	return matches(f, unfinished, marks, "mark of unfinished work %q: finish it or open an issue")
}

// markdownTitle wants one title per page, so that lists of pages read well.
func markdownTitle(f file) []finding {
	if f.foreign() || !f.is(".md") {
		return nil
	}
	var found []finding
	titles, fenced := 0, false
	for i, line := range f.lines() {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced || !strings.HasPrefix(line, "# ") {
			continue
		}
		if titles++; titles > 1 {
			found = append(found, finding{i + 1, "second title (a line that begins with one #)"})
		}
	}
	if titles == 0 {
		found = append(found, finding{1, "page has no title (a line that begins with one #)"})
	}
	return found
}

// machinePath finds absolute paths of somebody's machine. The names are put together here so that
// this file does not find itself.
var (
	machineFolders = []string{"/wo" + "rk/", "/ro" + "ot/"}
	machinePath    = regexp.MustCompile(`(?:^|[^\w.~}>-])(` + strings.Join(machineFolders, "|") + `)`)
)

// registries are hosts of package registries: where modules come from is each machine's setting.
var (
	registryHosts = strings.Fields(strings.ReplaceAll(`
		proxy,golang,org sum,golang,org index,golang,org goproxy,io goproxy,cn
		registry,npmjs,org registry,yarnpkg,com pypi,org files,pythonhosted,org
		crates,io rubygems,org repo,maven,apache,org deb,debian,org
		archive,ubuntu,com dl-cdn,alpinelinux,org`, ",", "."))
	registries = regexp.MustCompile(`\b(` +
		strings.ReplaceAll(strings.Join(registryHosts, "|"), ".", `\.`) + `)\b`)
)

// machine refuses what holds on one machine only.
func machine(f file) []finding {
	found := matches(f, machinePath, machineFolders,
		"path of a machine %q: use a relative path or a setting")
	return append(found, matches(f, registries, registryHosts,
		"host of a package registry %q: leave it out")...)
}

// matches reports the lines in which the pattern's first group is found. In a file without any of
// its words, which are searched for much faster, there are none.
func matches(f file, pattern *regexp.Regexp, words []string, format string) []finding {
	if !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(f.text, word) }) {
		return nil
	}
	var found []finding
	for i, line := range f.lines() {
		if match := pattern.FindStringSubmatch(line); match != nil {
			found = append(found, finding{i + 1, fmt.Sprintf(format, match[1])})
		}
	}
	return found
}
