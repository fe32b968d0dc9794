package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// superseded is what was learnt of a recipient in a batch that it has left.
type superseded struct {
	batch               string
	status              airtime.Status
	discount, reference string
}

// readSuperseded reads the lines as lua/include/superseded.lua describes them.
func readSuperseded(text string) ([]superseded, error) {
	var list []superseded
	for line := range strings.Lines(text) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(words) != 4 || len(words[1]) != 1 {
			return nil, errors.New("stored superseded evidence is damaged")
		}
		status, err := airtime.StatusFromCode(words[1][0])
		if err != nil {
			return nil, fmt.Errorf("stored superseded evidence: %w", err)
		}
		list = append(list, superseded{
			words[0], status, strings.TrimPrefix(words[2], "-"), words[3],
		})
	}
	return list, nil
}

// supersededOf reads what is kept under the field of a recipient; nothing if there is none.
func (s *Store) supersededOf(ctx context.Context, field string) ([]superseded, error) {
	text, err := s.client.HGet(ctx, s.keys.plain("superseded"), field).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	return readSuperseded(text)
}

// field is the recipient's name in the hashes and sets that are about single recipients.
func (p chunkPos) field() string { return p.chunk + " " + strconv.Itoa(p.pos) }

// parseField reads such a name. That of a recipient whose disbursal Redis has forgotten has
// "@reference" in place of the chunk, and its position there.
func parseField(field string) (chunkPos, error) {
	chunk, number, _ := strings.Cut(field, " ")
	pos, err := strconv.Atoi(number)
	if err != nil {
		return chunkPos{}, fmt.Errorf("stored name %q of a recipient: %w", field, err)
	}
	return chunkPos{chunk, pos}, nil
}
