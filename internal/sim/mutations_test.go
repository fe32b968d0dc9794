package sim_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/proctest"
)

var (
	breaksFlag = flag.Bool("sim.breaks", false, "break the Go code, too, to see that it is noticed")
	quietFlag  = flag.Bool("sim.quiet", false, "do not look for a shorter story")
)

// within is how many seeds may pass until a break is noticed.
const within = 50

// breaks are deliberate breaks of one line each: of a script, by its verb (empty where every script
// has the line), or of a file of Go.
var breaks = []struct{ name, where, old, new string }{
	{
		"claim takes who is not queued", "claim",
		"if run[3] == 'q' and run[4] == place then draw", "if true then draw",
	},
	{
		"claim sends more requests at once", "claim",
		"if redis.call('ZCARD', out) >= slots then", "if false then",
	},
	{
		"nobody is taken to be silent", "sweep",
		"elseif b.state == 'sending' then", "elseif b.state == 'never' then",
	},
	{
		"record returns what is unknown", "record",
		"elseif v.verdict == 'unsent' and first then", "elseif v.verdict ~= 'rejected' then",
	},
	{
		"record returns from a second attempt", "record",
		"local first = attempt == 1", "local first = true",
	},
	{
		"silence sends again", "sweep",
		"put(d, run[1], run[2], 's', b.id, 'd', b.id) end", "give_back(d, run[1], run[2]) end",
	},
	{"not known sends again at once", "notknown", "if now < free then", "if false then"},
	{"a key is repeated after it has expired", "", "resend = 240000", "resend = 24000000"},
	{
		"rank is ignored", "",
		"if rank > had or (newer and old ~= status) then", "if old ~= status then",
	},
	{
		"a result is not published", "",
		"publish(d, pos, status, place, STATUS[old].settled, reason, reference, message)", "",
	},
	{
		"a move is not booked", "",
		"move(d, before, old, after, status, count, sum_of(d, from, to))", "",
	},
	{
		"who is given back is not pending", "", "push_pending(d, from, to, place, head)\n  end",
		"end",
	},
	{
		"another content is accepted", "accept",
		"return known == digest and 'same' or 'conflict'", "if known == digest then return 'same' end",
	},
	{
		"cancelled recipients are given back", "", "local function cancelled(d)\n",
		"local function cancelled(d)\n  if true then return false end\n",
	},
	{
		"refused begins are sent", "internal/tasks/submit.go",
		"return state.Recorded{}, nil // It moved on: somebody else decides about it.",
		"left = time.Minute",
	},
	{
		"begins without an answer are sent", "internal/tasks/submit.go",
		"return state.Recorded{}, err // Perhaps begun; the sweep will ask the provider.",
		"left = time.Minute",
	},
	{
		"an answer is stored once or never", "internal/tasks/submit.go",
		"if errors.Is(err, redis.ErrClosed) {", "if err != nil || errors.Is(err, redis.ErrClosed) {",
	},
	{
		"a repetition has another id", "internal/tasks/submit.go",
		"ID: b.ID, Recipients: b.Recipients(),", "ID: token, Recipients: b.Recipients(),",
	},
	{
		"a broken connection counts as unsent", "internal/providers/classify.go",
		"answer := Answer{Verdict: airtime.Unknown,", "answer := Answer{Verdict: airtime.Unsent,",
	},
	{
		"a server error counts as unsent", "internal/providers/classify.go",
		"case reason == airtime.ReasonCredentials, reason ==",
		"case reason == airtime.ReasonServerError, reason == airtime.ReasonCredentials, reason ==",
	},
	{
		"who is left out counts as refused", "internal/providers/sozuri/answer.go",
		"Verdict: airtime.Unknown, Reason: airtime.ReasonMissing,",
		"Verdict: airtime.Refused, Reason: airtime.ReasonMissing,",
	},
	{
		"a callback is believed", "internal/callback/confirm.go",
		"if !found || !line.Status.Valid() || ahead {", "if line.Status = k.Status; ahead && false {",
	},
	{
		"a job is done before it is held", "internal/tasks/accept.go",
		"outcomes, err := a.Inlet.Accept(ctx, disbursals)\n\tif err != nil {\n\t\treturn err",
		"outcomes, err := a.Inlet.Accept(ctx, disbursals)\n\tif err != nil {\n\t\treturn nil",
	},
}

// TestEveryBreakOfTheScriptsIsNoticed breaks them one line at a time.
//
//nolint:paralleltest // The simulation stands between the code of the whole process and the world.
func TestEveryBreakOfTheScriptsIsNoticed(t *testing.T) {
	skipUnderRace(t)
	for _, b := range breaks {
		if strings.HasSuffix(b.where, ".go") {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			found := 0
			s := onStage(t, func(verb, text string) string {
				if b.where != "" && b.where != verb {
					return text
				}
				found += strings.Count(text, b.old)
				return strings.Replace(text, b.old, b.new, 1)
			})
			for seed := uint64(1); seed <= within; seed++ {
				if broken, _ := tell(t, s, seed, nil, every); len(broken) > 0 {
					t.Logf("| %s | %d | %.90s |", b.name, seed, broken[0])
					require.Positive(t, found, "the line to break is not there")
					return
				}
			}
			require.Positive(t, found, "the line to break is not there")
			t.Fatalf("not noticed within %d seeds", within)
		})
	}
}

// TestEveryBreakOfTheCodeIsNoticed builds the simulation anew with one line changed, and wants it
// to fail. It takes a build each, so that it waits for the flag.
//
//nolint:paralleltest // Each build takes all processors.
func TestEveryBreakOfTheCodeIsNoticed(t *testing.T) {
	skipUnderRace(t)
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	for _, b := range breaks {
		if !strings.HasSuffix(b.where, ".go") {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			path := filepath.Join(root, b.where)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(text), b.old), "the line to break")
			if !*breaksFlag {
				return
			}
			broken := filepath.Join(t.TempDir(), "broken.go")
			changed := strings.Replace(string(text), b.old, b.new, 1)
			require.NoError(t, os.WriteFile(broken, []byte(changed), 0o600))
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: broken}})
			require.NoError(t, err)
			list := filepath.Join(t.TempDir(), "overlay.json")
			require.NoError(t, os.WriteFile(list, overlay, 0o600))
			command := exec.Command("go", "test", "-count=1", "-run", "^TestSimulation$", "-overlay",
				list, "./internal/sim", "-args", "-sim.quiet", "-sim.seeds", strconv.Itoa(within))
			command.Dir = root
			output, err := command.CombinedOutput()
			require.Error(t, err, "not noticed within %d seeds", within)
			said := noticed(string(output))
			require.NotEmpty(t, said, "%s", output)
			t.Logf("| %s | %s |", b.name, said)
		})
	}
}

// noticed finds in the output of a simulation which seed went wrong, and how.
func noticed(output string) string {
	_, after, found := strings.Cut(output, "went wrong: ")
	if !found {
		return ""
	}
	line, _, _ := strings.Cut(after, "\n")
	return line
}
