package state_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"tuma/internal/state"
)

// fromRedis are the names that Redis gives to scripts, and those of Lua that the scripts use.
var fromRedis = strings.Fields("KEYS ARGV redis cjson error ipairs math next pairs setmetatable " +
	"string table tonumber tostring type unpack")

var includeLine = regexp.MustCompile(`(?m)^-- include: (.*)$`)

// TestScriptsIncludeWhatTheyUse compiles every script and looks for names that no included file
// gives it; and takes out each file that a verb includes, which must be missed.
func TestScriptsIncludeWhatTheyUse(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("lua/commands/*.lua")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		verb := readLua(t, file)
		require.Empty(t, unknownNames(t, verb), file)
		names := strings.Split(includeLine.FindStringSubmatch(verb)[1], ", ")
		for i, name := range names {
			others := "-- include: " + strings.Join(slices.Delete(slices.Clone(names), i, i+1), ", ")
			if len(names) == 1 {
				others = "-- include: providers"
			}
			without := includeLine.ReplaceAllString(verb, others)
			require.True(t, name == "providers" || len(unknownNames(t, without)) > 0,
				"%s includes %s without need", file, name)
		}
	}
}

// unknownNames lists the global names that the script of a verb reads or sets and Redis does not
// have.
func unknownNames(t *testing.T, verb string) (names []string) {
	t.Helper()
	text := state.ScriptText(state.Options{}, verb)
	statements, err := parse.Parse(strings.NewReader(text), "script")
	require.NoError(t, err)
	script, err := lua.Compile(statements, "script")
	require.NoError(t, err)
	var read func(p *lua.FunctionProto)
	read = func(p *lua.FunctionProto) {
		for _, instruction := range p.Code {
			operation, constant := int(instruction>>26), instruction&0x3ffff
			if operation == lua.OP_GETGLOBAL || operation == lua.OP_SETGLOBAL {
				if name := fmt.Sprint(p.Constants[constant]); !slices.Contains(fromRedis, name) {
					names = append(names, name)
				}
			}
		}
		for _, inner := range p.FunctionPrototypes {
			read(inner)
		}
	}
	read(script)
	return names
}
