package state_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/redisconn"
	"tuma/internal/state"
)

func TestErase(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"from everything":                          erasesEverywhere,
		"not while one is open":                    erasesNobodyOpen,
		"not while one comes in":                   erasesNobodyWhoComes,
		"the same for ever":                        erasesAlike,
		"a hundred disbursals, interrupted":        erasesInSteps,
		"what was read is changed meanwhile":       erasesWhatChanges,
		"results that somebody may read stay":      erasesNoUnreadResult,
		"what comes late finds its recipient":      erasedAndCalledBack,
		"a query finds its recipient":              erasedAndAsked,
		"a late answer about a decided one":        erasedAndDecided,
		"a payment that was vouched for":           erasedAndValidated,
		"a callback that is parked":                erasedAndParked,
		"nobody is sent again":                     erasedIsNotResent,
		"only once in the audit, until it is over": erasesOnce,
		"with its fingerprint":                     erasesFingerprints,
		"and no neighbour":                         erasesNeighbours,
	})
}

// erasable is the number that scenarios erase.
var erasable = airtime.MSISDNFromE164("254711555123")

// withErasable makes a disbursal of three recipients, of whom the last in order has the number.
func withErasable(ref, provider string) state.Disbursal {
	d := through(disbursal(ref, 3), provider)
	d.Recipients[1].Phone = erasable
	return d
}

// onlyErasable makes a disbursal of the number alone.
func onlyErasable(ref, provider string) state.Disbursal {
	d := someone(ref, provider)
	d.Recipients[0].Phone = erasable
	return d
}

func (g *harness) erasure() *state.Erasure {
	e, err := g.s.Erasure(background, erasable)
	require.NoError(g.t, err)
	return e
}

// erases erases the number and returns what stands for it.
func (g *harness) erases() airtime.MSISDN {
	e := g.erasure()
	require.NoError(g.t, e.Run(background, "amina", "asked by letter"))
	require.True(g.t, e.Number.Erased(), e.Number)
	return e.Number
}

// paid brings a disbursal of the number to successful.
func (g *harness) paid(d state.Disbursal) {
	g.accept(d)
	for g.channel(d.Provider).Pending > 0 {
		b := g.begin(d.Provider)
		g.taken(b)
		observeAll(g, b, airtime.Successful)
	}
}

// spelled lists the kinds of keys in which the number stands in any way of writing it.
func (g *harness) spelled() []string {
	var kinds []string
	prefix := g.s.Key("", "")
	prefix = prefix[:strings.Index(prefix, "}")+2]
	keys := g.s.Client().Scan(background, 0, prefix+"*", 1000).Iterator()
	for keys.Next(background) {
		text := textOf(g, keys.Val())
		spaced := strings.NewReplacer(" ", "", "-", "").Replace(text)
		if strings.Contains(keys.Val()+text+spaced, "711555123") {
			kind, _, _ := strings.Cut(strings.TrimPrefix(keys.Val(), prefix), ":")
			kinds = append(kinds, kind)
		}
	}
	require.NoError(g.t, keys.Err())
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// readsAll has a consumer group read and acknowledge all results.
func (g *harness) readsAll() {
	rdb, stream := g.s.Client(), g.s.Key("results", "")
	require.NoError(g.t, rdb.XGroupCreateMkStream(background, stream, "shop", "0").Err())
	read, err := rdb.XReadGroup(background, &redis.XReadGroupArgs{
		Group: "shop", Consumer: "c", Streams: []string{stream, ">"},
	}).Result()
	require.NoError(g.t, err)
	for _, entry := range read[0].Messages {
		require.NoError(g.t, rdb.XAck(background, stream, "shop", entry.ID).Err())
	}
}

// everywhere brings the number wherever the state keeps one of somebody who has settled.
func (g *harness) everywhere() {
	first := withErasable("a", talking)
	first.Recipients[1].ID = "0711555123"
	g.accept(first)
	for g.channel(talking).Pending > 0 {
		b := g.begin(talking)
		ids := g.taken(b)
		for i, m := range b.Members {
			require.True(g.t, g.oursOf(m.Recipient, talking, "v-"+ids[i]))
			c := said(ids[i], airtime.Successful)
			c.Message = "sent to +254 711 555-123"
			g.apply(c, state.CallbackApplied)
		}
	}
	g.accept(onlyErasable("moved", talking))
	g.each(g.begin(talking), verdict{
		Verdict: airtime.Refused, Reason: airtime.ReasonRefused, Message: "no 0711555123",
		Next: sozuri,
	})
	lost := g.begin(sozuri)
	silent := answer(lost, airtime.Unknown, airtime.ReasonTimeout)
	silent.Message = "254711555123?"
	record(g.t, g.s, silent)
	g.c.pass(10 * time.Minute)
	r := g.row("moved").Resolution()
	_, err := g.s.Resolve(background, state.Decision{
		Paid: true, Who: "amina", Evidence: "rang 0711 555 123",
	}, []state.Resolution{r})
	require.NoError(g.t, err)
	contrary := saidOf("c", airtime.Failed)
	contrary.Provider, contrary.Phone, contrary.Message = sozuri, erasable, "not to 711555123"
	g.apply(contrary, state.CallbackUnchanged)
	unknown := saidOf("", airtime.Successful)
	unknown.Phone, unknown.Message = erasable, "for 0711555123"
	unknown.Amount.Minor = 77
	g.apply(unknown, state.CallbackParked)
	for _, job := range []string{`{"phone_number":"0711555123"}`, `+254711555123`, "0722000000"} {
		require.NoError(g.t, g.s.Reject(background, state.Refusal{
			Job: job, Source: "test", Err: "e",
		}))
	}
	require.NoError(g.t, g.s.DeadLetter(background, lipad, "w", []byte("n=%2B254711555123")))
}

func erasesEverywhere(g *harness) {
	g.everywhere()
	require.Equal(g.t, []string{
		"batch", "chunk", "dead_letters", "disputes", "history", "parked", "parkeddue", "recipientids",
		"rejected", "results", "unanswered", "validated",
	}, g.spelled())
	require.Len(g.t, g.found(state.Search{Phone: erasable}), 2)
	g.readsAll()
	before, figures := rows(g.t, g.s, "a"), g.figures()
	e := g.erasure()
	require.Equal(g.t, []int{2, 2, 1, 0}, []int{e.Recipients, e.Rejected, e.DeadLetters, e.Kept})
	number := g.erases()
	require.Empty(g.t, g.spelled())
	require.Empty(g.t, g.found(state.SearchFor("0711555123")))
	require.Empty(g.t, g.found(state.Search{ID: "0711555123"}))
	require.Len(g.t, g.found(state.SearchFor(number.Digits())), 2)

	require.Equal(g.t, figures.Book, g.figures().Book)
	after := rows(g.t, g.s, "a")
	require.Equal(g.t, number, after[2].Phone)
	require.Equal(g.t, "sent to "+number.Digits(), after[0].Message)
	for i := range after {
		after[i].Phone, after[i].Message = before[i].Phone, before[i].Message
		after[i].ID = before[i].ID
	}
	require.Equal(g.t, before, after)
	first := withErasable("a", talking)
	first.Recipients[1].ID = "0711555123"
	got, err := g.s.Accept(background, []state.Disbursal{first})
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{state.Same}, got.Outcomes, "the same job is known")

	jobs, err := g.s.RejectedJobs(background, 10)
	require.NoError(g.t, err)
	texts := make([]string, len(jobs))
	for i, j := range jobs {
		texts[i] = j.Job
	}
	slices.Sort(texts)
	require.Equal(g.t, []string{
		"0722000000", number.Digits(),
		`{"phone_number":"` + number.Digits() + `"}`,
	}, texts)
	require.Contains(g.t, audit(g.t, g.s), "amina erase "+number.Digits()+" recipients=2 parked=1 "+
		`rejected=2 dead_letters=1 results=4 results_kept=0 note="asked by letter"`)
	timeline, err := g.s.Timeline(background, rows(g.t, g.s, "a")[2])
	require.NoError(g.t, err)
	require.NotEmpty(g.t, timeline.Events)
	require.True(g.t, g.erasure().Empty())
}

func erasesNobodyOpen(g *harness) {
	g.paid(withErasable("a", talking))
	g.open("other")
	g.erases()
	g.paid(withErasable("b", talking))
	g.accept(onlyErasable("c", talking))
	_, err := g.s.Erasure(background, erasable)
	require.ErrorIs(g.t, err, state.ErrOpen)
	require.Contains(g.t, err.Error(), "its recipient in c is queued")
	require.NotContains(g.t, err.Error(), "711555123")
	require.Len(g.t, g.found(state.Search{Phone: erasable}), 2)
}

// One that is queued by somebody's word while another person erases it.
func erasesNobodyWhoComes(g *harness) {
	g.lost(onlyErasable("a", talking))
	g.decided("a", state.Decision{})
	e := g.erasure()
	g.c.pass(10 * time.Minute)
	resolve(g.t, g.s, state.Decision{Resubmit: true}, g.row("a"))
	require.ErrorIs(g.t, e.Run(background, "amina", ""), state.ErrOpen)
	require.Equal(g.t, erasable, g.row("a").Phone)
	g.paid(onlyErasable("b", lipad))
	require.NoError(g.t, g.s.Client().XAdd(background, &redis.XAddArgs{
		Stream: g.s.Key("jobs", ""), Values: []string{"job", `{"phone_number": "0711 555 123"}`},
	}).Err())
	other := airtime.MSISDNFromE164("254711555124")
	_, err := g.s.Erasure(background, other)
	require.NoError(g.t, err)
	_, err = g.s.Cancel(background, state.KindDisbursal, "a", "amina", "")
	require.NoError(g.t, err)
	_, err = g.s.Erasure(background, erasable)
	require.ErrorIs(g.t, err, state.ErrOpen)
	require.Contains(g.t, err.Error(), "waits on the stream")
}

// What stands for a number is the same each time, and says nothing without the key.
func erasesAlike(g *harness) {
	g.paid(onlyErasable("a", lipad))
	first := g.erases()
	g.paid(onlyErasable("b", lipad))
	require.Equal(g.t, first, g.erases())
	require.Len(g.t, g.found(state.Search{Phone: first}), 2)
	other := g.s.In("other" + token())
	g.t.Cleanup(func() {
		for _, kind := range []string{"state", "clock", "codes"} {
			require.NoError(g.t, other.Client().Del(background, other.Key(kind, "")).Err())
		}
	})
	(&clock{t: g.t, store: other, ms: modelStart}).pass(0)
	e, err := other.Erasure(background, erasable)
	require.NoError(g.t, err)
	require.True(g.t, e.Number.IsZero() && e.Empty(), "no key is made by looking")
	require.NoError(g.t, e.Run(background, "amina", ""))
	require.NotEqual(g.t, first, e.Number)
	require.Empty(g.t, audit(g.t, other), "nothing was erased")
}

// erasesInSteps: what was begun and interrupted is gone on with, as one decision.
func erasesInSteps(g *harness) {
	for i := range 20 {
		g.paid(onlyErasable(fmt.Sprint("d", i), lipad))
	}
	stop, cancel := context.WithCancel(background)
	e := g.erasure()
	require.Equal(g.t, 20, e.Recipients)
	g.s.Client().AddHook(&afterScripts{n: 4, do: cancel})
	require.ErrorIs(g.t, e.Run(stop, "amina", ""), context.Canceled)
	left := g.found(state.Search{Phone: erasable})
	require.True(g.t, len(left) > 0 && len(left) < 20, len(left))
	g.erases()
	require.Empty(g.t, g.found(state.Search{Phone: erasable}))
	require.Len(g.t, audit(g.t, g.s), 1)
}

// afterScripts is a go-redis hook that does something once, behind the n-th script.
type afterScripts struct {
	n  int
	do func()
}

// DialHook leaves dialling alone.
func (h *afterScripts) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook leaves pipelines alone.
func (h *afterScripts) ProcessPipelineHook(
	next redis.ProcessPipelineHook,
) redis.ProcessPipelineHook {
	return next
}

// ProcessHook counts scripts.
func (h *afterScripts) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if strings.HasPrefix(cmd.Name(), "eval") && err == nil {
			if h.n--; h.n == 0 {
				h.do()
			}
		}
		return err
	}
}

// erasesWhatChanges: a callback comes between what is read and what is written.
func erasesWhatChanges(g *harness) {
	g.accept(onlyErasable("a", talking))
	id := g.taken(g.begin(talking))[0]
	failed := said(id, airtime.Failed)
	failed.Message = "not to 0711555123"
	g.apply(failed, state.CallbackApplied)
	late := said(id, airtime.Successful)
	late.Message = "0711555123 has it after all"
	e := g.erasure()
	g.s.Client().AddHook(&afterScripts{n: 2, do: func() { g.apply(late, state.CallbackApplied) }})
	require.NoError(g.t, e.Run(background, "amina", ""))
	require.Equal(g.t, e.Number.Digits()+" has it after all", g.row("a").Message)
	require.Equal(g.t, []string{"results"}, g.spelled(), "nobody has read them")
}

func erasesNoUnreadResult(g *harness) {
	g.paid(onlyErasable("a", lipad))
	own := onlyErasable("b", lipad)
	own.Producer = "shop"
	g.paid(own)
	e := g.erasure()
	require.Equal(g.t, []int{0, 2}, []int{e.Results, e.Kept}, "no reader is known")
	rdb, stream := g.s.Client(), g.s.Key("results", "")
	newest := rdb.XRevRangeN(background, stream, "+", "-", 1).Val()[0].ID
	require.Equal(g.t, state.PublishedAt(newest).Add(g.s.Options().StreamAge), e.KeptUntil)
	require.NoError(g.t, rdb.XGroupCreate(background, stream, "slow", "0").Err())
	require.Zero(g.t, g.erasure().Results, "it is not read yet")
	read, err := rdb.XReadGroup(background, &redis.XReadGroupArgs{
		Group: "slow", Consumer: "c", Streams: []string{stream, ">"},
	}).Result()
	require.NoError(g.t, err)
	require.Zero(g.t, g.erasure().Results, "it is not acknowledged yet")
	for _, entry := range read[0].Messages {
		require.NoError(g.t, rdb.XAck(background, stream, "slow", entry.ID).Err())
	}
	_, err = g.s.DispatchWebhook(background, "shop", state.WebhookRead{}, 1, time.Minute)
	require.NoError(g.t, err)
	first := read[0].Messages[0].ID
	_, err = g.s.DispatchWebhook(background, "shop",
		state.WebhookRead{Last: first, Results: []string{first}}, 1, time.Minute)
	require.NoError(g.t, err)
	require.NoError(g.t, rdb.ZAdd(background, g.s.Key("webhooks", ""), redis.Z{
		Member: "shop", Score: float64(time.Now().UnixMilli()),
	}).Err())
	require.Zero(g.t, g.erasure().Results, "an endpoint needs it")
	require.NoError(g.t, rdb.Del(background, g.s.Key("webhooks", "")).Err())
	e = g.erasure()
	require.Equal(g.t, []int{1, 1}, []int{e.Results, e.Kept}, "a producer reads its own over HTTP")
	g.erases()
	entries, err := rdb.XRange(background, stream, "-", "+").Result()
	require.NoError(g.t, err)
	require.Len(g.t, entries, 1)
	require.Equal(g.t, "shop", entries[0].Values["producer"])
}

// erasedAndCalledBack: the provider knows the recipient by an id, and names the number.
func erasedAndCalledBack(g *harness) {
	g.accept(onlyErasable("a", talking))
	id := g.taken(g.begin(talking))[0]
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	number := g.erases()
	late := said(id, airtime.Reversed)
	late.Phone = airtime.MSISDNFromE164("254711555124")
	require.True(g.t, g.apply(late, state.CallbackParked).OtherNumber)
	late.Phone = erasable
	g.apply(late, state.CallbackApplied)
	require.Equal(g.t, []string{"reversed corrected"}, results(g.t, g.s)["a "+number.Digits()])
}

func erasedAndAsked(g *harness) {
	g.accept(withErasable("a", lipad))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	observeAll(g, b, airtime.Successful)
	number := g.erases()
	loaded := reload(g.t, g.s, b)
	require.Equal(g.t, number, loaded.Members[2].Phone)
	got, err := g.s.Observe(background, loaded, linesOf(b, []observation{
		fact(0, airtime.Successful, ""), fact(2, airtime.Refunded, ""),
	}), true, pollSchedule(0))
	require.NoError(g.t, err)
	require.Equal(g.t, []int{0, 1}, []int{got.Unmatched, got.Changed})
	require.Equal(g.t, airtime.Refunded, rows(g.t, g.s, "a")[2].Status)
}

// erasedAndDecided: a callback names nothing but the number of a recipient that a person decided
// about.
func erasedAndDecided(g *harness) {
	b := g.lost(onlyErasable("a", talking))
	g.decided("a", state.Decision{})
	number := g.erases()
	late := saidOf("x", airtime.Successful)
	late.Phone = erasable
	require.Equal(g.t, b.ID, g.apply(late, state.CallbackApplied).Batch)
	require.Equal(g.t, []string{"successful corrected"}, results(g.t, g.s)["a "+number.Digits()])
	require.Equal(g.t, []string{"results"}, g.spelled(), "of before the erasure")
}

func erasedAndValidated(g *harness) {
	d := onlyErasable("a", talking)
	g.accept(d)
	id := g.taken(g.begin(talking))[0]
	require.True(g.t, g.oursOf(d.Recipients[0], talking, "v1"))
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	g.erases()
	require.True(g.t, g.oursOf(d.Recipients[0], talking, "v1"), "the same question, the same answer")
	require.False(g.t, g.oursOf(d.Recipients[0], talking, "v2"))
}

// erasedAndParked: callbacks that fit nobody yet are erased, too, and tried as before.
func erasedAndParked(g *harness) {
	g.lost(onlyErasable("a", talking))
	early := saidOf("", airtime.Successful)
	early.Phone = erasable
	early.Amount.Minor++
	for range 2 {
		g.apply(early, state.CallbackParked)
		if g.row("a").Status == airtime.InDoubt {
			g.decided("a", state.Decision{})
		}
		g.erases()
	}
	require.Equal(g.t, []string{"results"}, g.spelled())
	parked, err := g.s.Parked(background)
	require.NoError(g.t, err)
	require.Len(g.t, parked, 2, "none takes the place of another")
	require.True(g.t, parked[0].Phone.Erased())
	g.c.pass(time.Minute)
	require.Len(g.t, g.kept(), 2)
}

func erasedIsNotResent(g *harness) {
	g.lost(onlyErasable("a", talking))
	g.decided("a", state.Decision{})
	g.erases()
	g.c.pass(time.Hour)
	_, err := g.s.Resolve(background, state.Decision{Resubmit: true, Who: "amina"},
		[]state.Resolution{g.row("a").Resolution()})
	require.ErrorIs(g.t, err, state.ErrMoved)
	require.Contains(g.t, err.Error(), "its number is another now")
	g.stands("a", talking, airtime.Failed)
	resolve(g.t, g.s, state.Decision{Paid: true}, g.row("a"))
}

func erasesOnce(g *harness) {
	for i := range 2 {
		g.paid(onlyErasable(fmt.Sprint("d", i), lipad))
		g.erases()
		require.Len(g.t, audit(g.t, g.s), i+1)
		require.NoError(g.t, g.erasure().Run(background, "amina", ""))
		require.Len(g.t, audit(g.t, g.s), i+1, "nothing was left")
	}
}

// erasesFingerprints: a page has one fingerprint for each number, whether it was erased or not.
func erasesFingerprints(g *harness) {
	g.paid(onlyErasable("a", lipad))
	prints := func() (text string) {
		keys := g.s.Client().Scan(background, 0, g.s.Key("fingerprints", "*"), 1000).Iterator()
		for keys.Next(background) {
			text += g.s.Client().Get(background, keys.Val()).Val()
		}
		require.NoError(g.t, keys.Err())
		return text
	}
	before := prints()
	g.erases()
	require.Len(g.t, prints(), len(before))
	require.NotEqual(g.t, before, prints())
}

// erasesNeighbours: who is in the chunk of an erased one is read, corrected and reported as before.
func erasesNeighbours(g *harness) {
	d := through(disbursal("a", 3), talking)
	d.Recipients[1].Phone = erasable
	d.Recipients[2].Phone = airtime.MSISDNFromE164("254799000002")
	g.accept(d)
	var ids []string
	for g.channel(talking).Pending > 0 {
		b := g.begin(talking)
		ids = append(ids, g.taken(b)...)
		observeAll(g, b, airtime.Successful)
	}
	number := g.erases()
	late := said(ids[2], airtime.Reversed)
	late.Phone = d.Recipients[2].Phone
	g.apply(late, state.CallbackApplied)
	require.Equal(g.t, []string{"successful", "reversed corrected"},
		results(g.t, g.s)["a 254799000002"])
	require.Equal(g.t, number, rows(g.t, g.s, "a")[1].Phone)
	timeline, err := g.s.Timeline(background, rows(g.t, g.s, "a")[1])
	require.NoError(g.t, err)
	require.Contains(g.t, fmt.Sprint(timeline.Events), "erase by amina")
}

// The demo has another Redis inside, with another Lua.
func TestEraseWithinTheDemo(t *testing.T) {
	t.Parallel()
	s, err := state.Open(background, state.Options{
		Options:       redisconn.Options{URL: "redis://" + miniredis.RunT(t).Addr()},
		AllowVolatile: true, Providers: testProviders,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	g := &harness{t: t, s: simulated(s, nil)}
	g.c = &clock{t: t, store: g.s, ms: modelStart}
	g.run(erasesEverywhere)
}
