package tasks_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// words answers Africa's Talking's questions, with Queued where nothing else is set.
type words struct {
	mu sync.Mutex
	of map[string]string
}

func (s *words) set(id, word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[id] = word
}

func (s *words) answer(w http.ResponseWriter, a arrival) bool {
	if a.path != talkingFind {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	word := s.of[a.key]
	if word == "" {
		word = "Queued"
	}
	_, _ = fmt.Fprintf(w, `{"status":%q}`, word)
	return true
}

// asked lists the ids in the questions from the first on.
func (f *fleet) asked(first int) []string {
	var ids []string
	for _, a := range f.at(talkingFind)[first:] {
		ids = append(ids, a.key)
	}
	return ids
}

// TestAQueryAsksAboutSomeOfMany and the next one about the next ones, until all have been asked
// about; who has settled is not asked about again.
func TestAQueryAsksAboutSomeOfMany(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(o *state.Options) {
		steady(o)
		o.SubmitTimeout = time.Minute // Two hundred questions take a slow machine their time.
	})
	said := &words{of: map[string]string{}}
	f.answering(said.answer)
	const n, most = 450, 200
	f.acceptSilently(t, disbursalTo(talking, "d", 0, n, false))
	f.turnAt(t, talking)
	before := 0
	all := map[string]bool{}
	for range 3 {
		f.due(t, 1)
		ids := f.asked(before)
		require.Len(t, ids, most)
		before += len(ids)
		for _, id := range ids {
			all[id] = true
		}
	}
	require.Len(t, all, n, "everybody has been asked about")

	settled := map[string]bool{}
	for _, row := range f.rows(t, "d")[:300] {
		said.set(row.ProviderReference, "Success")
		settled[row.ProviderReference] = true
	}
	for range 3 {
		f.due(t, 1)
	}
	require.Equal(t, int64(300), f.statuses(t, "d")[airtime.Successful])
	before = len(f.at(talkingFind))
	f.due(t, 1)
	open := f.asked(before)
	require.Len(t, open, n-300)
	for _, id := range open {
		require.False(t, settled[id], "%s has settled", id)
	}
	f.balanced(t)
}

// TestAQueryAsksOnlyAboutThoseWithAnID: nobody else can be asked about.
func TestAQueryAsksOnlyAboutThoseWithAnID(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	said := &words{of: map[string]string{}}
	f.answering(func(w http.ResponseWriter, a arrival) bool {
		if a.path != talkingSend {
			return said.answer(w, a)
		}
		var kept []string
		for i, phone := range a.phones[:3] { // The fourth is left out.
			status, id := "Sent", fmt.Sprint("ATQid_", i)
			if i == 1 {
				status, id = "Failed", "None"
			}
			kept = append(kept, fmt.Sprintf(`{"phoneNumber":%q,"status":%q,"requestId":%q,`+
				`"errorMessage":"None"}`, phone, status, id))
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"errorMessage":"None","responses":[%s]}`, strings.Join(kept, ","))
		return true
	})
	f.acceptSilently(t, disbursalTo(talking, "d", 0, 4, false))
	f.turnAt(t, talking)
	require.Equal(t, map[airtime.Status]int64{
		airtime.Submitted: 2, airtime.Rejected: 1, airtime.InDoubt: 1,
	}, f.statuses(t, "d"))
	said.set("ATQid_0", "Success")
	f.due(t, 1)
	require.ElementsMatch(t, []string{"ATQid_0", "ATQid_2"}, f.asked(0))
	f.due(t, 1)
	require.Equal(t, "ATQid_2", f.asked(2)[0])
	require.Len(t, f.asked(2), 1)
	require.Len(t, f.at(talkingSend), 1, "the provider knows the batch: it is not sent again")
	require.Equal(t, int64(1), f.inDoubt(t, "d"))
	f.balanced(t)
}

// TestABatchInDoubtIsSentAgainOnce while its provider recognises it: after the guard, with the same
// key and the same bytes, and it settles. Whoever came meanwhile is not in it.
func TestABatchInDoubtIsSentAgainOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.answering(func(_ http.ResponseWriter, a arrival) bool {
		if a.path == talkingSend && len(f.at(talkingSend)) == 1 {
			panic(http.ErrAbortHandler) // Before anything was carried out.
		}
		return false
	})
	clock := f.clocked(t)
	f.workers(t, talking)
	f.pollers(t)
	f.accept(t, disbursalTo(talking, "d", 0, 20, false))
	require.Eventually(t, func() bool { return f.inDoubt(t, "d") == 20 }, testTimeout,
		time.Millisecond)
	f.accept(t, disbursalTo(talking, "later", 100, 5, false))
	guarded := f.options.SubmitTimeout + f.options.Guard
	f.beats(t, clock, 10, guarded/10-time.Millisecond)
	require.Len(t, f.at(talkingSend), 2, "the first, and the later ones")
	f.goesOn(t, clock)
	f.all(t, "d", airtime.Successful, 20)
	f.all(t, "later", airtime.Successful, 5)
	var sends []arrival
	for _, a := range f.at(talkingSend) {
		if len(a.phones) == 20 {
			sends = append(sends, a)
		}
	}
	require.Len(t, sends, 2)
	require.NotEmpty(t, sends[0].key)
	require.Equal(t, sends[0].key, sends[1].key)
	require.Equal(t, string(sends[0].body), string(sends[1].body))
	require.Len(t, f.at(talkingSend), 3)
	f.paidOnce(t, 25)
}

// TestADuplicateLeavesABatchInDoubt: the first sending arrived, and nobody knows what became of it.
// It is never sent a third time; a callback or a person decides.
func TestADuplicateLeavesABatchInDoubt(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.answering(func(_ http.ResponseWriter, a arrival) bool {
		if a.path == talkingSend && len(f.at(talkingSend)) == 1 {
			f.carryOut(a)
			panic(http.ErrAbortHandler)
		}
		return false
	})
	clock := f.clocked(t)
	f.serves(t, talking)
	f.accept(t, disbursalTo(talking, "d", 0, 3, false))
	f.beats(t, clock, 20, 500*time.Millisecond, f.sweep(talking), f.handOut())
	require.Len(t, f.at(talkingSend), 2)
	require.Empty(t, f.at(talkingFind), "there is no id to ask by")
	require.Equal(t, int64(3), f.inDoubt(t, "d"))
	f.paidOnce(t, 3)

	rows := f.rows(t, "d")
	require.Equal(t, airtime.ReasonDuplicate, rows[0].Reason)
	_, err := f.store.Apply(context.Background(), state.Callback{
		Provider: talking, RecipientStatus: providers.RecipientStatus{
			ProviderReference: "ATQid_x", Phone: rows[0].Phone, Status: airtime.Successful,
			Sums: providers.Sums{Amount: rows[0].Amount},
		},
	})
	require.NoError(t, err)
	decision := state.Decision{Paid: true, Who: "test", Evidence: "statement"}
	_, err = f.store.Resolve(context.Background(), decision, []state.Resolution{
		rows[1].Resolution(), rows[2].Resolution(),
	})
	require.NoError(t, err)
	f.all(t, "d", airtime.Successful, 3)
	f.balanced(t)
}

// TestOutsideTheWindowNothingIsSentAgain: the provider would pay it as a new one.
func TestOutsideTheWindowNothingIsSentAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(o *state.Options) {
		steady(o)
		o.Guard = 300 * time.Millisecond
		for i := range o.Providers { // A repetition must end before it could begin.
			o.Providers[i].ResendWithin = min(o.Providers[i].ResendWithin,
				2*o.SubmitTimeout+o.Guard-time.Millisecond)
		}
	})
	f.answering(func(_ http.ResponseWriter, a arrival) bool {
		if a.path == talkingSend {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	clock := f.clocked(t)
	f.serves(t, talking)
	f.accept(t, disbursalTo(talking, "d", 0, 3, false))
	f.beats(t, clock, 20, 500*time.Millisecond, f.sweep(talking), f.handOut())
	require.Len(t, f.at(talkingSend), 1)
	looked := f.completed(t, tasks.QueuePoll)
	require.NotEmpty(t, looked)
	for _, look := range looked {
		require.Equal(t, "no recipient can be asked about: a callback or a person decides",
			string(look.Result))
	}
	require.Equal(t, int64(3), f.inDoubt(t, "d"))
	f.balanced(t)
}

// TestAProviderThatAnswersNoQuestionsIsNotAsked: its recipients are listed for people once they
// are overdue, and no trigger looks at them again and again.
func TestAProviderThatAnswersNoQuestionsIsNotAsked(t *testing.T) {
	t.Parallel()
	const overdueAfter = 1500 * time.Millisecond
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("answer lost ", lost), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, func(o *state.Options) {
				steady(o)
				for i := range o.Providers {
					o.Providers[i].OverdueAfter = overdueAfter
				}
			})
			entry := f.entries[sozuri]
			entry.Capabilities.OverdueAfter = overdueAfter
			f.entries[sozuri], f.rules.Providers[sozuri] = entry, entry.Capabilities
			f.faulty(t, sozuri, func(s *sandbox.Faults) {
				if lost {
					s.Send.LostAfter = sandbox.NextRequests(1)
				}
			})
			clock := f.clocked(t)
			f.serves(t, sozuri)
			f.accept(t, disbursalTo(sozuri, "d", 0, 5, false))
			f.quiet(t)
			require.Len(t, f.at(sozuriSend), 1)
			overdue := func() int64 {
				figures, err := f.store.Stats(context.Background())
				require.NoError(t, err)
				return figures.Overdue
			}
			require.Zero(t, overdue())
			f.beats(t, clock, 20, 110*time.Millisecond, f.sweep(sozuri), f.handOut())
			require.Equal(t, int64(1), overdue())
			f.beats(t, clock, 20, 110*time.Millisecond, f.sweep(sozuri), f.handOut())
			looked := f.completed(t, tasks.QueuePoll)
			require.LessOrEqual(t, len(looked), 2, "looks in four seconds")
			require.Equal(t, "no recipient can be asked about: a callback or a person decides",
				string(looked[0].Result))
			require.Len(t, f.at(sozuriSend), 1)
			want := map[bool]airtime.Status{false: airtime.Submitted, true: airtime.InDoubt}[lost]
			require.Equal(t, map[airtime.Status]int64{want: 5}, f.statuses(t, "d"))
			f.balanced(t)
		})
	}
}

// TestBatchesRampUp where a lost answer cannot be asked about: so few are in doubt at first.
func TestBatchesRampUp(t *testing.T) {
	t.Parallel()
	for provider, path := range map[string]string{sozuri: sozuriSend, talking: talkingSend} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, nil)
			f.answering(func(_ http.ResponseWriter, a arrival) bool {
				if a.path == path && len(f.at(path)) == 5 {
					panic(http.ErrAbortHandler)
				}
				return false
			})
			for i := range 4 {
				n := 1000
				if i == 3 {
					n = 1 + 10 + 100 + 1 + 10 + 100 // What the smaller batches leave.
				}
				f.acceptSilently(t, disbursalTo(provider, fmt.Sprint("d", i), 1000*i, n, false))
			}
			f.turnAt(t, provider)
			require.Equal(t, []int{1, 10, 100, 1000, 1000, 1, 10, 100, 1000}, f.sizes(path))
			require.Equal(t, int64(1000), f.inDoubt(t, "d1")+f.inDoubt(t, "d2"))
			f.balanced(t)
		})
	}
}
