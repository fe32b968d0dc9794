package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tuma/internal/airtime"
)

// Erasure is what the state keeps of a phone number, for a person who decides whether it is erased.
type Erasure struct {
	// Number stands for the number from then on; zero while no number was ever erased.
	Number airtime.MSISDN
	// Recipients are those who have the number, Parked the callbacks about it that fit nobody yet,
	// Rejected and DeadLetters the entries of these streams in which it stands, Results the results of
	// it that are not needed any more.
	Recipients, Parked, Rejected, DeadLetters, Results int
	// Kept are results of it that stay until they are trimmed, not before KeptUntil: somebody may
	// still read them.
	Kept      int
	KeptUntil time.Time
	// Names counts references, campaigns and providers' ids that have the number in them: they stay,
	// since jobs and callbacks are recognised by them.
	Names int
	// Changed says that Run has changed anything.
	Changed bool

	s        *Store
	phone    airtime.MSISDN
	spelling airtime.Spelling
	// chunks are those with the number, or with what stands for it, in the order of pages.
	chunks []string
	// results, rejected and letters are the ids of entries to go or to be copied.
	results, rejected, letters []string
	days                       []string
	who, note                  string
}

// Erasure looks for everything that the state keeps of a phone number. ErrOpen is returned while
// one of its recipients has not settled, or a job with it waits on the jobs stream.
func (s *Store) Erasure(ctx context.Context, phone airtime.MSISDN) (*Erasure, error) {
	e := &Erasure{s: s, phone: phone, spelling: airtime.SpellingOf(phone)}
	if err := e.look(ctx); err != nil {
		return nil, fmt.Errorf("erase %s: %w", phone, err)
	}
	return e, nil
}

func (e *Erasure) look(ctx context.Context) error {
	erased, err := e.s.erased(ctx, "", []airtime.MSISDN{e.phone})
	if err != nil {
		return err
	}
	e.Number = erased.numbers[0]
	if err := e.lookForRecipients(ctx); err != nil {
		return err
	}
	waiting, err := e.entriesWith(ctx, "jobs")
	if err != nil {
		return err
	}
	if len(waiting) > 0 {
		return fmt.Errorf("a job with it waits on the stream %s: %w", e.s.keys.jobs(), ErrOpen)
	}
	if e.rejected, err = e.entriesWith(ctx, "rejected"); err != nil {
		return err
	}
	if e.letters, err = e.entriesWith(ctx, "dead_letters"); err != nil {
		return err
	}
	e.Rejected, e.DeadLetters = len(e.rejected), len(e.letters)
	parked, err := e.s.Parked(ctx)
	if err != nil {
		return err
	}
	for _, p := range parked {
		if p.Phone == e.phone || e.spelling.In(p.Message) {
			e.Parked++
		}
	}
	return e.lookForResults(ctx)
}

// anyIn reports whether the number stands in any of the values.
func (e *Erasure) anyIn(fields map[string]string) bool {
	for _, text := range fields {
		if e.spelling.In(text) {
			return true
		}
	}
	return false
}

// lookForRecipients finds the chunks of those with the number, and of those whose number was erased
// before: what was said of these since may have it again.
func (e *Erasure) lookForRecipients(ctx context.Context) error {
	names := map[string]bool{}
	e.Recipients, e.chunks = 0, nil
	for _, number := range []airtime.MSISDN{e.phone, e.Number} {
		if number.IsZero() {
			continue
		}
		err := e.s.eachFound(ctx, Search{Phone: number}, func(f found) error {
			if !f.row.Status.Settled() {
				return fmt.Errorf("its recipient in %s is %s: %w", e.replaced(f.row.Reference),
					f.row.Status, ErrOpen)
			}
			if number == e.phone {
				e.Recipients++
			}
			if last := len(e.chunks) - 1; last < 0 || e.chunks[last] != f.chunk {
				e.chunks = append(e.chunks, f.chunk)
			}
			for _, name := range []string{f.row.Reference, f.row.Campaign, f.row.ProviderReference} {
				if e.spelling.In(name) {
					names[name] = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	e.Names = len(names)
	slices.Sort(e.chunks)
	e.chunks = slices.Compact(e.chunks)
	return nil
}

// eachFound calls fn for everybody who is looked for, the newest pages first.
func (s *Store) eachFound(ctx context.Context, q Search, fn func(found) error) error {
	pages, err := s.pagesWith(ctx, q, maps.Keys(map[string]bool{}))
	if err != nil {
		return err
	}
	for _, page := range pages {
		list, err := s.findInPage(ctx, page, q, nil)
		if err != nil {
			return err
		}
		for _, f := range list {
			if err := fn(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bounds of what one script changes: chunks, entries that may hold 64 KiB each, and ids.
const (
	erasedChunks  = 5
	erasedEntries = 5
	erasedIDs     = 500
)

// Empty reports whether there is nothing to erase now; results may be kept.
func (e *Erasure) Empty() bool {
	return e.Recipients+e.Parked+e.Rejected+e.DeadLetters+e.Results == 0
}

// Run erases what was found. It is done in steps, and can be repeated when it was interrupted. The
// first step that changes anything is in the audit, with what was found in all.
func (e *Erasure) Run(ctx context.Context, who, note string) error {
	e.who, e.note = who, clean(note)
	if err := e.run(ctx); err != nil {
		return fmt.Errorf("erase %s: %w", e.phone, err)
	}
	return nil
}

func (e *Erasure) run(ctx context.Context) error {
	erased, err := e.s.erased(ctx, rand.Text()+rand.Text(), []airtime.MSISDN{e.phone})
	if err != nil {
		return err
	}
	e.Number, e.days = erased.numbers[0], erased.days
	var steps []func(context.Context) ([]edit, error)
	for some := range slices.Chunk(e.chunks, erasedChunks) {
		steps = append(steps, func(ctx context.Context) ([]edit, error) { return e.inChunks(ctx, some) })
	}
	steps = append(steps, e.inCallbacks)
	for some := range slices.Chunk(e.rejected, erasedEntries) {
		steps = append(steps, e.inEntries("rejected", some))
	}
	for some := range slices.Chunk(e.letters, erasedEntries) {
		steps = append(steps, e.inEntries("dead_letters", some))
	}
	for some := range slices.Chunk(e.results, erasedIDs) {
		steps = append(steps, e.inResults(some))
	}
	for _, step := range steps {
		if err := e.step(ctx, step); err != nil {
			return err
		}
	}
	if e.Changed {
		if err := e.apply(ctx, nil, false); err != nil {
			return err
		}
	}
	return e.s.eachFound(ctx, Search{Phone: e.phone}, func(found) error {
		return errors.New("a recipient with it was accepted meanwhile: erase it again")
	})
}

// mostChanges is how often a step is read anew because something changed in between.
const mostChanges = 50

// errChanged is returned when it changed each time.
var errChanged = errors.New("what is to be changed is changed by others again and again: try again")

// step reads what is to be changed and has it changed, until nothing is left.
func (e *Erasure) step(ctx context.Context, read func(context.Context) ([]edit, error)) error {
	for range mostChanges {
		edits, err := read(ctx)
		if err != nil || len(edits) == 0 {
			return err
		}
		if err := e.apply(ctx, edits, true); err != nil && !errors.Is(err, errChanged) {
			return err
		}
	}
	return errChanged
}

// edit is one change, as lua/commands/erase.lua describes it.
type edit struct{ what, kind, name, field, old, new string }

// apply has edits made, all or none; more says that others follow.
func (e *Erasure) apply(ctx context.Context, edits []edit, more bool) error {
	args := []any{e.Number.Digits(), e.counted(), e.note, flag(more)}
	for _, x := range edits {
		args = append(args, x.what, x.kind, x.name, x.field, x.old, x.new)
	}
	answer, err := e.s.decide(ctx, "erase", e.who, args...)
	if err != nil {
		return err
	}
	switch asList(answer).text(0) {
	case "erased":
		e.Changed = true
		return nil
	case "open":
		return fmt.Errorf("a recipient of it is in flight again: %w", ErrOpen)
	}
	return errChanged
}

// counted is what was found, for the audit.
func (e *Erasure) counted() string {
	return fmt.Sprintf(
		"recipients=%d parked=%d rejected=%d dead_letters=%d results=%d results_kept=%d",
		e.Recipients, e.Parked, e.Rejected, e.DeadLetters, e.Results, e.Kept)
}

// replaced is a text with what stands for the number in its place.
func (e *Erasure) replaced(text string) string {
	if e.Number.IsZero() {
		return e.spelling.Replace(text, e.phone.String())
	}
	return e.spelling.Replace(text, e.Number.Digits())
}
