package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Limits of a full Redis, as shares of maxmemory.
const (
	acceptLimit = 0.80
	sendLimit   = 0.90
)

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
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
	if err := s.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis at TUMA_REDIS_URL does not answer: %w", err)
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

// node is the Redis that holds the state: in a cluster the others' settings and memory say nothing.
func (s *Store) node(ctx context.Context) (redis.Cmdable, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.client, nil
	}
	node, err := cluster.MasterForKey(ctx, s.keys.state())
	if err != nil {
		return nil, fmt.Errorf("find the cluster node of the state: %w", err)
	}
	return node, nil
}

// setting reads a Redis setting. Some hosted Redis do not answer CONFIG; that cannot be trusted.
func (s *Store) setting(ctx context.Context, name string) (string, error) {
	node, err := s.node(ctx)
	if err != nil {
		return "", err
	}
	values, err := node.ConfigGet(ctx, name).Result()
	if err != nil {
		return "", fmt.Errorf("%w: cannot read its setting %s: %w (set TUMA_ALLOW_VOLATILE=true "+
			"if you know that it is safe)", ErrForgetful, name, err)
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
	share float64
	until time.Time
}

// memoryShare is the share of maxmemory in use, at most half a second old; 0 without a maxmemory.
func (s *Store) memoryShare(ctx context.Context) (float64, error) {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if time.Now().Before(s.memory.until) {
		return s.memory.share, nil
	}
	node, err := s.node(ctx)
	if err != nil {
		return 0, err
	}
	info, err := node.Info(ctx, "memory").Result()
	if err != nil && !isReply(err) {
		return 0, fmt.Errorf("read redis memory: %w", err)
	}
	s.memory.share = 0
	limit, _ := strconv.ParseFloat(infoField(info, "maxmemory"), 64)
	used, _ := strconv.ParseFloat(infoField(info, "used_memory"), 64)
	if limit > 0 {
		s.memory.share = used / limit
	}
	s.memory.until = time.Now().Add(500 * time.Millisecond)
	return s.memory.share, nil
}

// room returns ErrFull when more than limit of the memory is in use.
func (s *Store) room(ctx context.Context, limit float64) error {
	share, err := s.memoryShare(ctx)
	if err != nil {
		return err
	}
	if share >= limit {
		return fmt.Errorf("%w (%.0f%% in use)", ErrFull, share*100)
	}
	return nil
}
