package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// Lane says why people are asked about a batch or recipient.
type Lane string

// The lanes.
const (
	// LaneInDoubt: may or may not have been paid.
	LaneInDoubt Lane = "in_doubt"
	// LaneOverdue: open longer than the provider's patience.
	LaneOverdue Lane = "overdue"
	// LaneOverpaid: a second effect was seen.
	LaneOverpaid Lane = "overpaid"
	// LaneMismatched: the provider says what cannot be right.
	LaneMismatched Lane = "mismatched"
)

// Case is one thing that people may have to settle.
type Case struct {
	Lane Lane
	// Since is zero where nobody knows any more.
	Since time.Time
	// Batch is what it is about; for LaneOverpaid and LaneMismatched its member is the recipient, and
	// only its id, provider and members are set. Of an overpaid one whose disbursal Redis has
	// forgotten there is no phone number and no amount.
	Batch *Batch
	Why   airtime.Reason
}

// Concerned lists the members that the case is about.
func (c Case) Concerned() []Member {
	var list []Member
	for _, m := range c.Batch.Members {
		switch c.Lane {
		case LaneInDoubt:
			if m.Here && m.Status == airtime.InDoubt {
				list = append(list, m)
			}
		case LaneOverdue:
			if m.Here && !m.Status.Settled() && m.Status != airtime.InDoubt {
				list = append(list, m)
			}
		case LaneOverpaid, LaneMismatched:
			list = append(list, m)
		}
	}
	return list
}

// Cases lists what is in doubt, overdue, overpaid and mismatched, oldest first within each.
func (s *Store) Cases(ctx context.Context) ([]Case, error) {
	doubt, err := s.batchCases(ctx, LaneInDoubt, "doubt")
	if err != nil {
		return nil, err
	}
	overdue, err := s.batchCases(ctx, LaneOverdue, "overdue")
	if err != nil {
		return nil, err
	}
	cases := slices.Concat(doubt, overdue)
	if err := s.tell(ctx, cases); err != nil {
		return nil, err
	}
	overpaid, err := s.overpaid(ctx)
	if err != nil {
		return nil, err
	}
	mismatched, err := s.mismatched(ctx)
	return slices.Concat(cases, overpaid, mismatched), err
}

// batchCases makes a case of each batch of a ZSET that somebody is asked about.
func (s *Store) batchCases(ctx context.Context, lane Lane, key string) ([]Case, error) {
	entries, err := s.client.ZRangeWithScores(ctx, s.keys.plain(key), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", lane, err)
	}
	var cases []Case
	for _, entry := range entries {
		id, _ := entry.Member.(string)
		b, err := s.Load(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c := Case{lane, time.UnixMilli(int64(entry.Score)).UTC(), b, b.Why}
		if len(c.Concerned()) > 0 {
			cases = append(cases, c)
		}
	}
	return cases, nil
}

// tell adds to the open members of batches what was said of each.
func (s *Store) tell(ctx context.Context, cases []Case) error {
	open := map[spot][]*Member{}
	for _, c := range cases {
		for i := range c.Batch.Members {
			if m := &c.Batch.Members[i]; m.Here && !m.Status.Settled() {
				at := spot{m.chunk, m.place}
				open[at] = append(open[at], m)
			}
		}
	}
	rows, err := s.rowsAt(ctx, maps.Keys(open))
	for at, row := range rows {
		for _, m := range open[at] {
			m.Reason, m.Message = row.Reason, row.Message
		}
	}
	return err
}

// spot is where the state keeps a recipient: a chunk, and the place in it, from 1.
type spot struct {
	chunk string
	place int
}

// rowsAt reads the rows of recipients, each chunk once. Who has been forgotten has none.
func (s *Store) rowsAt(ctx context.Context, spots iter.Seq[spot]) (map[spot]Row, error) {
	places := map[string][]int{}
	for at := range spots {
		places[at.chunk] = append(places[at.chunk], at.place)
	}
	found, why := map[spot]Row{}, doubts{}
	for chunk, wanted := range places {
		var rows []Row
		err := s.reportChunks(ctx, []string{chunk}, why, func(row Row) error {
			rows = append(rows, row)
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, place := range wanted {
			if place >= 1 && place <= len(rows) {
				found[spot{chunk, place}] = rows[place-1]
			}
		}
	}
	return found, nil
}

// caseOf makes a case of one recipient.
func caseOf(lane Lane, row Row) Case {
	m := Member{
		Recipient: airtime.Recipient{Phone: row.Phone, Amount: row.Amount},
		Reference: row.Reference, Status: row.Status, Here: true, name: row.name,
		position: row.position,
		Reason:   row.Reason, Message: row.Message,
	}
	b := &Batch{ID: row.Batch, Provider: row.Provider, Members: []Member{m}}
	return Case{lane, row.At, b, airtime.ReasonProvider}
}

// overpaid lists recipients with a second effect, one case each.
func (s *Store) overpaid(ctx context.Context) ([]Case, error) {
	fields, err := s.client.SMembers(ctx, s.keys.plain("overpaid")).Result()
	if err != nil {
		return nil, fmt.Errorf("list overpaid: %w", err)
	}
	rows, err := s.rowsOfFields(ctx, LaneOverpaid, fields)
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, field := range fields {
		if row, known := rows[field]; known {
			cases = append(cases, caseOf(LaneOverpaid, row))
			continue
		}
		c, found, err := s.remembered(ctx, field)
		if err != nil {
			return nil, err
		}
		if found {
			cases = append(cases, c)
		}
	}
	return cases, nil
}

// rowsOfFields reads the rows of recipients by their fields: "chunk place". "@reference place" is
// one whom Redis has forgotten.
func (s *Store) rowsOfFields(
	ctx context.Context, lane Lane, fields []string,
) (map[string]Row, error) {
	spots := map[spot]string{}
	for _, field := range fields {
		if strings.HasPrefix(field, "@") {
			continue
		}
		chunk, number, _ := strings.Cut(field, " ")
		place, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", lane, err)
		}
		spots[spot{chunk, place}] = field
	}
	found, err := s.rowsAt(ctx, maps.Keys(spots))
	if err != nil {
		return nil, err
	}
	rows := map[string]Row{}
	for at, row := range found {
		rows[spots[at]] = row
	}
	return rows, nil
}

// remembered makes a case of a recipient of whom Redis has forgotten all but what a provider said:
// "@reference position", or the place that it had. False if that has gone since, too.
func (s *Store) remembered(ctx context.Context, field string) (Case, bool, error) {
	text, err := s.client.HGet(ctx, s.keys.plain("earlier"), field).Result()
	if errors.Is(err, redis.Nil) {
		return Case{}, false, nil
	}
	if err != nil {
		return Case{}, false, fmt.Errorf("list overpaid: %w", err)
	}
	m := Member{Reason: airtime.ReasonProvider}
	named, number, _ := strings.Cut(field, " ")
	if m.position, err = strconv.Atoi(number); err != nil {
		return Case{}, false, fmt.Errorf("list overpaid: %w", err)
	}
	m.position--
	if name, known := strings.CutPrefix(named, "@"); known {
		m.name, m.Reference = name, Shown(name)
	}
	batch := ""
	for line := range strings.Lines(text) {
		said := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4) // Batch, code, discount, id.
		if len(said) != 4 || len(said[1]) != 1 {
			continue
		}
		status, err := airtime.StatusFromCode(said[1][0])
		if err != nil {
			return Case{}, false, fmt.Errorf("list overpaid: %w", err)
		}
		if status == airtime.InDoubt {
			continue // It counts because of another one.
		}
		batch, m.Status, m.ProviderReference = said[0], status, said[3]
	}
	m.Message = "accepted; Redis has forgotten its disbursal"
	if m.ProviderReference != "" {
		m.Message = "accepted as " + m.ProviderReference + "; Redis has forgotten its disbursal"
	}
	c := Case{Lane: LaneOverpaid, Batch: &Batch{ID: batch}, Why: airtime.ReasonProvider}
	sent, err := s.Load(ctx, batch)
	if err == nil {
		c.Batch.Provider = sent.Provider
		if sent.Age > 0 {
			c.Since = sent.Read.Add(-sent.Age)
		}
	} else if !errors.Is(err, ErrNotFound) {
		return Case{}, false, err
	}
	c.Batch.Members = []Member{m}
	return c, true, nil
}

// mismatched lists recipients of whom a provider says what cannot be right, one case each.
func (s *Store) mismatched(ctx context.Context) ([]Case, error) {
	entries, err := s.client.ZRangeWithScores(ctx, s.keys.plain("mismatched"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list mismatched: %w", err)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	fields := make([]string, len(entries))
	for i, entry := range entries {
		fields[i], _ = entry.Member.(string)
	}
	rows, err := s.rowsOfFields(ctx, LaneMismatched, fields)
	if err != nil {
		return nil, err
	}
	texts, err := s.client.HMGet(ctx, s.keys.plain("disputes"), fields...).Result()
	if err != nil {
		return nil, fmt.Errorf("list mismatched: %w", err)
	}
	var cases []Case
	for i, entry := range entries {
		text, _ := texts[i].(string)
		said := strings.SplitN(text, "\t", 3) // Batch, reason, words.
		row, found := rows[fields[i]]
		if !found || len(said) != 3 {
			continue
		}
		c := caseOf(LaneMismatched, row)
		c.Since = time.UnixMilli(int64(entry.Score)).UTC()
		c.Batch.ID, c.Why = said[0], airtime.Reason(said[1])
		m := &c.Batch.Members[0]
		m.Reason, m.Message = c.Why, said[2]
		if c.Why == airtime.ReasonAmount {
			m.Message = "the provider names " + said[2]
		}
		cases = append(cases, c)
	}
	return cases, nil
}
