package state

import (
	"strings"

	"github.com/redis/go-redis/v9"
)

// ScriptEdit changes the text of a verb's script, shared parts included, before it is built.
type ScriptEdit func(verb, text string) string

// Edited returns a store on the same connections and settings whose scripts were edited. It is how
// tests simulate time, and how they break the scripts to see that a break is noticed.
func (s *Store) Edited(edit ScriptEdit) *Store {
	preamble := luaTables(s.options)
	for _, name := range luaNames("lua/shared") {
		preamble += mustRead(name) + "\n"
	}
	edited := &Store{
		options: s.options, keys: s.keys, client: s.client, scripts: scripts{},
		code: s.code, name: s.name,
	}
	for _, name := range luaNames("lua") {
		verb := strings.TrimSuffix(strings.TrimPrefix(name, "lua/"), ".lua")
		edited.scripts[verb] = redis.NewScript(edit(verb, preamble+mustRead(name)))
	}
	return edited
}

// In returns a store on the same connections in another namespace.
func (s *Store) In(namespace string) *Store {
	o := s.options
	o.Namespace = namespace
	return &Store{
		options: o, keys: newKeys(namespace), client: s.client, scripts: s.scripts,
		code: s.code, name: s.name,
	}
}

// Client is the store's own client.
func (s *Store) Client() redis.UniversalClient { return s.client }

// Key spells a key; the name may be empty.
func (s *Store) Key(kind, name string) string {
	if name == "" {
		return s.keys.plain(kind)
	}
	return s.keys.named(kind, name)
}
