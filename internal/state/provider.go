package state

import (
	"context"
	"crypto/sha1" // Redis' scripts know no other sum; nobody is kept out by it.
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/providers"
)

// traits writes what the scripts read of a provider.
func traits(p providers.Capabilities) string {
	text := fmt.Sprintf("code = '%c', resend = %d, overdue_after = %d, rate = %g, burst = %d", p.Code,
		p.ResendWithin.Milliseconds(), p.OverdueAfter.Milliseconds(), p.Rate.PerSecond, p.Rate.Burst)
	if p.Asks != providers.AskNothing {
		text += fmt.Sprintf(", asks = '%s', checked_later = %t", p.Asks, p.Asks == providers.AskByBatch)
	}
	return text + fmt.Sprintf(", callbacks = %t, ramps_up = %t, shared = %t",
		p.Callbacks, p.RampsUp, p.Shared)
}

// sumOfCodes is the sum of what lua/include/providers.lua keeps of the providers.
func (o Options) sumOfCodes() string {
	var list []string
	for _, p := range o.Providers {
		if p.Code != 0 {
			list = append(list, fmt.Sprintf("%c %s %s\n", p.Code, p.Name, flag(p.Callbacks)))
		}
	}
	slices.Sort(list)
	return fmt.Sprintf("%x", sha1.Sum([]byte(strings.Join(list, ""))))
}

// nameOf returns the provider that a code of a stored row stands for, also one that only the state
// knows.
func (s *Store) nameOf(ctx context.Context, code byte) (string, error) {
	if name, known := s.name[code]; known {
		return name, nil
	}
	if name, known := s.dropped.Load(code); known {
		return name.(string), nil
	}
	text, err := s.client.HGet(ctx, s.keys.plain("codes"), string(rune(code))).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read the codes of the providers: %w", err)
	}
	name, _, _ := strings.Cut(text, " ")
	s.dropped.Store(code, name)
	return name, nil
}

// codes maps the providers that have codes to them, and back.
func (o Options) codes() (code map[string]byte, name map[byte]string) {
	code, name = map[string]byte{}, map[byte]string{}
	for _, p := range o.Providers {
		if p.Code != 0 {
			code[p.Name], name[p.Code] = p.Code, p.Name
		}
	}
	return code, name
}

// checkProviders refuses providers that could not be told apart in stored rows.
func (o Options) checkProviders() error {
	names, codes := map[string]bool{}, map[byte]bool{}
	for _, p := range o.Providers {
		if names[p.Name] || p.Code != 0 && codes[p.Code] {
			return fmt.Errorf("state: two providers share a name or a code")
		}
		names[p.Name], codes[p.Code] = true, true
		c := p.Code
		if c != 0 && (c <= ' ' || c > '~' || c == '\'' || c == '\\') || p.Name == "" ||
			strings.ContainsAny(p.Name, " \t\n'\\") {
			return fmt.Errorf("state: provider %q has no usable code", p.Name)
		}
	}
	return nil
}
