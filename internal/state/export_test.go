package state

import "github.com/redis/go-redis/v9"

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
