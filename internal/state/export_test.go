package state

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/providers"
)

// In returns a store on the same connections in another namespace.
func (s *Store) In(namespace string) *Store {
	o := s.options
	o.Namespace = namespace
	return &Store{
		options: o, keys: newKeys(namespace), client: s.client, scripts: s.scripts,
		code: s.code, name: s.name, misread: s.misread,
	}
}

// Client is the store's own client.
func (s *Store) Client() redis.UniversalClient { return s.client }

// NameOf is the disbursal of somebody stranded, and the index there.
func (s *Store) NameOf(one Stranded) (ref string, index int) {
	return s.Owner(one.chunk, one.position)
}

// Owner is the disbursal of a position of a chunk, from 1, and the index there.
func (s *Store) Owner(chunk string, position int) (ref string, index int) {
	index = position - 1
	refs := s.client.HGet(context.Background(), s.keys.chunk(chunk), "refs").Val()
	for line := range strings.SplitSeq(refs, "\n") {
		name, number, _ := strings.Cut(line, " ")
		n, _ := strconv.Atoi(number)
		if index < n {
			return name, index
		}
		index -= n
	}
	return "", index
}

// ChunkOf is the key of the chunk that holds a disbursal.
func (s *Store) ChunkOf(ref string) string {
	text := s.client.Get(context.Background(), s.keys.disbursal(ref)).Val()
	return s.keys.chunk(strings.Fields(text)[1])
}

// Key spells a key; the name may be empty.
func (s *Store) Key(kind, name string) string {
	if name == "" {
		return s.keys.plain(kind)
	}
	return s.keys.named(kind, name)
}

// Agree gets codes for names, as Open does.
func (s *Store) Agree(ctx context.Context, names ...string) error {
	var list []providers.Capabilities
	for _, name := range names {
		list = append(list, providers.Capabilities{Name: name})
	}
	_, err := s.agreed(ctx, list)
	return err
}

// SumOfCodes is what a program with these options keeps of the providers' codes.
func SumOfCodes(o Options) string { return o.sumOfCodes() }

// ScriptTexts are the texts of the scripts, by verb.
func ScriptTexts(o Options) map[string]string { return scriptTexts(o) }

// LookAgain forgets how full Redis was.
func (s *Store) LookAgain() {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.memory.until = time.Time{}
}

// ScriptText is the script of a verb, given what its file says.
func ScriptText(o Options, verb string) string { return scriptText(luaTables(o), verb) }
