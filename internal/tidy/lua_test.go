package tidy

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	luaNamed  = regexp.MustCompile(`^  '(\w+)#?',`)
	luaRead   = regexp.MustCompile(`\barg\.(\w+)`)
	luaNumber = regexp.MustCompile(`\bARGV\[\d+\]`)
)

// luaHeader wants every verb to begin with its contract: what it does, the files that it includes,
// its key and what it returns. Its arguments are named in one list, and read by these names.
func luaHeader(f file) []finding {
	folder, name := path.Split(f.path)
	if folder != "internal/state/lua/commands/" || !f.is(".lua") {
		return nil
	}
	var found []finding
	header, body, _ := strings.Cut(f.text, "\n\n")
	for _, start := range []string{
		"-- " + strings.TrimSuffix(name, ".lua") + ": ", "-- include: ", "-- KEYS[1]: ", "-- Returns",
	} {
		if !strings.Contains("\n"+header, "\n"+start) {
			found = append(found, finding{1, "header has no line `" + start + "`"})
		}
	}
	return append(found, luaArguments(f, body)...)
}

// luaArguments compares the names in the list of arguments with those that the body reads.
func luaArguments(f file, body string) []finding {
	var names []string
	list, _, _ := strings.Cut(body, "\n}\n")
	for line := range strings.Lines(list) {
		if named := luaNamed.FindStringSubmatch(line); named != nil {
			names = append(names, named[1])
		}
	}
	var found []finding
	read := map[string]bool{}
	for i, line := range f.lines() {
		code, _, _ := strings.Cut(line, "--")
		if luaNumber.MatchString(code) {
			found = append(found, finding{i + 1, "an argument is read by its number"})
		}
		for _, match := range luaRead.FindAllStringSubmatch(code, -1) {
			read[match[1]] = true
			if !slices.Contains(names, match[1]) {
				found = append(found, finding{i + 1, "no argument is named " + match[1]})
			}
		}
	}
	for _, name := range names {
		if !read[name] {
			found = append(found, finding{1, "the argument " + name + " is never read"})
		}
	}
	return found
}
