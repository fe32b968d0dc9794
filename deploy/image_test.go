package deploy

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"tuma/internal/test/proctest"
)

// stage is one FROM of the Dockerfile and what follows: a word and its arguments per instruction.
type stage struct {
	from         string
	instructions [][2]string
}

// stages reads a Dockerfile by the names of its stages; the one without is the last.
func stages(text string) map[string]*stage {
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	all := map[string]*stage{}
	var current *stage
	for line := range strings.Lines(text) {
		word, arguments, _ := strings.Cut(strings.TrimSpace(line), " ")
		arguments = strings.Join(strings.Fields(arguments), " ")
		switch {
		case word == "FROM":
			image, name, _ := strings.Cut(arguments, " AS ")
			current = &stage{from: image}
			all[name], all[""] = current, current
		case word != "" && current != nil:
			current.instructions = append(current.instructions, [2]string{word, arguments})
		}
	}
	return all
}

// all returns the arguments of every instruction with that word, those of the stages below first.
func (s *stage) all(stages map[string]*stage, word string) []string {
	var found []string
	if below := stages[s.from]; below != nil {
		found = below.all(stages, word)
	}
	for _, instruction := range s.instructions {
		if instruction[0] == word {
			found = append(found, instruction[1])
		}
	}
	return found
}

var (
	pinned   = regexp.MustCompile(`^golang:(\d+\.\d+\.\d+)(?:@sha256:[0-9a-f]{64})?$`)
	numbered = regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`)
	mount    = regexp.MustCompile(`--mount=\S+ `)
)

// examineImage returns all that is wrong with the Dockerfile, beside what it builds.
func examineImage(t *testing.T, dockerfile, ignored string) []string {
	t.Helper()
	var problems []string
	problem := func(format string, values ...any) {
		problems = append(problems, fmt.Sprintf(format, values...))
	}
	all := stages(dockerfile)
	production, building := all[""], all["build"]
	require.NotNil(t, building)
	module, err := modfile.ParseLax("go.mod", []byte(read(t, "../go.mod")), nil)
	require.NoError(t, err)
	if version := pinned.FindStringSubmatch(building.from); version == nil {
		problem("FROM %s: must name a whole version of Go", building.from)
	} else if semver.Compare("v"+version[1], "v"+module.Go.Version) < 0 {
		problem("FROM %s: go.mod asks for %s", building.from, module.Go.Version)
	}
	if production != all["tuma"] {
		problem("tuma is not the last stage, which a build without --target makes")
	}
	if users := production.all(all, "USER"); len(users) != 1 || !numbered.MatchString(users[0]) {
		problem("USER %v: must be numbers, and not root", users)
	}
	copies := production.all(all, "COPY")
	if !slices.ContainsFunc(copies, func(c string) bool {
		return strings.Contains(c, "/etc/ssl/certs/ca-certificates.crt")
	}) {
		problem("has no certificates: the providers are reached over https")
	}
	if !slices.Contains(building.all(all, "RUN"), "mkdir -p -m 1777 /out/scratch/tmp") ||
		!slices.Contains(copies, "--from=build /out/scratch/ /") {
		problem("has no /tmp that everybody may write: an import from standard input is kept there")
	}
	if !slices.Contains(copies, "--from=build /out/licenses/ /licenses/") {
		problem("has no licences of what its programs are linked from")
	}
	if strings.Contains(strings.Join(copies, " "), "sandbox") {
		problem("the simulated providers are in the image of production")
	}
	for _, word := range []string{"ENV", "ARG"} {
		if set := production.all(all, word); len(set) > 0 {
			problem("%s %v: settings belong to the deployment", word, set)
		}
	}
	sent := sentFiles(ignored)
	for _, copied := range building.all(all, "COPY") {
		words := strings.Fields(copied)
		for _, source := range words[:len(words)-1] {
			if _, err := os.Stat(filepath.Join("..", source)); err != nil || !slices.Contains(sent, source) {
				problem("COPY %s: is not there, or left out by .dockerignore", source)
			}
		}
	}
	return problems
}

// sentFiles are the names that .dockerignore lets through.
func sentFiles(ignored string) []string {
	var names []string
	for line := range strings.Lines(ignored) {
		if name, sent := strings.CutPrefix(strings.TrimSpace(line), "!"); sent {
			names = append(names, name)
		}
	}
	return names
}

func TestImageIsSmallPinnedAndNobodysRoot(t *testing.T) {
	t.Parallel()
	ignored := read(t, "../.dockerignore")
	require.Contains(t, ignored, "\n*\n", "everything is left out but what is named")
	require.Empty(t, examineImage(t, read(t, "Dockerfile"), ignored))
	for _, b := range []breakage{
		{"golang:1.26.8", "golang:1.26", "must name a whole version of Go"},
		{"golang:1.26.8", "golang:1.25.9", "go.mod asks for"},
		{"USER 65532:65532", "USER nonroot", "must be numbers"},
		{"USER 65532:65532", "USER 0:0", "must be numbers"},
		{"USER 65532:65532\n", "", "must be numbers"},
		{"COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\n", "", "no certificates"},
		{"COPY --from=build /out/scratch/ /\n", "", "has no /tmp"},
		{"-m 1777 ", "", "has no /tmp"},
		{"COPY --from=build /out/licenses/ /licenses/\n", "", "has no licences"},
		{"COPY scripts/licences scripts/", "COPY scripts/need scripts/", "COPY scripts/need: is not"},
		{"/out/enqueuer /out/worker", "/out/enqueuer /out/sandbox /out/worker", "simulated providers"},
		{"FROM empty AS tuma", "FROM sandbox AS tuma", "simulated providers"},
		{"FROM empty AS tuma", "FROM empty AS other", "not the last stage"},
		{"FROM empty AS tuma\n", "FROM empty AS tuma\nENV TUMA_LOG_LEVEL=debug\n", "settings belong"},
		{"COPY cmd cmd", "COPY cmd bench cmd", "COPY bench: is not there, or left out"},
	} {
		requireFound(t, examineImage(t, b.apply(t, read(t, "Dockerfile")), ignored), b.found)
	}
}

// built is the folder of the programs that the Dockerfile builds. The build runs once, in a copy of
// what Docker is sent.
var built = sync.OnceValues(func() (string, error) {
	folder, err := proctest.SharedDir()
	if err != nil {
		return "", err
	}
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		return "", err
	}
	ignored, err := os.ReadFile("../.dockerignore")
	if err != nil {
		return "", err
	}
	tree, out := filepath.Join(folder, "tree"), filepath.Join(folder, "out")
	if err := os.Mkdir(tree, 0o700); err != nil {
		return "", err
	}
	for _, name := range sentFiles(string(ignored)) {
		sent := exec.Command("cp", "-r", "--parents", name, tree)
		sent.Dir = ".."
		if output, err := sent.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, output)
		}
	}
	all := stages(string(dockerfile))
	for _, run := range all["build"].all(all, "RUN") {
		here := strings.ReplaceAll(mount.ReplaceAllString(run, ""), "/out/", out+"/")
		build := exec.Command("sh", "-c", here)
		build.Dir = tree
		if output, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, output)
		}
	}
	return out, nil
})

// TestImageHoldsStaticPrograms asks every program of the image for the commands that compose and
// Kubernetes give it.
func TestImageHoldsStaticPrograms(t *testing.T) {
	t.Parallel()
	proctest.NotInShort(t, "the programs of the image")
	out, err := built()
	require.NoError(t, err)
	all := stages(read(t, "Dockerfile"))
	held := map[string]bool{}
	for _, copied := range all["tuma"].all(all, "COPY") {
		for word := range strings.FieldsSeq(copied) {
			if name, ours := strings.CutPrefix(word, "/out/"); ours && !strings.HasSuffix(name, "/") {
				requireStatic(t, filepath.Join(out, name))
				held[name] = true
			}
		}
	}
	for _, command := range commands(t) {
		require.True(t, held[command[0]], "%v is not in the image", command)
		program := exec.Command(filepath.Join(out, command[0]), append(command[1:], "--help")...)
		help, err := program.Output()
		require.NoError(t, err)
		require.Contains(t, string(help), "Usage:\n  "+strings.Join(command, " "))
	}
}

// TestImageHoldsTheLicencesOfItsModules asks every program for the modules that it is linked from.
func TestImageHoldsTheLicencesOfItsModules(t *testing.T) {
	t.Parallel()
	proctest.NotInShort(t, "the programs of the image")
	out, err := built()
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(out, "licenses/LICENSE"), "ours")
	require.FileExists(t, filepath.Join(out, "licenses/go/LICENSE"), "that of Go itself")
	linked := map[string]bool{}
	for _, name := range []string{"enqueuer", "worker", "poller", "sandbox"} {
		info, err := buildinfo.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		for _, module := range info.Deps {
			require.Nil(t, module.Replace)
			linked[module.Path+"@"+module.Version] = true
		}
	}
	require.Greater(t, len(linked), 20)
	for module := range linked {
		require.NotEmpty(t, licences(t, filepath.Join(out, "licenses", module)), module)
	}
	// A dashboard of other modules is in it.
	scripts, err := filepath.Glob(filepath.Join(out,
		"licenses/github.com/hibiken/asynqmon@*/ui/build/static/js/*LICENSE.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
}

// licences are the files of a folder that hold a licence and can be read by whoever runs the image.
func licences(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		if name := strings.ToUpper(file.Name()); info.Size() > 0 && info.Mode().Perm() == 0o644 &&
			(strings.Contains(name, "LICENSE") || strings.Contains(name, "LICENCE")) {
			names = append(names, file.Name())
		}
	}
	return names
}

// requireStatic checks that a program needs no loader and no library of the system.
func requireStatic(t *testing.T, program string) {
	t.Helper()
	file, err := elf.Open(program)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	for _, header := range file.Progs {
		require.NotEqual(t, elf.PT_INTERP, header.Type, "%s is not static", program)
	}
}

// commands are what compose and Kubernetes run of our image.
func commands(t *testing.T) [][]string {
	t.Helper()
	var list [][]string
	project, err := compose(t, readCompose(t, composeFiles...))
	require.NoError(t, err)
	for _, service := range project.Services {
		if strings.HasPrefix(service.Image, "tuma:") {
			list = append(list, service.Command)
		}
	}
	for _, overlay := range overlays {
		c, problems := decode(build(t, overlay), "")
		require.Empty(t, problems)
		for _, w := range c.ours() {
			list = append(list, w.container().Command)
		}
	}
	require.Len(t, list, 4*(1+len(overlays)))
	return list
}

func TestADynamicProgramIsNotTakenForAStaticOne(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	file, err := elf.Open(shell)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	require.True(t, slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool {
		return p.Type == elf.PT_INTERP
	}), "the shell of this machine shows nothing: it is static")
}
