package state

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/providers"
)

// Options are the settings of a Store. Zero durations and counts take the defaults of INTERFACE.
type Options struct {
	// URL and Mode say how to reach Redis: redis:// or rediss://, and single, sentinel or cluster.
	URL  string
	Mode string
	// TLS is for every connection, whatever the URL says; nil leaves it to the URL.
	TLS *tls.Config
	// CurrentURL returns the URL as it is now, for the password of new connections; nil means that
	// it does not change.
	CurrentURL func() string
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
	// Providers are all that can be named, on or off here.
	Providers []providers.Capabilities
}

func (o Options) withDefaults() Options {
	setText := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	setDuration := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	setText(&o.URL, "redis://127.0.0.1:6379/0")
	setText(&o.Mode, "single")
	setText(&o.Namespace, "tuma")
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 4
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
	if err := s.options.checkProviders(); err != nil {
		return nil, err
	}
	s.code, s.name = s.options.codes()
	s.keys = newKeys(s.options.Namespace)
	s.scripts = newScripts(s.options)
	client, err := Dial(s.options)
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

// topologyAge is how old a client's knowledge of a cluster may be: nothing tells it that a master
// is gone, and until it asks again it calls the dead one.
const topologyAge = time.Second

// Dial builds the client that all of Tuma uses, for the mode of the options. An error that names
// the setting is returned when the URL does not fit the mode, or would read from replicas.
func Dial(o Options) (redis.UniversalClient, error) {
	o = o.withDefaults()
	client, err := dial(o)
	if err != nil {
		return nil, fmt.Errorf("TUMA_REDIS_URL: %s", withoutURL(err, o.URL))
	}
	if client == nil {
		return nil, fmt.Errorf("TUMA_REDIS_MODE: %q is not single, sentinel or cluster", o.Mode)
	}
	return client, nil
}

// errReplicaReads is returned for a URL that sends reads to replicas.
var errReplicaReads = errors.New("the state is read from masters only: take replica_only, " +
	"read_only and route_… out of it")

// dial is Dial; there is no client when the mode is unknown.
func dial(o Options) (redis.UniversalClient, error) {
	switch o.Mode {
	case "single":
		opt, err := redis.ParseURL(o.URL)
		if err != nil {
			return nil, err
		}
		opt.ContextTimeoutEnabled = true
		tune(&opt.PoolSize, &opt.DialTimeout, &opt.ReadTimeout, &opt.ConnMaxIdleTime)
		o.secure(&opt.TLSConfig, &opt.CredentialsProvider, opt.Username, opt.Password)
		return redis.NewClient(opt), nil
	case "sentinel":
		opt, err := redis.ParseFailoverURL(o.URL)
		switch {
		case err != nil:
			return nil, err
		case opt.MasterName == "":
			return nil, errors.New("no master_name in it, by which the sentinels know the master")
		case opt.ReplicaOnly || opt.RouteByLatency || opt.RouteRandomly:
			return nil, errReplicaReads
		}
		opt.ContextTimeoutEnabled = true
		tune(&opt.PoolSize, &opt.DialTimeout, &opt.ReadTimeout, &opt.ConnMaxIdleTime)
		o.secure(&opt.TLSConfig, &opt.CredentialsProvider, opt.Username, opt.Password)
		return redis.NewFailoverClient(opt), nil
	case "cluster":
		opt, err := redis.ParseClusterURL(o.URL)
		switch {
		case err != nil:
			return nil, err
		case opt.ReadOnly || opt.RouteByLatency || opt.RouteRandomly:
			return nil, errReplicaReads
		}
		opt.ContextTimeoutEnabled, opt.ClusterStateReloadInterval = true, topologyAge
		tune(&opt.PoolSize, &opt.DialTimeout, &opt.ReadTimeout, &opt.ConnMaxIdleTime)
		o.secure(&opt.TLSConfig, &opt.CredentialsProvider, opt.Username, opt.Password)
		return redis.NewClusterClient(opt), nil
	default:
		return nil, nil
	}
}

// tune sets what the URL left open. A script over 1,000 recipients takes milliseconds; ten seconds
// of silence mean a lost connection, not a slow answer.
func tune(pool *int, dial, read, idle *time.Duration) {
	if *pool == 0 {
		*pool = 32
	}
	if *dial == 0 {
		*dial = 5 * time.Second
	}
	if *read == 0 {
		*read = 10 * time.Second
	}
	if *idle == 0 {
		*idle = 5 * time.Minute
	}
}

// LogTo sends what the Redis client says beside its errors (a dial that it repeats) to print; by
// itself it writes plain lines to standard error. It holds for the whole process.
func LogTo(print func(text string)) { redis.SetLogger(printer(print)) }

type printer func(string)

// Printf formats one line.
func (p printer) Printf(_ context.Context, format string, args ...any) {
	p(fmt.Sprintf(format, args...))
}

// withoutURL keeps a password in the URL out of the error.
func withoutURL(err error, url string) string {
	return strings.ReplaceAll(err.Error(), url, "the URL")
}
