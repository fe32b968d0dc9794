package state_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// audit lists the entries of the audit, without times and hashes.
func audit(t testing.TB, s *state.Store) []string {
	t.Helper()
	var list []string
	err := s.Audit(background, time.Time{}, func(e state.AuditEntry) error {
		list = append(list, strings.Join([]string{e.Who, e.What, e.Name, e.Detail}, " "))
		return nil
	})
	require.NoError(t, err)
	return list
}

// Every decision is an entry, and the chain holds.
func TestDecisionsAreKept(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"each kind of decision":                      everyDecision,
		"what changes nothing decides nothing":       nothingDecided,
		"one that another one came before":           decidedMeanwhile,
		"one whose counts changed before it stood":   changedMeanwhile,
		"one that waited for long":                   decidedSlowly,
		"one that is sent twice":                     decidedTwice,
		"a person's word about several disbursals":   severalDecided,
		"numbers that somebody wrote into anything":  decidedWithNumbers,
		"a pause in the dashboard that is seen late": pausedInTheDashboard,
	})
}

func (g *harness) imports(name, who string) {
	_, err := g.s.OpenImport(background, state.Manifest{
		Reference: name, ContentHash: "h", Options: "o=1", Rows: 4, SubmittedBy: who,
		Amounts: "KES 46.00",
	})
	require.NoError(g.t, err)
}

func (g *harness) cancels(kind state.Kind, name, note string) {
	_, err := g.s.Cancel(background, kind, name, "amina", note)
	require.NoError(g.t, err)
}

func everyDecision(g *harness) {
	g.imports("wave", "otieno")
	of := disbursal("wave/1", 3)
	of.Import = "wave"
	g.accept(of, shifted("b", 5, 2))
	g.cancels(state.KindDisbursal, "b", "wrong list")
	b, _ := g.claim(lipad, 1)
	g.cancels(state.KindImport, "wave", `he said "no"`)
	g.cancels(state.KindDisbursal, state.Own("shop", "r-1"), "")
	g.stop(lipad)
	g.resume(lipad)
	g.lost(someone("c", quicksms))
	g.c.pass(time.Hour)
	resolve(g.t, g.s, state.Decision{Paid: true}, g.row("c"))
	require.Len(g.t, b.Members, 1)
	batch := g.row("c").Batch
	require.Equal(g.t, []string{
		`otieno import wave rows=4 amounts="KES 46.00" content=h options="o=1"`,
		`amina cancel b kind=disbursal withdrawn=2 too_late=0 note="wrong list"`,
		`amina cancel wave kind=import recipients=3 queued=3 held=0 note="he said \"no\""`,
		`amina cancel shop/r-1 kind=disbursal withdrawn=0 too_late=0`,
		`amina channel_pause lipad note=maintenance`,
		`amina channel_resume lipad `,
		`Wanjiru resolve c outcome=paid recipients=1 amount="KES 10.00" positions=0 was=in_doubt ` +
			`batch=` + batch + ` resubmitted=0 evidence="statement of 21 November"`,
	}, audit(g.t, g.s))
	g.hashesAreThoseOfTheInterface()
}

// hashesAreThoseOfTheInterface computes the chain as INTERFACE says it, from what Redis holds.
func (g *harness) hashesAreThoseOfTheInterface() {
	entries, err := g.s.Client().XRange(background, g.s.Key("audit", ""), "-", "+").Result()
	require.NoError(g.t, err)
	hash := strings.Repeat("0", 64)
	for _, entry := range entries {
		text := hash + "\n"
		for _, field := range []string{"at", "who", "what", "name", "detail"} {
			text += fmt.Sprint(entry.Values[field]) + "\n"
		}
		hash = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		require.Equal(g.t, hash, entry.Values["hash"])
	}
	require.Equal(g.t, hash, g.s.Client().HGet(background, g.s.Key("state", ""), "audit").Val())
}

func nothingDecided(g *harness) {
	g.accept(disbursal("a", 1))
	g.imports("wave", "otieno")
	g.cancels(state.KindDisbursal, "a", "first")
	g.stop(lipad)
	before := everything(g.t, g.s)
	g.imports("wave", "amina")
	g.cancels(state.KindDisbursal, "a", "second")
	_, set, err := g.s.PauseChannel(background, lipad, "otieno", "late")
	require.NoError(g.t, err)
	require.False(g.t, set)
	_, _, err = g.s.ResumeChannel(background, sozuri, "otieno", "")
	require.NoError(g.t, err)
	_, err = g.s.Resolve(background, state.Decision{Paid: true}, nil)
	require.NoError(g.t, err)
	require.Equal(g.t, before, everything(g.t, g.s))
}

// sealedCall is what a call looks like that carries the hashes of its entries.
var sealedCall = regexp.MustCompile(`^[0-9a-f]{64} \d+ [0-9a-f]{40}\n`)

// before is a go-redis hook that does something before the next decision is written, and counts
// how often one was sent with its hashes.
type before struct {
	do   func()
	sent int
	// again sends it twice, as go-redis does when a reply is lost.
	again bool
}

func (b *before) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *before) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (b *before) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		if len(args) < 8 || !sealedCall.MatchString(fmt.Sprint(args[7])) {
			return next(ctx, cmd)
		}
		b.sent++
		if do := b.do; do != nil {
			b.do = nil
			do()
		}
		if err := next(ctx, cmd); err != nil || !b.again {
			return err
		}
		return next(ctx, cmd)
	}
}

func (g *harness) before(do func()) *before {
	hook := &before{do: do}
	g.s.Client().AddHook(hook)
	return hook
}

func decidedMeanwhile(g *harness) {
	hook := g.before(func() { g.imports("other", "otieno") })
	g.stop(lipad)
	require.GreaterOrEqual(g.t, hook.sent, 3, "it was sealed anew")
	require.Equal(g.t, []string{"otieno import", "amina channel_pause"}, g.decisions())
	g.hashesAreThoseOfTheInterface()
}

// decisions lists who decided what.
func (g *harness) decisions() []string {
	list := audit(g.t, g.s)
	for i, entry := range list {
		list[i] = strings.Join(strings.Fields(entry)[:2], " ")
	}
	return list
}

// Whom a worker has begun to send to between the two calls is counted as too late.
func changedMeanwhile(g *harness) {
	g.accept(disbursal("a", 2))
	g.before(func() { g.begin(lipad) })
	g.cancels(state.KindDisbursal, "a", "")
	require.Equal(g.t, []string{"amina cancel a kind=disbursal withdrawn=0 too_late=2"},
		audit(g.t, g.s))
	require.Equal(g.t, map[airtime.Status]int64{airtime.Sending: 2}, statuses(g.t, g.s, "a"))
}

func decidedSlowly(g *harness) {
	g.before(func() { g.c.pass(10 * time.Second) })
	g.stop(lipad)
	var at string
	require.NoError(g.t, g.s.Audit(background, time.Time{}, func(e state.AuditEntry) error {
		at = e.At
		return nil
	}))
	require.Equal(g.t, g.channel(lipad).Manual.Since.Format(time.RFC3339), at[:19]+"Z")
}

func decidedTwice(g *harness) {
	g.before(nil).again = true
	g.stop(lipad)
	g.imports("wave", "otieno")
	g.accept(disbursal("a", 1))
	g.cancels(state.KindDisbursal, "a", "")
	require.NotNil(g.t, g.resume(lipad))
	g.lost(someone("c", quicksms))
	g.c.pass(time.Hour)
	resolve(g.t, g.s, state.Decision{Resubmit: true}, g.row("c"))
	require.Equal(g.t, []string{
		"amina channel_pause", "otieno import", "amina cancel", "amina channel_resume",
		"Wanjiru resolve",
	}, g.decisions())
	g.stands("c", quicksms, airtime.Queued)
}

func severalDecided(g *harness) {
	g.accept(through(shifted("a", 0, 2), quicksms), through(shifted("b", 5, 2), quicksms))
	for range 4 {
		b := g.begin(quicksms)
		g.record(b, airtime.Unknown, airtime.ReasonTimeout)
		g.c.pass(time.Hour)
	}
	a, b := rows(g.t, g.s, "a"), rows(g.t, g.s, "b")
	resolve(g.t, g.s, state.Decision{Resubmit: true}, a[1], b[0], a[0])
	require.Equal(g.t, []string{
		`Wanjiru resolve a outcome=unpaid recipients=2 amount="KES 21.00" positions=1,0 ` +
			`was=in_doubt batch=` + a[1].Batch + `,` + a[0].Batch +
			` resubmitted=2 evidence="statement of 21 November"`,
		`Wanjiru resolve b outcome=unpaid recipients=1 amount="KES 15.00" positions=0 ` +
			`was=in_doubt batch=` + b[0].Batch + ` resubmitted=1 evidence="statement of 21 November"`,
	}, audit(g.t, g.s))
	g.hashesAreThoseOfTheInterface()
}

func decidedWithNumbers(g *harness) {
	g.imports("list-254711000111", "0711-000-111")
	g.cancels(state.KindDisbursal, "r-254711000111", "asked by\n+254 711 000 111\tand\x00others")
	_, _, err := g.s.PauseChannel(background, lipad, "254711000111", "0711-000-111")
	require.NoError(g.t, err)
	g.lost(someone("of-0711000111", quicksms))
	g.c.pass(time.Hour)
	_, err = g.s.Resolve(background,
		state.Decision{Paid: true, Who: "amina", Evidence: "portal: 254711000111 paid"},
		[]state.Resolution{g.row("of-0711000111").Resolution()})
	require.NoError(g.t, err)
	list := audit(g.t, g.s)
	require.Len(g.t, list, 4)
	raw := fmt.Sprint(g.s.Client().XRange(background, g.s.Key("audit", ""), "-", "+").Val())
	for _, number := range []string{"711000111", "711 000 111", "711-000-111"} {
		require.NotContains(g.t, raw, number)
	}
	require.Equal(g.t, "amina cancel r-254711•••111 kind=disbursal withdrawn=0 too_late=0 "+
		`note="asked by +254711•••111 and others"`, list[1])
	require.Contains(g.t, list[3], `evidence="portal: 254711•••111 paid"`)
	require.Equal(g.t, "portal: 254711000111 paid", g.row("of-0711000111").Message,
		"with the recipient it stays as it was said")
}

// Whoever looked before the last change knows nothing new about a queue.
func pausedInTheDashboard(g *harness) {
	note := func(known state.QueuePause, paused bool) {
		require.NoError(g.t, g.s.NoteQueuePause(background, "poll", known, paused, "dashboard"))
	}
	known := func() state.QueuePause {
		pauses, err := g.s.QueuePauses(background)
		require.NoError(g.t, err)
		return pauses["poll"]
	}
	note(known(), false)
	never := known()
	note(never, true)
	g.c.pass(time.Second)
	paused := known()
	require.True(g.t, paused.Paused)
	note(paused, true)
	note(paused, false)
	note(paused, true)
	note(never, true)
	require.Equal(g.t, []string{"dashboard channel_pause", "dashboard channel_resume"},
		g.decisions())
}

// TestDecisionsAtTheSameTime: no fork and no gap, however many decide at once.
func TestDecisionsAtTheSameTime(t *testing.T) {
	t.Parallel()
	const people, each = 8, 10
	s := open(t, nil)
	var group errgroup.Group
	for i := range people {
		other := openWith(t, s.Options())
		group.Go(func() error {
			for j := range each {
				_, err := other.OpenImport(background, state.Manifest{
					Reference: fmt.Sprintf("i-%d-%d", i, j), SubmittedBy: fmt.Sprint("person-", i),
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	chain, err := s.VerifyAudit(background)
	require.NoError(t, err)
	require.Empty(t, chain.Fault)
	require.Equal(t, people*each, chain.Entries)
}

// TestAnAlteredAuditIsNoticed alters what Redis holds in every way, and wants the first entry to be
// named where the chain breaks.
func TestAnAlteredAuditIsNoticed(t *testing.T) {
	t.Parallel()
	type change func(entries []redis.XMessage) []redis.XMessage
	field := func(n int, name, value string) change {
		return func(entries []redis.XMessage) []redis.XMessage {
			entries[n].Values[name] = value
			return entries
		}
	}
	for name, row := range map[string]struct {
		change change
		head   string
		breaks string
	}{
		"the first detail": {change: field(0, "detail", "note=other"), breaks: "entry 0"},
		"who, in between":  {change: field(1, "who", "mallory"), breaks: "entry 1"},
		"the last time":    {change: field(2, "at", "2026-01-01T00:00:00.000Z"), breaks: "entry 2"},
		"a hash":           {change: field(1, "hash", strings.Repeat("a", 64)), breaks: "entry 1"},
		"the first one deleted": {
			change: func(e []redis.XMessage) []redis.XMessage { return e[1:] },
			breaks: "entry 1",
		},
		"one in between deleted": {
			change: func(e []redis.XMessage) []redis.XMessage { return []redis.XMessage{e[0], e[2]} },
			breaks: "entry 2",
		},
		"the last one deleted": {
			change: func(e []redis.XMessage) []redis.XMessage { return e[:2] },
			breaks: "behind entry 1",
		},
		"all deleted": {
			change: func([]redis.XMessage) []redis.XMessage { return nil },
			breaks: "behind the beginning",
		},
		"the head": {
			change: func(e []redis.XMessage) []redis.XMessage { return e },
			head:   strings.Repeat("b", 64), breaks: "behind entry 2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newHarness(t, nil)
			g.c.pass(0)
			g.stop(lipad)
			g.stop(sozuri)
			g.resume(lipad)
			ids := g.rewrite(row.change)
			if row.head != "" {
				g.s.Client().HSet(background, g.s.Key("state", ""), "audit", row.head)
			}
			chain, err := g.s.VerifyAudit(background)
			require.NoError(t, err)
			for i, id := range ids {
				chain.Fault = strings.ReplaceAll(chain.Fault, id, fmt.Sprint(i))
			}
			require.True(t, strings.HasPrefix(chain.Fault, row.breaks+" ") ||
				strings.HasPrefix(chain.Fault, row.breaks+":"), chain.Fault)
		})
	}
}

// rewrite writes the audit anew as change says, under the ids that it had, and returns these.
func (g *harness) rewrite(change func([]redis.XMessage) []redis.XMessage) (ids []string) {
	name := g.s.Key("audit", "")
	entries, err := g.s.Client().XRange(background, name, "-", "+").Result()
	require.NoError(g.t, err)
	for _, entry := range entries {
		ids = append(ids, entry.ID)
	}
	require.NoError(g.t, g.s.Client().Del(background, name).Err())
	for _, entry := range change(entries) {
		require.NoError(g.t, g.s.Client().XAdd(background, &redis.XAddArgs{
			Stream: name, ID: entry.ID, Values: entry.Values,
		}).Err())
	}
	return ids
}
