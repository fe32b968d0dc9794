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

// luaHeader wants every Lua file to begin with its name and what it is for, and every verb with its
// contract: the files that it includes, its key and what it returns. Its arguments are named in one
// list, and read by these names.
func luaHeader(f file) []finding {
	folder, name := path.Split(f.path)
	if !f.is(".lua") {
		return nil
	}
	title := "-- " + strings.TrimSuffix(name, ".lua") + ": "
	if !strings.HasPrefix(f.text, title) {
		return []finding{{1, "file does not begin with `" + title + "` and what it is for"}}
	}
	if folder != "internal/state/lua/commands/" {
		return nil
	}
	var found []finding
	header, body, _ := strings.Cut(f.text, "\n\n")
	for _, start := range []string{"-- include: ", "-- KEYS[1]: ", "-- Returns"} {
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
