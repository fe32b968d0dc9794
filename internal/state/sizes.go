package state

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"tuma/internal/redisconn"
)

// Stream is the size of one of the streams, by the name behind the namespace.
type Stream struct {
	Name string
	// Entries are there now, Added were added ever, and Groups read them.
	Entries, Added, Groups int64
	// Oldest is the age of the first entry, zero when there is none.
	Oldest time.Duration
	// Bytes are what it takes, as Redis estimates it, and TrimmedUnread are the entries that made
	// room before they were read.
	Bytes, TrimmedUnread int64
	// Ahead is how far its last id is ahead of Redis's clock: somebody chose an id. At the largest
	// id a stream takes no more.
	Ahead time.Duration
}

// streams reads the sizes of the streams. One that was never used has none; neither has one that
// this Redis, or its user's permissions, do not tell about.
func (s *Store) streams(ctx context.Context, now time.Time) ([]Stream, error) {
	list := []Stream{
		{Name: "jobs"},
		{Name: "results"},
		{Name: "rejected"},
		{Name: "dead_letters"},
		{Name: "audit"},
	}
	for i := range list {
		var err error
		if list[i].Bytes, err = s.usage(ctx, s.keys.plain(list[i].Name)); err != nil {
			return nil, fmt.Errorf("read figures: stream %s: %w", list[i].Name, err)
		}
		list[i].TrimmedUnread, err = s.trimmedUnread(ctx, list[i].Name)
		if err != nil {
			return nil, fmt.Errorf("read figures: stream %s: %w", list[i].Name, err)
		}
		info, err := s.client.XInfoStream(ctx, s.keys.plain(list[i].Name)).Result()
		if err != nil && redisconn.IsReply(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read figures: stream %s: %w", list[i].Name, err)
		}
		list[i].Entries, list[i].Added, list[i].Groups = info.Length, info.EntriesAdded, info.Groups
		list[i].Ahead = aheadOf(info.LastGeneratedID, now)
		if info.Length > 0 {
			list[i].Oldest = ageOfEntry(info.FirstEntry.ID, now)
		}
	}
	return list, nil
}

// Times are how long the batches of a provider took between two moments of their lives, by Redis's
// clock. Each batch counts once, with its oldest recipient.
type Times struct {
	Provider, From, To string
	Count              uint64
	Sum                time.Duration
	// Within maps bounds in seconds to how many took at most so long.
	Within map[float64]uint64
}

// The powers of two of a millisecond that took in lua/include/batches.lua counts by.
const (
	timesFirst = 6
	timesLast  = 27
)

// timesOf puts together what the scripts have counted, for every provider that Tuma knows.
func (s *Store) timesOf(figures map[string]int64) []Times {
	var list []Times
	for _, p := range s.options.Providers {
		for _, way := range [][2]string{
			{"accepted", "answered"}, {"accepted", "settled"}, {"sent", "settled"},
		} {
			t := Times{Provider: p.Name, From: way[0], To: way[1], Within: map[float64]uint64{}}
			field := strings.Join([]string{p.Name, way[0], way[1], ""}, " ")
			for power := timesFirst; power <= timesLast+1; power++ {
				t.Count += uint64(figures[field+fmt.Sprint(power)]) //nolint:gosec // They only grow.
				if power <= timesLast {
					t.Within[math.Ldexp(0.001, power)] = t.Count
				}
			}
			t.Sum = time.Duration(figures[field+"ms"]) * time.Millisecond
			list = append(list, t)
		}
	}
	return list
}
