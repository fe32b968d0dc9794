package tidy

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	luaDocumented = regexp.MustCompile(`^-- (KEYS|ARGV)\[(\d+)\]`)
	luaUsed       = regexp.MustCompile(`\b(KEYS|ARGV)\[(\d+)\]`)
	// luaOpenEnded finds uses of arguments by a computed number: the last documented argument may
	// stand for all that follow it.
	luaOpenEnded = regexp.MustCompile(`#ARGV\b|\bARGV\[[^\]\d]|\bARGV\s*[,)]`)
)

// luaScript is what the header of a script promises and its body does.
type luaScript struct {
	keys, arguments []int // As documented, in order.
	returns         bool
	used            map[string]int // "ARGV[1]" → first line.
	openEnded       bool
}

func readLua(f file) luaScript {
	script := luaScript{used: map[string]int{}}
	header := true
	for i, line := range f.lines() {
		header = header && strings.HasPrefix(line, "--")
		if header {
			script.readHeader(line)
			continue
		}
		code, _, _ := strings.Cut(line, "--")
		for _, match := range luaUsed.FindAllString(code, -1) {
			if _, seen := script.used[match]; !seen {
				script.used[match] = i + 1
			}
		}
		script.openEnded = script.openEnded || luaOpenEnded.MatchString(code)
	}
	return script
}

func (s *luaScript) readHeader(line string) {
	s.returns = s.returns || strings.HasPrefix(line, "-- Returns")
	match := luaDocumented.FindStringSubmatch(line)
	if match == nil {
		return
	}
	number, err := strconv.Atoi(match[2])
	if err != nil {
		return // More digits than a number has: the count below does not fit then.
	}
	if match[1] == "KEYS" {
		s.keys = append(s.keys, number)
	} else {
		s.arguments = append(s.arguments, number)
	}
}

// luaHeader wants every script to begin with its contract: keys, arguments in order, and what it
// returns; and the body to use exactly what the contract names. What several scripts include is no
// script of its own.
func luaHeader(f file) []finding {
	folder, _ := path.Split(f.path)
	if folder != "internal/state/lua/commands/" || !f.is(".lua") {
		return nil
	}
	script := readLua(f)
	var found []finding
	if len(script.keys) == 0 {
		found = append(found, finding{1, "header has no line `-- KEYS[1]`"})
	}
	if !script.returns {
		found = append(found, finding{1, "header has no line `-- Returns`"})
	}
	found = append(found, inOrder("KEYS", script.keys)...)
	found = append(found, inOrder("ARGV", script.arguments)...)
	return append(found, usedAsDocumented(script)...)
}

func inOrder(list string, numbers []int) []finding {
	for i, number := range numbers {
		if number != i+1 {
			what := fmt.Sprintf("header names %s[%d], but the next is [%d]", list, number, i+1)
			return []finding{{1, what}}
		}
	}
	return nil
}

func usedAsDocumented(script luaScript) []finding {
	var found []finding
	documented := map[string]bool{}
	for i, number := range script.arguments {
		name := fmt.Sprintf("ARGV[%d]", number)
		documented[name] = true
		last := i == len(script.arguments)-1
		if _, used := script.used[name]; !used && (!last || !script.openEnded) {
			found = append(found, finding{1, "header names " + name + ", which is never used"})
		}
	}
	for _, number := range script.keys {
		documented[fmt.Sprintf("KEYS[%d]", number)] = true
	}
	for name, line := range script.used {
		if !documented[name] {
			found = append(found, finding{line, name + " is used but not named in the header"})
		}
	}
	return found
}
