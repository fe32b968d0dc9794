package state

import (
	"context"
	"crypto/sha1" // Redis' scripts know no other sum; nobody is kept out by it.
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Asking says how a provider can be asked where recipients stand; empty means not at all.
type Asking string

// The ways of asking.
const (
	// AskByBatch: by our own reference. A batch that has settled is looked at again later too.
	AskByBatch Asking = "batch"
	// AskByRecipient: by the ids that the provider gave its recipients.
	AskByRecipient Asking = "recipient"
)

// Provider is what the state must know of a provider.
type Provider struct {
	Name string
	// Code stands for the provider in stored rows. It never changes, and no other has it. Programs
	// give capital letters; of one that is zero Open asks the state.
	Code byte
	Asks Asking
	// ResendWithin is the time from the first BeginSend within which a repetition must have ended;
	// zero permits none without the provider's word that it does not know the batch.
	ResendWithin time.Duration
	// Callbacks says that the provider reports recipients by ids of its own, so that they must be
	// found by them.
	Callbacks bool
	// Shared says that somebody else uses our account there: then a callback is about us only if we
	// know its id.
	Shared bool
	// RampsUp says that batches start with one recipient and grow with each clear answer.
	RampsUp bool
	// Patience is how long a recipient may stay open before people are told; zero is for ever.
	Patience time.Duration
	// Rate bounds the requests to the provider; its zero value does not.
	Rate Rate
}

// Rate is how many requests a provider takes from all workers together.
type Rate struct {
	// PerSecond is the steady rate, Burst how many may go at once after a rest.
	PerSecond float64
	Burst     int
}

// lua writes the fields as the scripts read them.
func (p Provider) lua() string {
	text := fmt.Sprintf("code = '%c', resend = %d, patience = %d, rate = %g, burst = %d", p.Code,
		p.ResendWithin.Milliseconds(), p.Patience.Milliseconds(), p.Rate.PerSecond, p.Rate.Burst)
	if p.Asks != "" {
		text += fmt.Sprintf(", asks = '%s', checked_later = %t", p.Asks, p.Asks == AskByBatch)
	}
	return text + fmt.Sprintf(", callbacks = %t, ramps_up = %t, shared = %t",
		p.Callbacks, p.RampsUp, p.Shared)
}

// sumOfCodes is the sum of what lua/shared/16-providers.lua keeps of the providers.
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
