package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// Hold is why a recipient is held.
type Hold struct {
	// Reason is approval, schedule, duplicate, velocity or budget.
	Reason airtime.Reason
	// Rule is the name of the approval or guard; empty for the schedule.
	Rule string
}

// holdLetters are how locations spell the reasons; see lua/include/admission.lua.
var holdLetters = map[byte]airtime.Reason{
	'A': airtime.ReasonApproval, 'S': airtime.ReasonSchedule, 'D': airtime.ReasonDuplicate,
	'V': airtime.ReasonVelocity, 'B': airtime.ReasonBudget,
}

// HoldReasons are the reasons to hold a recipient, in the order in which they are looked at.
func HoldReasons() []airtime.Reason {
	return []airtime.Reason{
		airtime.ReasonApproval, airtime.ReasonSchedule, airtime.ReasonDuplicate,
		airtime.ReasonVelocity, airtime.ReasonBudget,
	}
}

// holdOf reads a letter and the rule behind it.
func holdOf(text string) Hold {
	if text == "" {
		return Hold{}
	}
	return Hold{Reason: holdLetters[text[0]], Rule: text[1:]}
}

// text is how the hold is spelt in a location.
func (h Hold) text() string {
	if h == (Hold{}) {
		return ""
	}
	for letter, reason := range holdLetters {
		if reason == h.Reason {
			return string(letter) + h.Rule
		}
	}
	return "?" + h.Rule
}

// HeldGroup is who is held under one name for one reason and rule.
type HeldGroup struct {
	// Name is the import that they came with, else the reference of their disbursal, as it is shown;
	// or the name that was asked for. Kind says which.
	Name string
	Kind Kind
	Hold
	Recipients int64
	Amounts    map[airtime.Currency]int64
	// Since is when the first of them was accepted, Until when they are released by themselves; zero
	// when only a person does it.
	Since, Until time.Time
	// SubmittedBy is who answers for them, empty for unknown; several are joined by commas.
	SubmittedBy string
	// Digest is the SHA-256, in hex, of reference, phone number, amount and provider of exactly these
	// recipients.
	Digest string

	name      string // As the state has it.
	sum       hash.Hash
	stretches []heldStretch
}

// heldStretch are neighbours of a chunk who are held for the same, or are not held.
type heldStretch struct {
	chunk string
	from  int // Counts from 1.
	rows  []Row
	head  head
}

// Holds lists who is held, by the names of imports and of single disbursals, in the order of
// arrival of each first one.
func (s *Store) Holds(ctx context.Context) ([]HeldGroup, error) {
	groups := newHeldGroups()
	for after := "-inf"; ; {
		list, err := s.client.ZRangeByScoreWithScores(ctx, s.keys.plain("held"), &redis.ZRangeBy{
			Min: after, Max: "+inf", Count: heldStep,
		}).Result()
		if err != nil {
			return nil, fmt.Errorf("list holds: %w", err)
		}
		if len(list) == 0 {
			return groups.all(), nil
		}
		var ids []string
		for _, z := range list {
			id, _ := z.Member.(string)
			ids = append(ids, id)
			after = "(" + strconv.FormatFloat(z.Score, 'f', 0, 64)
		}
		err = s.eachHeld(ctx, ids, func(stretch heldStretch) {
			groups.add(stretch, byOrigin)
		})
		if err != nil {
			return nil, fmt.Errorf("list holds: %w", err)
		}
	}
}

// HeldUnder lists who is held under one name: one group for each reason and rule.
func (s *Store) HeldUnder(ctx context.Context, kind Kind, name string) ([]HeldGroup, error) {
	groups := newHeldGroups()
	collect := func(ids []string) error {
		held, err := s.stillHeld(ctx, ids)
		if err != nil {
			return err
		}
		return s.eachHeld(ctx, held, func(stretch heldStretch) {
			groups.add(stretch, func(r *Row, _ head) (string, Kind) {
				if kind == KindDisbursal && r.name != name {
					return "", kind
				}
				return name, kind
			})
		})
	}
	var err error
	if kind == KindDisbursal {
		var place chunkPos
		if place, err = s.placeOf(ctx, name); err == nil {
			err = collect([]string{place.chunk})
		}
	} else {
		err = s.eachChunk(ctx, kind, name, heldStep, collect)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("list holds of %s: %w", Shown(name), err)
	}
	return groups.all(), nil
}

// heldStep is how many chunks are read at once.
const heldStep = 50

// stillHeld returns those of some chunks in which a recipient is held.
func (s *Store) stillHeld(ctx context.Context, ids []string) ([]string, error) {
	pipe := s.client.Pipeline()
	scores := make([]*redis.FloatCmd, len(ids))
	for i, id := range ids {
		scores[i] = pipe.ZScore(ctx, s.keys.plain("held"), id)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	var held []string
	for i, id := range ids {
		if scores[i].Err() == nil {
			held = append(held, id)
		}
	}
	return held, nil
}

// eachHeld calls fn with the stretches of chunks in which recipients of one disbursal are held for
// one reason and rule.
func (s *Store) eachHeld(ctx context.Context, ids []string, fn func(heldStretch)) error {
	return s.eachStretch(ctx, ids, func(stretch heldStretch) {
		if stretch.rows[0].Status == airtime.Held {
			fn(stretch)
		}
	})
}

// eachStretch calls fn with those and with all others in between.
func (s *Store) eachStretch(ctx context.Context, ids []string, fn func(heldStretch)) error {
	chunks, err := s.readChunks(ctx, ids)
	if err != nil {
		return err
	}
	for i, chunk := range chunks {
		h, found := headOf(chunk.fields["head"])
		rows, err := s.rowsOf(ctx, chunk)
		if err != nil {
			return fmt.Errorf("chunk %s: %w", ids[i], err)
		}
		if !found {
			continue
		}
		for first := 0; first < len(rows); {
			last := first
			for last+1 < len(rows) && rows[last+1].heldLike(&rows[first]) {
				last++
			}
			fn(heldStretch{ids[i], first + 1, rows[first : last+1], h})
			first = last + 1
		}
	}
	return nil
}

// heldLike reports whether two rows are of one disbursal and are held for the same, or not at all.
func (r *Row) heldLike(other *Row) bool {
	return r.Status == other.Status && r.Hold == other.Hold && r.name == other.name &&
		r.Provider == other.Provider
}

// byOrigin names an import, or a single disbursal.
func byOrigin(r *Row, h head) (string, Kind) {
	if h.imported != "" {
		return h.imported, KindImport
	}
	return r.name, KindDisbursal
}

// heldGroups collects groups in the order of their first members.
type heldGroups struct {
	order []*HeldGroup
	known map[heldKey]*HeldGroup
}

type heldKey struct {
	name string
	hold Hold
}

func newHeldGroups() *heldGroups { return &heldGroups{known: map[heldKey]*HeldGroup{}} }

// add adds a stretch to the group that name says; an empty name leaves it out.
func (g *heldGroups) add(stretch heldStretch, name func(*Row, head) (string, Kind)) {
	first := &stretch.rows[0]
	whose, kind := name(first, stretch.head)
	if whose == "" {
		return
	}
	key := heldKey{whose, first.Hold}
	group := g.known[key]
	if group == nil {
		group = &HeldGroup{
			Name: Shown(whose), Kind: kind, Hold: first.Hold, Since: first.Accepted, Until: first.ReleaseAt,
			Amounts: map[airtime.Currency]int64{}, name: whose, sum: sha256.New(),
		}
		g.known[key], g.order = group, append(g.order, group)
	}
	group.stretches = append(group.stretches, stretch)
	by := strings.Split(group.SubmittedBy, ", ")
	if submitter := stretch.head.submitter; submitter != "" && !slices.Contains(by, submitter) {
		group.SubmittedBy = strings.TrimPrefix(group.SubmittedBy+", "+submitter, ", ")
	}
	for i := range stretch.rows {
		r := &stretch.rows[i]
		group.Recipients++
		group.Amounts[r.Amount.Currency] += r.Amount.Minor
		fmt.Fprintf(group.sum, "%s\t%s\t%d\t%s\n", r.Reference, r.Phone.Digits(), r.Amount.Minor,
			r.Provider)
	}
}

// all finishes the groups.
func (g *heldGroups) all() []HeldGroup {
	list := make([]HeldGroup, len(g.order))
	for i, group := range g.order {
		list[i] = *group
		list[i].Digest = hex.EncodeToString(group.sum.Sum(nil))
	}
	return list
}
