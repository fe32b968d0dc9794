package state

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/effect"
	"tuma/internal/redisconn"
)

// Server is what the Redis that holds the state says about itself.
type Server struct {
	// Info has the fields of INFO server, memory, persistence, stats and replication, by name.
	Info map[string]string
	// Latency is how long the fastest of a few questions took, and Behind how far this machine's
	// clock was behind Redis's then; negative when it is ahead.
	Latency, Behind time.Duration
}

// latencyTries is how often the clock is asked for; the fastest answer counts.
const latencyTries = 5

// Server asks Redis about itself; now is the clock of this machine.
func (s *Store) Server(ctx context.Context, now func() time.Time) (Server, error) {
	node, err := s.node(ctx)
	if err != nil {
		return Server{}, err
	}
	server := Server{Info: map[string]string{}}
	for try := range latencyTries {
		asked := now()
		theirs, err := node.Time(ctx).Result()
		if err != nil {
			return Server{}, fmt.Errorf("ask redis for the time: %w", err)
		}
		took := now().Sub(asked)
		if try == 0 || took < server.Latency {
			server.Latency, server.Behind = took, theirs.Sub(asked.Add(took/2))
		}
	}
	for _, section := range []string{"server", "memory", "persistence", "stats", "replication"} {
		text, err := node.Info(ctx, section).Result()
		if err != nil && redisconn.IsReply(err) && !redisconn.Forbidden(err) {
			continue // Some Redis have no such section.
		}
		if err != nil {
			return Server{}, fmt.Errorf("ask redis for info %s: %w", section, err)
		}
		for line := range strings.Lines(text) {
			if name, value, field := strings.Cut(strings.TrimSpace(line), ":"); field {
				server.Info[name] = value
			}
		}
	}
	return server, nil
}

// Setting returns a setting of the Redis that holds the state. ErrForgetful is returned when it
// does not tell.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	return s.setting(ctx, name)
}

// Lag is for how long things have been due that a running process takes up at once, by Redis's
// clock. Zero means that nothing is due.
type Lag struct {
	// Slots are requests whose time is over and that no sweep has taken up, by provider.
	Slots map[string]time.Duration
	// Queries are status queries, Kept callbacks that are tried again.
	Queries, Parked time.Duration
}

// Lag reads what is late at these providers.
func (s *Store) Lag(ctx context.Context, providers []string) (Lag, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return Lag{}, fmt.Errorf("read lag: %w", err)
	}
	lag := Lag{Slots: map[string]time.Duration{}}
	oldest := func(key string) (time.Duration, error) {
		first, err := s.client.ZRangeWithScores(ctx, key, 0, 0).Result()
		return sinceFirst(now, first), err
	}
	for _, provider := range providers {
		if lag.Slots[provider], err = oldest(s.keys.named("slots", provider)); err != nil {
			return Lag{}, fmt.Errorf("read lag: %w", err)
		}
	}
	lag.Queries, err = oldest(s.keys.plain("due"))
	if err == nil {
		lag.Parked, err = oldest(s.keys.plain("parkeddue"))
	}
	if err != nil {
		return Lag{}, fmt.Errorf("read lag: %w", err)
	}
	return lag, nil
}

// firstAfter is the age of the first entry of a stream from a place on; zero when there is none.
func (s *Store) firstAfter(
	ctx context.Context, stream, start string, now time.Time,
) (time.Duration, error) {
	first, err := s.client.XRangeN(ctx, stream, start, "+", 1).Result()
	if err != nil || len(first) == 0 {
		return 0, err
	}
	return ageOfEntry(first[0].ID, now), nil
}

func ageOfEntry(id string, now time.Time) time.Duration {
	ms, _, _ := strings.Cut(id, "-")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || at == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMilli(at)))
}

// Reader is a consumer group of the results or of the rejected stream.
type Reader struct {
	Stream, Group string
	// Unread is the age of the oldest entry that it was not given, Unacknowledged of the oldest that
	// it was given and did not acknowledge.
	Unread, Unacknowledged time.Duration
}

// Readers lists who reads the results and the rejected jobs.
func (s *Store) Readers(ctx context.Context) ([]Reader, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	var readers []Reader
	for _, stream := range []string{s.keys.results(), s.keys.rejected()} {
		groups, err := s.client.XInfoGroups(ctx, stream).Result()
		if err != nil && strings.Contains(err.Error(), "no such key") {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list readers: %w", err)
		}
		for _, g := range groups {
			r := Reader{Stream: stream, Group: g.Name}
			r.Unread, err = s.firstAfter(ctx, stream, "("+g.LastDeliveredID, now)
			if err != nil {
				return nil, fmt.Errorf("list readers: %w", err)
			}
			pending, err := s.client.XPending(ctx, stream, g.Name).Result()
			if err != nil {
				return nil, fmt.Errorf("list readers: %w", err)
			}
			if pending.Count > 0 {
				r.Unacknowledged = ageOfEntry(pending.Lower, now)
			}
			readers = append(readers, r)
		}
	}
	return readers, nil
}

// Rejected counts the jobs that were rejected lately, up to a limit.
func (s *Store) Rejected(ctx context.Context, lately time.Duration, limit int) (int, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("count rejected jobs: %w", err)
	}
	start := strconv.FormatInt(now.Add(-lately).UnixMilli(), 10)
	entries, err := s.client.XRangeN(ctx, s.keys.rejected(), start, "+", int64(limit)).Result()
	if err != nil {
		return 0, fmt.Errorf("count rejected jobs: %w", err)
	}
	return len(entries), nil
}

// RequiredCommands returns the commands that every process uses on the state, and StreamCommands
// those that enqueuer stream uses beside them, on a key that nothing else uses.
func (s *Store) RequiredCommands() [][]any {
	key := s.keys.plain("doctor")
	commands := [][]any{
		{"time"},
		{"ping"},
		{"info", "server"},
		{"config", "get", "appendonly"},
		{"eval", "return 1", 0},
		{"evalsha", strings.Repeat("0", 40), 0},
		{"script", "load", "return 1"},
		{"get", key},
		{"set", key, "x"},
		{"setrange", key, 0, "x"},
		{"append", key, "x"},
		{"mget", key},
		{"mset", key, "x"},
		{"exists", key},
		{"persist", key},
		{"pexpire", key, 1},
		{"del", key},
		{"hget", key, "f"},
		{"hmget", key, "f"},
		{"hgetall", key},
		{"hset", key, "f", "x"},
		{"hsetnx", key, "f", "x"},
		{"hdel", key, "f"},
		{"hexists", key, "f"},
		{"hlen", key},
		{"hincrby", key, "f", 1},
		{"llen", key},
		{"lpop", key},
		{"lpush", key, "x"},
		{"rpush", key, "x"},
		{"lrange", key, 0, 0},
		{"lrem", key, 0, "x"},
		{"ltrim", key, 0, 0},
		{"sadd", key, "x"},
		{"srem", key, "x"},
		{"scard", key},
		{"sismember", key, "x"},
		{"smembers", key},
		{"zadd", key, 1, "x"},
		{"zrem", key, "x"},
		{"zcard", key},
		{"zscore", key, "x"},
		{"zrange", key, 0, 0},
		{"zrevrange", key, 0, 0},
		{"zrangebyscore", key, 0, 0},
		{"xadd", key, "*", "f", "x"},
		{"memory", "usage", key},
		{"xlen", key},
		{"xdel", key, "0-1"},
		{"xrange", key, "-", "+"},
		{"xrevrange", key, "+", "-"},
		{"xtrim", key, "minid", 0},
		{"xpending", key, "g"},
		{"xinfo", "groups", key},
	}
	if s.options.MinReplicas > 0 {
		commands = append(commands, []any{"wait", 0, 1})
	}
	return commands
}

// StreamCommands are the commands of enqueuer stream; see RequiredCommands.
func (s *Store) StreamCommands() [][]any {
	key := s.keys.plain("doctor")
	return [][]any{
		{"xack", key, "g", "0-1"},
		{"xgroup", "create", key, "g", "0"},
		{"watch", key},
		{"unwatch"},
		{"xreadgroup", "group", "g", "c", "streams", key, ">"},
		{"xautoclaim", key, "g", "c", 0, "0"},
	}
}

// EraseCommands are the commands of enqueuer erase; see RequiredCommands.
func (s *Store) EraseCommands() [][]any {
	return [][]any{{"hscan", s.keys.plain("doctor"), 0}}
}

// Denied lists which of the commands the Redis user may not run, and the keys that it may not
// touch, in the order of the alphabet. None of them runs: Redis checks permissions when a command
// is queued in a transaction, and this one ends with its connection. A connection that is lost and
// made anew repeats the whole, the opening of the transaction included.
func (s *Store) Denied(ctx context.Context, commands [][]any) ([]string, error) {
	master, err := s.node(ctx)
	if err != nil {
		return nil, err
	}
	options := *master.Options()
	client := redis.NewClient(&options) // Of its own: nobody gets the connection afterwards.
	defer func() { _ = client.Close() }()
	// Without MULTI the commands would run, so its permission comes first and alone.
	denied, err := deniedIn(ctx, client, [][]any{{"multi"}})
	if err != nil || len(denied) > 0 {
		return denied, err
	}
	return deniedIn(ctx, client, append([][]any{{"multi"}}, commands...))
}

// deniedIn runs commands on one connection and lists what is refused for lack of permission.
func deniedIn(ctx context.Context, client *redis.Client, commands [][]any) ([]string, error) {
	var answers []redis.Cmder
	err := effect.Do(ctx, "permissions", func() error {
		conn := client.Conn() // Not given back: its transaction ends when the client is closed.
		pipe := conn.Pipeline()
		for _, command := range commands {
			pipe.Do(ctx, command...)
		}
		var err error
		answers, err = pipe.Exec(ctx)
		return err
	})
	if err != nil && !redisconn.IsReply(err) {
		return nil, fmt.Errorf("check permissions: %w", err)
	}
	var denied []string
	for i, answer := range answers {
		if what := refusal(commands[i], answer.Err()); what != "" {
			denied = append(denied, what)
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied), nil
}

// refusal says what a user lacks that may not run a command; empty when it may.
func refusal(command []any, err error) string {
	if err == nil || !redisconn.Forbidden(err) {
		return ""
	}
	switch text := err.Error(); {
	case strings.Contains(text, "to run the"): // The rest may hold the user's name.
	case strings.Contains(text, "channel") && len(command) > 1:
		return fmt.Sprint("channel ", command[1])
	case strings.Contains(text, "key"):
		for _, word := range command[1:] {
			if family, _, found := strings.Cut(fmt.Sprint(word), ":"); found {
				return "keys " + family + ":*"
			}
		}
	}
	return "command " + strings.ToUpper(fmt.Sprint(command[0]))
}
