package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// cellWidth is the length of a recipient's cell: status code, provider code and the index of the
// location.
const cellWidth = 4

// stored is a chunk as lua/include/keys.lua describes it, storedReads what reads it.
type (
	stored struct {
		fields    map[string]string
		rows      string
		locations map[string]string
		history   []string
		ids       string
		now       time.Time // By Redis's clock; zero while there are no guards.
	}
	storedReads struct {
		fields    *redis.MapStringStringCmd
		rows      *redis.StringCmd
		locations *redis.MapStringStringCmd
		history   *redis.StringSliceCmd
		ids       *redis.StringCmd
		now       *redis.TimeCmd
	}
)

// readChunk reads a chunk when the pipeline runs.
func (s *Store) readChunk(ctx context.Context, pipe redis.Pipeliner, id string) storedReads {
	now := &redis.TimeCmd{}
	if len(s.options.Rules.Guards) > 0 {
		now = pipe.Time(ctx)
	}
	return storedReads{
		now: now,
		// In this order: what is told of somebody is never older than the status.
		rows:      pipe.Get(ctx, s.keys.named("rows", id)),
		locations: pipe.HGetAll(ctx, s.keys.named("locations", id)),
		history:   pipe.LRange(ctx, s.keys.named("history", id), 0, -1),
		fields:    pipe.HGetAll(ctx, s.keys.chunk(id)),
		ids:       pipe.Get(ctx, s.keys.named("recipientids", id)),
	}
}

// chunk is what was read.
func (r storedReads) chunk() stored {
	return stored{
		r.fields.Val(), r.rows.Val(), r.locations.Val(), r.history.Val(), r.ids.Val(), r.now.Val(),
	}
}

// readChunks reads chunks at once: as many, in the same order; empty ones where there are none.
func (s *Store) readChunks(ctx context.Context, ids []string) ([]stored, error) {
	pipe := s.client.Pipeline()
	reads := make([]storedReads, len(ids))
	for i, id := range ids {
		reads[i] = s.readChunk(ctx, pipe, id)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	chunks := make([]stored, len(ids))
	for i, read := range reads {
		chunks[i] = read.chunk()
	}
	return chunks, nil
}

// head is what the recipients of a stored chunk have in common, as far as Go reads it.
type head struct {
	currency airtime.Currency
	page     string
	accepted time.Time
	imported string
	campaign string
	// submitter is who answers for them; empty for unknown.
	submitter string
	// notBefore is when they may be sent; zero for at once.
	notBefore time.Time
}

// headOf reads the head of a chunk as lua/include/keys.lua describes it. It reports false for one
// that is not there or damaged.
func headOf(text string) (head, bool) {
	words := strings.Split(text, "\t")
	if len(words) != 11 {
		return head{}, false
	}
	ms, err := strconv.ParseInt(words[4], 10, 64)
	later, laterErr := strconv.ParseInt(words[10], 10, 64)
	h := head{
		currency: airtime.Currency(words[1]), page: words[3], accepted: time.UnixMilli(ms).UTC(),
		imported: words[7], campaign: words[8], submitter: words[9],
	}
	if later > 0 {
		h.notBefore = time.UnixMilli(later).UTC()
	}
	return h, errors.Join(err, laterErr) == nil
}

// rowsOf reads a stored chunk. There are none if it has been forgotten.
func (s *Store) rowsOf(ctx context.Context, chunk stored) ([]Row, error) {
	if chunk.fields["head"] == "" {
		return nil, nil
	}
	h, found := headOf(chunk.fields["head"])
	lines := strings.Split(chunk.fields["content"], "\n")
	if !found || len(chunk.rows) != len(lines)*cellWidth {
		return nil, errors.New("stored chunk is damaged")
	}
	accepted := h.accepted.UnixMilli()
	rows, evidence, ids := make([]Row, len(lines)), chunk.fields["evidence"], chunk.ids
	for i, line := range lines {
		r := &rows[i]
		*r = Row{Campaign: ownWord(h.campaign), At: h.accepted, Accepted: h.accepted}
		r.ID, ids, _ = strings.Cut(ids, "\n")
		recipient, err := parseLine(line, h.currency)
		if err != nil {
			return nil, err
		}
		r.Phone, r.Amount = recipient.Phone, recipient.Amount
		cell := chunk.rows[i*cellWidth : (i+1)*cellWidth]
		if r.Status, err = airtime.StatusFromCode(cell[0]); err != nil {
			return nil, err
		}
		if r.Provider, err = s.nameOf(ctx, cell[1]); err != nil {
			return nil, err
		}
		location := chunk.locations[cell[2:]]
		if !strings.HasPrefix(location, "+") && !strings.HasPrefix(location, "=") {
			r.Batch = location
		}
		var told string
		told, evidence, _ = strings.Cut(evidence, "\n")
		if alone := chunk.fields[strconv.Itoa(i+1)]; alone != "" {
			told = alone
		}
		r.tell(told, accepted)
		if r.Status == airtime.Held && len(location) > 2 {
			s.hold(r, holdOf(location[2:]), h.notBefore, chunk.now)
		}
	}
	return rows, errors.Join(own(rows, chunk.fields["refs"]), recall(rows, chunk.history))
}

// hold says why a recipient is held, and until when.
func (s *Store) hold(r *Row, why Hold, notBefore, now time.Time) {
	r.Hold, r.Reason = why, why.Reason
	if why.Reason == airtime.ReasonSchedule {
		r.ReleaseAt = notBefore
	}
	if why.Reason == airtime.ReasonBudget {
		r.ReleaseAt = s.periodEnd(why.Rule, now)
	}
}

// own names the disbursals that the rows belong to: lines "reference recipients".
func own(rows []Row, refs string) error {
	i := 0
	for line := range strings.SplitSeq(refs, "\n") {
		ref, number, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("stored references: %w", err)
		}
		shown := Shown(ref)
		for position := 0; position < n && i < len(rows); position++ {
			rows[i].Reference, rows[i].name, rows[i].position = shown, ref, position
			i++
		}
	}
	if i < len(rows) {
		return errors.New("stored references are damaged")
	}
	return nil
}

// recall adds the refusals that were failed over: position, at, provider, batch, reason, message.
func recall(rows []Row, history []string) error {
	for _, line := range history {
		parts := strings.SplitN(line, "\t", 6)
		if len(parts) != 6 {
			return errors.New("stored history is damaged")
		}
		position, err := strconv.Atoi(parts[0])
		ms, atErr := strconv.ParseInt(parts[1], 10, 64)
		if err := errors.Join(err, atErr); err != nil || position < 1 || position > len(rows) {
			return fmt.Errorf("stored history: %w", err)
		}
		r := &rows[position-1]
		r.History = append(r.History, PastRefusal{
			At: time.UnixMilli(ms).UTC(), Provider: parts[2], Batch: parts[3],
			Reason: airtime.Reason(parts[4]), Message: parts[5],
		})
	}
	return nil
}

// tell reads a line of evidence: ms since the chunk was accepted with the mark of a callback,
// reason, provider reference, message, discount.
func (r *Row) tell(line string, accepted int64) {
	parts := strings.SplitN(line, "\t", 5)
	if len(parts) != 5 {
		return
	}
	since, waited, called := strings.Cut(parts[0], "c")
	if ms, err := strconv.ParseInt(since, 10, 64); err == nil {
		r.At = time.UnixMilli(accepted + ms).UTC()
	}
	if ms, err := strconv.ParseInt(cmp.Or(waited, "0"), 10, 64); called && err == nil {
		r.called = r.At.Add(-time.Duration(ms) * time.Millisecond)
	}
	r.Reason, r.ProviderReference, r.Message = airtime.Reason(parts[1]), parts[2], parts[3]
	r.Discount = parts[4]
	if r.Reason == "." {
		r.Reason = airtime.ReasonProvider
	}
}

// placeOf is where the first recipient of a disbursal is kept. ErrNotFound is returned when there
// is no such disbursal.
func (s *Store) placeOf(ctx context.Context, name string) (chunkPos, error) {
	text, err := s.client.Get(ctx, s.keys.disbursal(name)).Result()
	if errors.Is(err, redis.Nil) {
		return chunkPos{}, fmt.Errorf("disbursal %s: %w", Shown(name), ErrNotFound)
	}
	if err != nil {
		return chunkPos{}, err
	}
	words := strings.Fields(text) // Digest, chunk, positions before it, recipients.
	if len(words) != 4 {
		return chunkPos{}, errors.New("stored disbursal is damaged")
	}
	before, err := strconv.Atoi(words[2])
	if err != nil {
		return chunkPos{}, fmt.Errorf("stored disbursal: %w", err)
	}
	return chunkPos{words[1], before + 1}, nil
}
