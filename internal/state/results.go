package state

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/effect"
	"tuma/internal/redisconn"
)

// ErrTrimmed is returned when results behind the one that was asked from are no longer kept.
var ErrTrimmed = errors.New("results behind this one have been trimmed away")

// Result is an entry of the results stream: a recipient that settled or was corrected.
type Result struct {
	// ID is the entry's, by which results are ordered.
	ID string
	// Producer is whose own the disbursal is, empty for none. Reference is the disbursal's as that
	// producer says it.
	Producer, Reference string
	// Fields are all of the entry but producer, with reference as people see it.
	Fields map[string]string
}

// ResultsPage are the next results behind one.
type ResultsPage struct {
	Results []Result
	// Next is the last of them, or where they would begin: "0-0" before the first result ever.
	Next string
	// More is true when there may be others behind them.
	More bool
}

// ResultsAfter reads at most count results of all producers behind one, or from the oldest kept
// without one. ErrTrimmed is returned when some of those behind it have been trimmed away.
func (s *Store) ResultsAfter(ctx context.Context, after string, count int) (ResultsPage, error) {
	begin := "-"
	if after != "" {
		begin = "(" + after
	}
	pipe := s.client.TxPipeline() // Nothing is trimmed between the two.
	trimmed := pipe.ZRevRange(ctx, s.keys.trimmed("results"), 0, 0)
	entries := pipe.XRangeN(ctx, s.keys.results(), begin, "+", int64(count))
	if _, err := pipe.Exec(ctx); err != nil {
		return ResultsPage{}, fmt.Errorf("read results: %w", err)
	}
	last := "0-0"
	if list := trimmed.Val(); len(list) > 0 {
		last = unpaddedID(list[0])
	}
	if after == "" {
		after = last
	}
	if olderID(after, last) {
		return ResultsPage{}, fmt.Errorf("%w, up to %s", ErrTrimmed, last)
	}
	page := ResultsPage{Next: after, More: len(entries.Val()) == count}
	for _, entry := range entries.Val() {
		page.Results = append(page.Results, resultOf(entry))
		page.Next = entry.ID
	}
	return page, nil
}

func resultOf(entry redis.XMessage) Result {
	r := Result{ID: entry.ID, Fields: make(map[string]string, len(entry.Values))}
	for name, value := range entry.Values {
		r.Fields[name], _ = value.(string)
	}
	r.Producer, r.Reference = r.Fields["producer"], r.Fields["reference"]
	delete(r.Fields, "producer")
	if r.Producer != "" {
		r.Reference = strings.TrimPrefix(r.Reference, r.Producer+"/")
	}
	return r
}

// ParseResultID reads the id of a result as producers write it: milliseconds, and a number behind a
// dash or none.
func ParseResultID(text string) (string, error) {
	ms, sequence, found := strings.Cut(text, "-")
	if !found {
		sequence = "0"
	}
	first, err := strconv.ParseUint(ms, 10, 64)
	second, secondErr := strconv.ParseUint(sequence, 10, 64)
	if errors.Join(err, secondErr) != nil {
		return "", fmt.Errorf("%q is not the id of a result, such as 1764500000000-0", text)
	}
	return strconv.FormatUint(first, 10) + "-" + strconv.FormatUint(second, 10), nil
}

// trim takes the entries up to one off a stream, keeps which was the last that went, and answers
// how many it took. Several processes may trim at once: the last one of all is the highest member,
// by the alphabet, since the scores are equal.
func (s *Store) trim(ctx context.Context, stream, last string) (dropped int64, err error) {
	entries, name := s.keys.plain(stream), s.keys.trimmed(stream)
	former, err := s.client.ZRange(ctx, name, 0, -1).Result()
	if err != nil {
		return 0, err
	}
	older := []any{""} // No member is empty.
	for _, id := range former {
		if id < paddedID(last) {
			older = append(older, id)
		}
	}
	err = effect.Do(ctx, "trim stream", func() error {
		pipe := s.client.TxPipeline()
		taken := pipe.XTrimMinID(ctx, entries, nextID(last))
		pipe.ZAdd(ctx, name, redis.Z{Member: paddedID(last)})
		pipe.ZRem(ctx, name, older...)
		_, err := pipe.Exec(ctx)
		dropped = taken.Val()
		if err == nil || !redisconn.IsReply(err) {
			return err
		}
		// A full Redis remembers which was the last only when it has room again.
		dropped, err = s.client.XTrimMinID(ctx, entries, nextID(last)).Result()
		if err != nil {
			return err
		}
		return s.client.ZAdd(ctx, name, redis.Z{Member: paddedID(last)}).Err()
	})
	return dropped, err
}

// idDigits is how many digits the halves of a stream id may have.
const idDigits = 20

// paddedID spells a stream id so that the alphabet orders it.
func paddedID(id string) string {
	ms, sequence, _ := strings.Cut(id, "-")
	pad := func(digits string) string {
		return strings.Repeat("0", max(0, idDigits-len(digits))) + digits
	}
	return pad(ms) + "-" + pad(sequence)
}

func unpaddedID(id string) string {
	plain, err := ParseResultID(id)
	if err != nil {
		return "0-0"
	}
	return plain
}

// nextID is the stream id behind another.
func nextID(id string) string {
	ms, sequence, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if err != nil || n == math.MaxUint64 {
		return id // One entry too few is trimmed.
	}
	return ms + "-" + strconv.FormatUint(n+1, 10)
}

// OlderResult reports whether a result comes before another, by their ids.
func OlderResult(a, b string) bool { return olderID(a, b) }

// olderID compares two stream ids.
func olderID(a, b string) bool { return paddedID(a) < paddedID(b) }
