package state

import (
	"context"
	"errors"
	"fmt"
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
	var cases []Case
	read := sheetReader{s, map[string][]Row{}}
	for _, lane := range []struct {
		lane Lane
		key  string
	}{{LaneInDoubt, "doubt"}, {LaneOverdue, "overdue"}} {
		entries, err := s.client.ZRangeWithScores(ctx, s.keys.plain(lane.key), 0, -1).Result()
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", lane.lane, err)
		}
		for _, entry := range entries {
			id, _ := entry.Member.(string)
			b, err := s.Load(ctx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if err := read.tell(ctx, b); err != nil {
				return nil, err
			}
			c := Case{lane.lane, time.UnixMilli(int64(entry.Score)).UTC(), b, b.Why}
			if len(c.Concerned()) > 0 {
				cases = append(cases, c)
			}
		}
	}
	overpaid, err := s.overpaid(ctx, read)
	if err != nil {
		return nil, err
	}
	mismatched, err := s.mismatched(ctx, read)
	return slices.Concat(cases, overpaid, mismatched), err
}

// sheetReader reads the rows of sheets, and keeps a few: neighbours are often asked about together.
type sheetReader struct {
	store *Store
	rows  map[string][]Row
}

// sheetsKept bounds the memory of a sheetReader.
const sheetsKept = 32

func (r sheetReader) sheet(ctx context.Context, id string) ([]Row, error) {
	if rows, known := r.rows[id]; known {
		return rows, nil
	}
	if len(r.rows) >= sheetsKept {
		clear(r.rows)
	}
	var rows []Row
	err := r.store.reportSheets(ctx, []string{id}, doubts{}, func(row Row) error {
		rows = append(rows, row)
		return nil
	})
	r.rows[id] = rows
	return rows, err
}

// tell adds to the open members of a batch what was said of each.
func (r sheetReader) tell(ctx context.Context, b *Batch) error {
	for i := range b.Members {
		m := &b.Members[i]
		if !m.Here || m.Status.Settled() {
			continue
		}
		rows, err := r.sheet(ctx, m.sheet)
		if err != nil {
			return err
		}
		if m.place <= len(rows) {
			m.Reason, m.Message = rows[m.place-1].Reason, rows[m.place-1].Message
		}
	}
	return nil
}

// of makes a case of the recipient that a field names, "sheet position"; false if it has been
// forgotten.
func (r sheetReader) of(ctx context.Context, lane Lane, field string) (Case, bool, error) {
	sheet, number, _ := strings.Cut(field, " ")
	position, err := strconv.Atoi(number)
	if err != nil {
		return Case{}, false, fmt.Errorf("list %s: %w", lane, err)
	}
	rows, err := r.sheet(ctx, sheet)
	if err != nil || position < 1 || position > len(rows) {
		return Case{}, false, err
	}
	row := rows[position-1]
	m := Member{
		Recipient: airtime.Recipient{Phone: row.Phone, Amount: row.Amount},
		Reference: row.Reference, Status: row.Status, Here: true, name: row.name,
		position: row.position,
		Reason:   row.Reason, Message: row.Message,
	}
	b := &Batch{ID: row.Batch, Provider: row.Provider, Members: []Member{m}}
	return Case{lane, row.At, b, airtime.ReasonProvider}, true, nil
}

// overpaid lists recipients with a second effect, one case each.
func (s *Store) overpaid(ctx context.Context, read sheetReader) ([]Case, error) {
	fields, err := s.client.SMembers(ctx, s.keys.plain("overpaid")).Result()
	if err != nil {
		return nil, fmt.Errorf("list overpaid: %w", err)
	}
	var cases []Case
	for _, field := range fields {
		var c Case
		var found bool
		if !strings.HasPrefix(field, "@") {
			c, found, err = read.of(ctx, LaneOverpaid, field)
		}
		if err == nil && !found {
			c, found, err = s.remembered(ctx, field)
		}
		if err != nil {
			return nil, err
		}
		if found {
			cases = append(cases, c)
		}
	}
	return cases, nil
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
func (s *Store) mismatched(ctx context.Context, read sheetReader) ([]Case, error) {
	entries, err := s.client.ZRangeWithScores(ctx, s.keys.plain("mismatched"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list mismatched: %w", err)
	}
	var cases []Case
	for _, entry := range entries {
		field, _ := entry.Member.(string)
		c, found, err := read.of(ctx, LaneMismatched, field)
		if err != nil {
			return nil, err
		}
		text, err := s.client.HGet(ctx, s.keys.plain("disputes"), field).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("list mismatched: %w", err)
		}
		said := strings.SplitN(text, "\t", 3) // Batch, reason, words.
		if !found || len(said) != 3 {
			continue
		}
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
