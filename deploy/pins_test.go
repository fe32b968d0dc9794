package deploy

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	foreign = regexp.MustCompile(`(?m)^\s*(?:- )?(uses|container|image|FROM):?[ \t]+(\S.*)$`)
	commit  = regexp.MustCompile(`^\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	digest  = regexp.MustCompile(`^[^\s@]+:[^\s@]+@sha256:[0-9a-f]{64}$`)
	own     = regexp.MustCompile(`^(tuma|tuma-sandbox)(:\S+)?$`)
)

// foreignFiles are the texts that name actions and images, by path.
func foreignFiles(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{"deploy/Dockerfile": read(t, "Dockerfile")}
	for _, folder := range []string{".github/workflows", "deploy"} {
		err := fs.WalkDir(os.DirFS(".."), folder, func(name string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name)) {
				texts[name] = read(t, filepath.Join("..", name))
			}
			return err
		})
		require.NoError(t, err)
	}
	return texts
}

// examinePins returns what is used by a name that can be moved, and is not listed; and what is
// listed without need.
func examinePins(texts map[string]string, list string) []string {
	var problems []string
	listed := map[string]bool{}
	for line := range strings.Lines(list) {
		if name := strings.TrimSpace(line); name != "" && !strings.HasPrefix(name, "#") {
			listed[name] = false
		}
	}
	used := 0
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		built := stages(texts[path])
		for _, found := range foreign.FindAllStringSubmatch(texts[path], -1) {
			word, name := found[1], strings.TrimSpace(found[2])
			if word == "FROM" {
				name, _, _ = strings.Cut(name, " AS ")
			}
			_, byTag := listed[name]
			switch {
			case built[name] != nil, name == "scratch", own.MatchString(name):
				continue
			case word == "uses" && !commit.MatchString(name):
				problems = append(problems, fmt.Sprintf("%s: %s has no commit, or no version behind it",
					path, name))
			case word != "uses" && byTag:
				listed[name] = true
			case word != "uses" && !digest.MatchString(name):
				problems = append(problems, fmt.Sprintf("%s: %s has no digest and is not in to-pin",
					path, name))
			}
			used++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if !listed[name] {
			problems = append(problems, "to-pin: "+name+" is not used by tag")
		}
	}
	if used < 8 {
		problems = append(problems, fmt.Sprintf("only %d uses are seen", used))
	}
	return problems
}

func TestWhatIsForeignIsPinned(t *testing.T) {
	t.Parallel()
	list := read(t, "to-pin")
	require.Empty(t, examinePins(foreignFiles(t), list))
	sum := strings.Repeat("0a", 32)
	for path, breaks := range map[string][]breakage{
		".github/workflows/ci.yaml": {
			{"@11d5960a326750d5838078e36cf38b85af677262", "@v4", "actions/checkout@v4 # v4.4.0 has no"},
			{"677262 # v4", "67726 # v4", "67726 # v4.4.0 has no commit"},
			{" # v4.4.0", "", "actions/checkout@11d5960a326750d5838078e36cf38b85af677262 has no commit"},
			{"container: golang:1.26.8", "container: golang:1.26", "golang:1.26 has no digest"},
		},
		"deploy/Dockerfile": {
			{"FROM golang:1.26.8", "FROM golang:1.26.9", "golang:1.26.9 has no digest"},
			{"FROM scratch", "FROM alpine:3.23", "alpine:3.23 has no digest"},
			{"FROM golang:1.26.8", "FROM golang:1.26.8@sha256:" + sum[1:], "has no digest"},
		},
		"deploy/compose.yaml":     {{"image: redis:7.4.6", "image: redis:7.4.7", "redis:7.4.7 has no"}},
		"deploy/redis/redis.yaml": {{"image: redis:7.4.6", "image: redis:7.4.7", "redis:7.4.7 has no"}},
	} {
		for _, b := range breaks {
			texts := foreignFiles(t)
			texts[path] = b.apply(t, texts[path])
			requireFound(t, examinePins(texts, list), b.found)
		}
	}
	requireFound(t, examinePins(foreignFiles(t), list+"busybox:1\n"), "busybox:1 is not used by tag")

	pinnedTexts := foreignFiles(t)
	for path, text := range pinnedTexts {
		pinnedTexts[path] = strings.ReplaceAll(text, "golang:1.26.8", "golang:1.26.8@sha256:"+sum)
	}
	require.Equal(t, []string{"to-pin: golang:1.26.8 is not used by tag"},
		examinePins(pinnedTexts, list))
	require.Empty(t, examineImage(t, pinnedTexts["deploy/Dockerfile"], read(t, "../.dockerignore")))
}
