package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tuma/internal/sandbox"
	"tuma/internal/test/mutation"
	"tuma/internal/test/proctest"
)

// crashing lets a program end itself with SIGKILL right before or right after the n-th effect of a
// name, as CRASH_AT says ("after record#2"), and write the name of each effect that it has, once,
// to the file CRASH_TRACE. Nothing of the process runs after the signal: no deferred call, no
// answer to anybody. With CRASH_BY it freezes instead (SIGSTOP), and goes on when it gets SIGCONT.
var crashing = []mutation.Edit{{File: "internal/effect/crash.go", To: `package effect

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() { interceptor = crashAt(os.Getenv("CRASH_AT"), os.Getenv("CRASH_TRACE")) }

func crashAt(point, trace string) Interceptor {
	moment, rest, _ := strings.Cut(point, " ")
	name, number, _ := strings.Cut(rest, "#")
	nth, _ := strconv.ParseInt(number, 10, 64)
	var begun atomic.Int64
	var traced sync.Map
	return func(_ context.Context, effect string, run func() error) error {
		if _, before := traced.LoadOrStore(effect, true); !before && trace != "" {
			file, err := os.OpenFile(trace, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			_, _ = file.WriteString(effect + "\n")
			_ = file.Close()
		}
		here := effect == name && begun.Add(1) == nth
		if here && moment == "before" {
			end(point)
		}
		err := run()
		if here && moment == "after" {
			end(point)
		}
		return err
	}
}

func end(point string) {
	if os.Getenv("CRASH_BY") == "SIGSTOP" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(50 * time.Millisecond) // A thread may go on until the signal reaches it.
		return
	}
	_, _ = os.Stderr.WriteString("killed " + point + "\n")
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
`}}

// The programs that can be told where to end. They do without the race detector: there are hundreds
// of them, and the other tests look for races in the same code.
var (
	mortalWorker = &proctest.Variant{
		Name: "mortal-worker", Command: cmdWorker, Edits: crashing, Slow: true,
	}
	mortalPoller = &proctest.Variant{
		Name: "mortal-poller", Command: cmdPoller, Edits: crashing, Slow: true,
	}
	mortalEnqueuer = &proctest.Variant{
		Name: "mortal-enqueuer", Command: cmdEnqueuer, Edits: crashing, Slow: true,
	}
)

// crashPath is a way on which one program has effects, and its scenario: the scenario
// starts everything, lets the program die on the way, starts it again and has every recipient
// settle.
type crashPath struct {
	name    string
	program *proctest.Variant
	// reach are the effects of the program at which it dies, by the providers that have them: one
	// process each, right before and right after. "claim" is the first claim, "cancel#2" the second.
	reach    map[string][]string
	scenario func(*crash)
}

// at lists effects that the path has at every provider.
func at(effects ...string) map[string][]string {
	reach := map[string][]string{}
	for _, provider := range sandbox.Providers() {
		reach[provider] = effects
	}
	return reach
}

// and adds effects that the path has at some providers only.
func and(reach map[string][]string, effect string, providers ...string) map[string][]string {
	for _, provider := range providers {
		reach[provider] = append(slices.Clone(reach[provider]), effect)
	}
	return reach
}

// moments are where a process ends: before an effect nothing of it has happened, after it all of
// it has, and the process does not know how it went.
var moments = []string{"before", "after"}

// point is one effect at which one process of one provider's harness ends.
type point struct {
	*crashPath
	provider, effect, moment string
}

// crashAt is the point as the program is told it.
func (p point) crashAt() string {
	effect := p.effect
	if !strings.Contains(effect, "#") {
		effect += "#1"
	}
	return p.moment + " " + effect
}

func (p point) String() string {
	return fmt.Sprintf("%s/%s/%s/%s %s", p.provider, p.command(), p.name, p.moment, p.effect)
}

// command is the name of the program that ends.
func (p *crashPath) command() string { return strings.TrimPrefix(p.program.Command, "./cmd/") }

// plain is an effect without its number.
func plain(effect string) string {
	name, _, _ := strings.Cut(effect, "#")
	return name
}

func points() []point {
	var all []point
	for _, provider := range sandbox.Providers() {
		for i := range crashPaths {
			for _, effect := range crashPaths[i].reach[provider] {
				for _, moment := range moments {
					all = append(all, point{&crashPaths[i], provider, effect, moment})
				}
			}
		}
	}
	return all
}

// crashesAtOnce is how many harnesses there are at the same time: mostly they wait.
const crashesAtOnce = 16

// TestCrashPoints ends a real process right before and right after each of its effects, at each
// provider, and starts it again. However it ended, every recipient settles, the books balance, and
// the provider's ledger shows no recipient paid twice and none lost.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	proctest.LongRuns(t, "make crash")
	for _, program := range []*proctest.Variant{mortalWorker, mortalPoller, mortalEnqueuer} {
		program.Build(t)
	}
	proctest.Build(t, cmdEnqueuer) // It speaks for people, within a time of its own.
	traces := t.TempDir()
	begin := time.Now()
	var died atomic.Int64
	var all errgroup.Group
	all.SetLimit(crashesAtOnce)
	//nolint:paralleltest // They are: the limit of the test binary would be the two cores.
	for _, p := range points() {
		all.Go(func() error {
			t.Run(p.String(), func(t *testing.T) {
				c := newCrash(t, p, traces)
				p.scenario(c)
				require.True(t, c.died, "nobody was killed %s", p.crashAt())
				died.Add(1)
			})
			return nil
		})
	}
	require.NoError(t, all.Wait())
	t.Logf("%d crashes in %s", died.Load(), time.Since(begin).Round(time.Second))
	requireUnreachable(t, traces)
}

// requireUnreachable demands that no harness has had an effect of which the table says that nothing
// of its provider reaches it.
func requireUnreachable(t *testing.T, traces string) {
	t.Helper()
	for _, provider := range sandbox.Providers() {
		text, err := os.ReadFile(tracePath(traces, provider))
		if os.IsNotExist(err) {
			continue // Only some of the points were run.
		}
		require.NoError(t, err)
		for _, row := range unreachable {
			if slices.Contains(row.providers, provider) {
				require.NotContains(t, strings.Split(string(text), "\n"), row.effect,
					"%s: it is said that %s", provider, row.why)
			}
		}
	}
}

// gap is an effect that nothing of some providers reaches, and why not.
type gap struct {
	effect    string
	providers []string
	why       string
}

var (
	onlyLipad = []string{sandbox.AfricasTalking, sandbox.QuickSMS, sandbox.Sozuri}
	onlyAT    = []string{sandbox.Lipad, sandbox.QuickSMS, sandbox.Sozuri}
	nobody    = []string{
		sandbox.Lipad, sandbox.AfricasTalking, sandbox.QuickSMS, sandbox.Sozuri,
	}
)

// onlyResults is why webhooks are looked at with one provider.
const onlyResults = "webhooks know results, and no provider: Lipad's are posted"

// onlyLooks is why no path signs in to the console.
const onlyLooks = "a session of the console is who looks: what the person does has paths of its own"

var unreachable = []gap{
	{"resolveunknown", onlyLipad, "only at Lipad a batch can be asked about by our reference"},
	{"resend", onlyAT, "only Africa's Talking recognises a repetition by its key"},
	{"hint", onlyLipad, "only Lipad's callbacks name the batch, whose query they bring forward"},
	{
		"callback",
		[]string{sandbox.Lipad, sandbox.QuickSMS},
		"Lipad's callbacks are hints, and QuickSMS sends none",
	},
	{"validate", onlyAT, "only Africa's Talking asks before it pays"},
	{"dead letter", []string{sandbox.QuickSMS}, "QuickSMS sends no callbacks"},
	{
		"question",
		[]string{sandbox.QuickSMS, sandbox.Sozuri},
		"QuickSMS and Sozuri cannot be asked anything",
	},
	{
		"observe",
		[]string{sandbox.QuickSMS},
		"at QuickSMS whatever is accepted has settled, and what is in doubt is for people",
	},
	{"upcoming", []string{sandbox.QuickSMS}, "at QuickSMS nothing is scheduled"},
	{"mirror", []string{sandbox.QuickSMS}, "at QuickSMS nothing is scheduled"},
	{"handout", nobody, "a person runs a query in the dashboard before its time"},
	{"pause", nobody, "a pause comes with Record or Requeue: no program asks for it alone"},
	{"queuepause", nobody, "a person pauses a queue in the dashboard"},
	{"codes", nobody, "the four have codes; only other names of providers get one"},
	{"webhook", onlyLipad, onlyResults},
	{"webhookdispatch", onlyLipad, onlyResults},
	{"webhooktry", onlyLipad, onlyResults},
	{"webhookanswer", onlyLipad, onlyResults},
	{"webhookon", onlyLipad, onlyResults},
	{"permissions", nobody, "enqueuer doctor asks what it may do, and does nothing"},
	{"keep session", nobody, onlyLooks},
	{"drop session", nobody, onlyLooks},
	{"count sign-in", nobody, onlyLooks},
	{"forget sign-ins", nobody, onlyLooks},
}
