package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

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
)

// Case is one thing that people may have to settle.
type Case struct {
	Lane  Lane
	Since time.Time
	// Batch is what it is about; for LaneOverpaid its members are the overpaid recipients, and only
	// its id, provider and members are set.
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
		case LaneOverpaid:
			list = append(list, m)
		}
	}
	return list
}

// Cases lists what is in doubt, overdue and overpaid, oldest first within each.
func (s *Store) Cases(ctx context.Context) ([]Case, error) {
	var cases []Case
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
			c := Case{lane.lane, time.UnixMilli(int64(entry.Score)).UTC(), b, b.Why}
			if len(c.Concerned()) > 0 {
				cases = append(cases, c)
			}
		}
	}
	overpaid, err := s.overpaid(ctx)
	return append(cases, overpaid...), err
}

// overpaid lists recipients with a second effect, one case each.
func (s *Store) overpaid(ctx context.Context) ([]Case, error) {
	fields, err := s.client.SMembers(ctx, s.keys.plain("overpaid")).Result()
	if err != nil {
		return nil, fmt.Errorf("list overpaid: %w", err)
	}
	var cases []Case
	for _, field := range fields {
		sheet, number, _ := strings.Cut(field, " ")
		position, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("list overpaid: %w", err)
		}
		i := 0
		err = s.reportSheets(ctx, []string{sheet}, doubts{}, func(r Row) error {
			if i++; i != position {
				return nil
			}
			m := Member{
				Recipient: airtime.Recipient{Phone: r.Phone, Amount: r.Amount},
				Reference: r.Reference, Status: r.Status, Here: true, name: r.name,
				position: r.position,
			}
			b := &Batch{ID: r.Batch, Provider: r.Provider, Members: []Member{m}}
			cases = append(cases, Case{LaneOverpaid, r.At, b, airtime.ReasonProvider})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return cases, nil
}
