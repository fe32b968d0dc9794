package state

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/redisconn"
)

// Limits of a full Redis, as shares of maxmemory: from these on nothing is accepted, and nothing is
// sent.
const (
	AcceptLimit = 0.80
	SendLimit   = 0.90
)

// ReplicasUnsaid reports whether the Redis is many servers, of which one takes over from another,
// and nobody has said how many of them must hold a sending.
func (o Options) ReplicasUnsaid() bool {
	return o.Mode != "single" && o.MinReplicas == 0 && !o.Unreplicated
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// check refuses a Redis that can forget, and notes what an accepted one still risks.
func (s *Store) check(ctx context.Context) error {
	err := s.onNode(ctx, func(node *redis.Client) error { return node.Ping(ctx).Err() })
	if err != nil {
		return s.silent(err)
	}
	if s.options.Inspect {
		return nil
	}
	if _, err := s.Layout(ctx); err != nil {
		return err
	}
	if s.options.AllowVolatile {
		s.warn("volatile Redis allowed: a restart may lose disbursals")
		return nil
	}
	policy, err := s.setting(ctx, "maxmemory-policy")
	if err != nil {
		return err
	}
	aof, err := s.setting(ctx, "appendonly")
	if err != nil {
		return err
	}
	fsync, err := s.setting(ctx, "appendfsync")
	if err != nil {
		return err
	}
	var faults []string
	if policy != "noeviction" {
		faults = append(faults, "maxmemory-policy is "+policy+": set it to noeviction")
	}
	if aof != "yes" {
		faults = append(faults, "appendonly is "+aof+": set it to yes")
	}
	if fsync == "no" {
		faults = append(faults, "appendfsync is no: set it to everysec or always")
	}
	if s.options.ReplicasUnsaid() {
		faults = append(faults, "state.min_replicas is not set, and a failover forgets what no "+
			"replica holds: set it (TUMA_CONFIG) to how many replicas must hold a sending, or to 0")
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %s (or set TUMA_ALLOW_VOLATILE=true for tests)",
			ErrForgetful, strings.Join(faults, "; "))
	}
	s.warn("")
	if fsync == "everysec" && s.options.MinReplicas == 0 {
		s.warn("appendfsync everysec without replicas: a crash of the machine, or of a Redis whose " +
			"disk is busy, may lose the last seconds; docs/guarantees.md says what that means")
	}
	return nil
}

// silent says that Redis cannot be asked, and what it said instead of an answer: nobody knows then
// whether it can forget.
func (s *Store) silent(err error) error {
	what := "does not answer"
	switch {
	case strings.HasPrefix(err.Error(), "MISCONF"):
		what = "cannot write to its disk, and refuses everything until it can"
	case redisconn.IsReply(err):
		what = "answers with an error"
	case s.speaksPlainly():
		what = "speaks no TLS there: use redis://, or the port where it does"
	}
	return fmt.Errorf("redis at TUMA_REDIS_URL, TUMA_REDIS_MODE %s, %s: %w", s.options.Mode, what,
		err)
}

// speaksPlainly reports whether a Redis that was asked over TLS would answer without. It waits for
// the end of the first line of our greeting, which never comes: to the client it is only silent.
func (s *Store) speaksPlainly() bool {
	client, single := s.client.(*redis.Client)
	if !single || client.Options().TLSConfig == nil {
		return false
	}
	connection, err := net.DialTimeout("tcp", client.Options().Addr, plainTimeout)
	if err != nil {
		return false
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(plainTimeout))
	_, err = connection.Write([]byte("PING\r\n"))
	first := make([]byte, 1)
	if err == nil {
		_, err = connection.Read(first)
	}
	return err == nil && (first[0] == '+' || first[0] == '-')
}

// plainTimeout bounds the question whether a Redis speaks without TLS.
const plainTimeout = time.Second

// node is the Redis that holds the state: in a cluster the others' settings and memory say nothing.
func (s *Store) node(ctx context.Context) (*redis.Client, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.client.(*redis.Client), nil // Dial builds no others.
	}
	node, err := cluster.MasterForKey(ctx, s.keys.state())
	if err != nil {
		return nil, fmt.Errorf("find the cluster node of the state: %w", err)
	}
	return node, nil
}

// The attempts to reach the node that holds the state last longer than topologyAge.
const (
	nodeAttempts = 6
	nodePause    = 250 * time.Millisecond
)

// onNode asks the node that holds the state. The client of a cluster repeats by itself only what it
// finds by a key, and may still take a lost node for the one: so this asks again until the client
// has had another look at the cluster.
func (s *Store) onNode(ctx context.Context, ask func(*redis.Client) error) error {
	for attempt := 1; ; attempt++ {
		node, err := s.node(ctx)
		if err == nil {
			err = ask(node)
		}
		_, cluster := s.client.(*redis.ClusterClient)
		if err == nil || redisconn.IsReply(err) || !cluster || attempt == nodeAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(nodePause):
		}
	}
}

// setting reads a Redis setting. Some hosted Redis do not answer CONFIG; that cannot be trusted.
func (s *Store) setting(ctx context.Context, name string) (string, error) {
	var values map[string]string
	err := s.onNode(ctx, func(node *redis.Client) (err error) {
		values, err = node.ConfigGet(ctx, name).Result()
		return err
	})
	if redisconn.IsReply(err) {
		return "", fmt.Errorf("%w: cannot read its setting %s: %w (set TUMA_ALLOW_VOLATILE=true "+
			"if you know that it is safe)", ErrForgetful, name, err)
	}
	if err != nil {
		return "", s.silent(err)
	}
	return values[name], nil
}

func (s *Store) warn(text string) { s.warning.Store(&text) }

// Warning says what the Redis risks although it was accepted; empty when nothing.
func (s *Store) Warning() string {
	if text := s.warning.Load(); text != nil {
		return *text
	}
	return ""
}

// Ready reports whether Redis answers and is still safe.
func (s *Store) Ready(ctx context.Context) error { return s.check(ctx) }

// memoryGauge remembers for a moment how full Redis is, so that not every call asks.
type memoryGauge struct {
	mu    sync.Mutex
	last  memory
	until time.Time
}

// memory is how full Redis is, in bytes. Without a maxmemory the limit is zero.
type memory struct{ used, limit float64 }

// share is the share of maxmemory in use; 0 without a maxmemory.
func (m memory) share() float64 {
	if m.limit <= 0 {
		return 0
	}
	return m.used / m.limit
}

// memoryNow is how full Redis is, at most half a second old.
func (s *Store) memoryNow(ctx context.Context) (memory, error) {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if time.Now().Before(s.memory.until) {
		return s.memory.last, nil
	}
	var info string
	err := s.onNode(ctx, func(node *redis.Client) (err error) {
		info, err = node.Info(ctx, "memory").Result()
		return err
	})
	if err != nil && !redisconn.IsReply(err) {
		return memory{}, fmt.Errorf("read redis memory: %w", err)
	}
	s.memory.last.limit, _ = strconv.ParseFloat(infoField(info, "maxmemory"), 64)
	s.memory.last.used, _ = strconv.ParseFloat(infoField(info, "used_memory"), 64)
	s.memory.until = time.Now().Add(500 * time.Millisecond)
	return s.memory.last, nil
}

// room returns ErrFull when more than limit of the memory is in use. What the jobs stream holds
// does not count for the intake: accepting and refusing is what frees it.
func (s *Store) room(ctx context.Context, limit float64) error {
	full, err := s.memoryNow(ctx)
	if err != nil {
		return err
	}
	share := full.share()
	if share >= limit && limit == AcceptLimit {
		jobs, err := s.usage(ctx, s.keys.jobs())
		if err != nil {
			return fmt.Errorf("read redis memory: %w", err)
		}
		full.used -= float64(jobs)
	}
	if full.share() >= limit {
		return fmt.Errorf("%w (%.0f%% in use)", ErrFull, share*100)
	}
	return nil
}
