package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/routing"
)

// Options are the settings of a Store. Zero durations and counts take the defaults of INTERFACE.
type Options struct {
	// Options say how to reach Redis.
	redisconn.Options
	// Namespace is the hash tag of every key.
	Namespace string
	// AllowVolatile accepts a Redis that can forget.
	AllowVolatile bool
	// Inspect opens any Redis that answers, as it is, to look at it.
	Inspect bool
	// MinReplicas is how many replicas must hold a BeginSend before its request leaves.
	MinReplicas int
	// Unreplicated accepts that a Redis of many servers sends what no replica holds: MinReplicas is
	// zero because somebody has said so.
	Unreplicated bool
	// MaxInFlight is how many requests may be on the wire per provider.
	MaxInFlight int
	// SubmitTimeout is how long one request may take; Guard is how long after that nobody else
	// resolves or resends it.
	SubmitTimeout time.Duration
	Guard         time.Duration
	// SettleDelay is how long a provider must not know a reference before anything follows.
	SettleDelay time.Duration
	// ClaimTimeout is how long a claimed batch may wait for its BeginSend.
	ClaimTimeout time.Duration
	// Retention is how long settled disbursals are kept.
	Retention time.Duration
	// StreamAge is how long results and rejections are kept.
	StreamAge time.Duration
	// Timezone is where days begin; nil is UTC.
	Timezone *time.Location
	// Providers are all that can be named, on or off here.
	Providers []providers.Capabilities
	// Rules say which guards and approvals are about a recipient. Of routing itself, the state knows
	// nothing.
	Rules routing.Rules
}

func (o Options) withDefaults() Options {
	setDuration := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	o.Options = o.WithDefaults()
	if o.Namespace == "" {
		o.Namespace = "tuma"
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 4
	}
	if o.Timezone == nil {
		o.Timezone = time.UTC
	}
	setDuration(&o.SubmitTimeout, 30*time.Second)
	setDuration(&o.Guard, 60*time.Second)
	setDuration(&o.SettleDelay, 60*time.Second)
	setDuration(&o.ClaimTimeout, 15*time.Second)
	setDuration(&o.Retention, 90*24*time.Hour)
	setDuration(&o.StreamAge, 7*24*time.Hour)
	return o
}

// Store is the state of one namespace in one Redis. It is safe for concurrent use.
type Store struct {
	options Options
	keys    keys
	client  redis.UniversalClient
	scripts scripts
	code    map[string]byte
	name    map[byte]string
	dropped sync.Map // Names of codes that are not in name, as nameOf has found them.
	misread chan error
	warning atomic.Pointer[string]
	memory  memoryGauge
}

// Open connects and checks that the Redis can be trusted with money. ErrForgetful is returned, with
// the setting to change, when it may lose what it has confirmed and AllowVolatile is not set;
// ErrLayout when another version has stored what this one would misread.
func Open(ctx context.Context, options Options) (*Store, error) {
	s := &Store{
		options: options.withDefaults(), misread: make(chan error, 1),
	}
	if err := errors.Join(s.options.checkProviders(), s.options.checkGuards()); err != nil {
		return nil, err
	}
	s.code, s.name = s.options.codes()
	s.keys = newKeys(s.options.Namespace)
	s.scripts = newScripts(s.options)
	client, err := redisconn.Dial(s.options.Options)
	if err != nil {
		return nil, err
	}
	s.client = client
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	if err := s.agree(ctx); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return s, nil
}

// Close closes the connections.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// Options returns the settings with their defaults filled in.
func (s *Store) Options() Options { return s.options }
