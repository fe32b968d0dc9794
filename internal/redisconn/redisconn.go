// Package redisconn builds the Redis client that all of Tuma uses: for one server, Sentinel or
// Cluster, encrypted as the settings say, with the password as it is now. redisconn.go dials,
// secure.go adds TLS and credentials, errors.go tells errors apart.
package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options say how to reach Redis.
type Options struct {
	// URL and Mode: redis:// or rediss://, and single, sentinel or cluster.
	URL  string
	Mode string
	// TLS is for every connection, whatever the URL says; nil leaves it to the URL.
	TLS *tls.Config
	// CurrentURL returns the URL as it is now, for the password of new connections; nil means that
	// it does not change.
	CurrentURL func() string
}

// WithDefaults is one server on this machine where nothing else is said.
func (o Options) WithDefaults() Options {
	if o.URL == "" {
		o.URL = "redis://127.0.0.1:6379/0"
	}
	if o.Mode == "" {
		o.Mode = "single"
	}
	return o
}

// topologyAge is how old a client's knowledge of a cluster may be: nothing tells it that a master
// is gone, and until it asks again it calls the dead one.
const topologyAge = time.Second

// Dial builds the client that all of Tuma uses, for the mode of the options. An error that names
// the setting is returned when the URL does not fit the mode, or would read from replicas.
func Dial(o Options) (redis.UniversalClient, error) {
	o = o.WithDefaults()
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
