package state

import "github.com/redis/go-redis/v9"

// ScriptEdit changes the text of a verb's script, shared parts included, before it is built.
type ScriptEdit func(verb, text string) string

// Edited returns a store on the same connections and settings whose scripts were edited. It is for
// simulations and tests: they put another clock in place, and break the scripts on purpose to see
// that a break is noticed. Programs have no use for it.
func (s *Store) Edited(edit ScriptEdit) *Store {
	edited := &Store{
		options: s.options, keys: s.keys, client: s.client, scripts: scripts{},
		code: s.code, name: s.name, misread: s.misread,
	}
	for verb, text := range scriptTexts(s.options) {
		edited.scripts[verb] = redis.NewScript(edit(verb, text))
	}
	return edited
}
