package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuma/internal/cli"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// What Redis must be like.
const (
	// oldestMajor and oldestMinor: XAUTOCLAIM, ZADD LT and ZRANGE BYSCORE came with 6.2.
	oldestMajor, oldestMinor = 6, 2
	// slowPing is a latency at which each step of a payment is felt.
	slowPing = 20 * time.Millisecond
	// crowdedBefore is how far below the share of maxmemory from which on nothing is accepted a word
	// is said.
	crowdedBefore = 0.1
	// From these differences on a clock is wrong, and asynq takes running tasks for dead ones.
	clockWrong, clockHarms = time.Second, 30 * time.Second
)

func (r *runner) redis(ctx context.Context) error {
	if r.away != "" {
		advice := "start Redis, or correct TUMA_REDIS_URL and TUMA_REDIS_MODE"
		if !strings.Contains(r.away, "does not answer") {
			advice = "mend what it says, or correct TUMA_REDIS_URL and TUMA_REDIS_MODE"
		}
		r.fail(r.away, advice)
		return nil
	}
	server, err := r.told(ctx)
	if err != nil {
		return err
	}
	version := server.Info["redis_version"]
	switch known, supported := supports(version); {
	case !known:
		r.warn(fmt.Sprintf("the Redis does not tell its version (%q)", version),
			fmt.Sprintf("make sure that it has all commands of Redis %d.%d", oldestMajor, oldestMinor))
	case !supported:
		r.fail("Redis "+version+" is too old",
			fmt.Sprintf("use Redis %d.%d or later", oldestMajor, oldestMinor))
	}
	if server.Info["role"] == "slave" {
		r.fail("this Redis is a replica: it takes no writes",
			"let TUMA_REDIS_URL name the master, or use TUMA_REDIS_MODE=sentinel")
	}
	if server.Info["loading"] == "1" {
		r.warn("Redis still loads its data", "wait until it has")
	}
	if server.Latency > slowPing {
		r.warn("Redis takes "+about(server.Latency)+" to answer",
			"look at the network to it, and at what else it does (SLOWLOG GET)")
	}
	if r.sound() {
		r.ok("%s, Redis %s, answers in %s", r.Redis.Mode, version, about(server.Latency))
	}
	return nil
}

// sound reports whether the check that runs has found nothing so far.
func (r *runner) sound() bool {
	n := len(r.report.Findings)
	return n == 0 || r.report.Findings[n-1].Check != r.name
}

// supports reads a version such as 7.0.15.
func supports(version string) (known, supported bool) {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	minor, minorErr := strconv.Atoi(second)
	if err != nil || minorErr != nil {
		return false, false
	}
	return true, major > oldestMajor || major == oldestMajor && minor >= oldestMinor
}

// setDurable is the advice for what must be set in two places.
func setDurable(line string) string {
	return "CONFIG SET " + line + ", and write it into redis.conf"
}

// layout says in which layout the state is stored.
func (r *runner) layout(ctx context.Context) error {
	number, err := r.store.Layout(ctx)
	switch {
	case errors.Is(err, state.ErrLayout):
		r.fail(err.Error(), "no program of this version starts on it")
	case err == nil && number == 0:
		r.ok("nothing is stored yet")
	case err == nil:
		r.ok("layout %d", number)
	default:
		return err
	}
	return nil
}

func (r *runner) persistence(ctx context.Context) error {
	server, err := r.told(ctx)
	if err != nil {
		return err
	}
	settings := map[string]string{}
	for _, name := range []string{"maxmemory-policy", "appendonly", "appendfsync"} {
		if settings[name], err = r.store.Setting(ctx, name); err != nil {
			return err
		}
	}
	if policy := settings["maxmemory-policy"]; policy != "noeviction" {
		r.fail("maxmemory-policy is "+policy+": a full Redis throws payments away",
			setDurable("maxmemory-policy noeviction"))
	}
	if settings["appendonly"] != "yes" {
		r.fail("appendonly is "+settings["appendonly"]+": a restart forgets what was paid",
			setDurable("appendonly yes"))
	}
	if settings["appendfsync"] == "no" {
		r.fail("appendfsync is no: a crash of the machine forgets what was paid",
			setDurable("appendfsync everysec")+" (or always)")
	}
	r.replicas(server.Info, settings["appendfsync"])
	for field, what := range map[string]string{
		"aof_last_write_status":     "the last write to the append-only file failed",
		"aof_last_bgrewrite_status": "the last rewrite of the append-only file failed",
		"rdb_last_bgsave_status":    "the last snapshot failed",
	} {
		if status := server.Info[field]; status != "" && status != "ok" {
			r.fail(what, "look at the log of Redis and at the room on its disk")
		}
	}
	if evicted := server.Info["evicted_keys"]; evicted != "" && evicted != "0" {
		r.fail(evicted+" keys were evicted since Redis was started: payments may be among them",
			"run enqueuer verify, compare enqueuer report with the providers' statements, and set "+
				"maxmemory-policy noeviction")
	}
	if r.sound() {
		r.ok("append-only file, appendfsync %s, %s replicas", settings["appendfsync"],
			server.Info["connected_slaves"])
	}
	return nil
}

// replicas holds the replicas that are there against those that must acknowledge a sending.
func (r *runner) replicas(info map[string]string, fsync string) {
	connected, _ := strconv.Atoi(info["connected_slaves"])
	switch {
	case connected < r.Redis.MinReplicas:
		r.fail(fmt.Sprintf("%s connected, and state.min_replicas is %d: nothing is sent",
			cli.Plural(connected, "replica"), r.Redis.MinReplicas), "start the replicas")
	case r.Redis.ReplicasUnsaid():
		r.fail("TUMA_REDIS_MODE is "+r.Redis.Mode+", and state.min_replicas is not set: nothing starts",
			"set it in TUMA_CONFIG to how many replicas must hold a sending; 0 lets a failover forget "+
				"one, and it is paid again (docs/redis.md)")
	case fsync == "everysec" && connected == 0:
		r.warn("appendfsync everysec without replicas: a crash of the machine may forget the last "+
			"second", "set appendfsync always, or run replicas and set state.min_replicas; "+
			"docs/guarantees.md says what it means")
	case fsync == "everysec" && r.Redis.MinReplicas == 0:
		r.warn("there are replicas, and no write waits for them: a crash may forget the last second",
			"set state.min_replicas, or appendfsync always")
	}
}

func (r *runner) memory(ctx context.Context) error {
	server, err := r.told(ctx)
	if err != nil {
		return err
	}
	used, _ := strconv.ParseFloat(server.Info["used_memory"], 64)
	limit, _ := strconv.ParseFloat(server.Info["maxmemory"], 64)
	more := "give Redis more memory (maxmemory), or keep settled disbursals for less long " +
		"(TUMA_RETENTION)"
	share := fmt.Sprintf("%.0f%% of maxmemory is in use", 100*used/limit)
	largest, err := r.largestStream(ctx)
	if err != nil {
		return err
	}
	if float64(largest.Bytes) > streamHolds*used {
		share += fmt.Sprintf(", %d MiB of it by the stream {%s}:%s", largest.Bytes>>20,
			r.Redis.Namespace, largest.Name)
		more = streamAdvice[largest.Name] + "; or " + more
	}
	switch {
	case limit <= 0:
		r.warn("maxmemory is not set: a full machine ends Redis instead of stopping the intake",
			setDurable("maxmemory")+", to about three quarters of the machine's memory")
	case used/limit >= state.SendLimit:
		r.fail(share+": nothing is accepted and nothing is sent", more)
	case used/limit >= state.AcceptLimit:
		r.fail(share+": nothing is accepted", more)
	case used/limit >= state.AcceptLimit-crowdedBefore:
		r.warn(fmt.Sprintf("%s; from %.0f%% on nothing is accepted", share, 100*state.AcceptLimit), more)
	default:
		r.ok("%s", share)
	}
	return nil
}

// streamHolds is the share of the memory in use from which on a stream is named.
const streamHolds = 0.2

// streamAdvice says how a stream gets smaller.
var streamAdvice = map[string]string{
	"jobs": "start more enqueuer stream, and look at their log: jobs wait",
	"results": "keep results for less long (TUMA_STREAM_AGE), and look for a consumer group that " +
		"stands still",
	"rejected":     "look at what producers send (enqueuer rejected)",
	"dead_letters": "look at what providers send that cannot be read",
	"audit":        "it holds every decision of people and producers, and is never trimmed",
}

// largestStream is that of our streams which takes the most memory.
func (r *runner) largestStream(ctx context.Context) (state.Stream, error) {
	stats, err := r.watched(ctx)
	if err != nil {
		return state.Stream{}, err
	}
	return slices.MaxFunc(stats.Streams, func(a, b state.Stream) int {
		return cmp.Compare(a.Bytes, b.Bytes)
	}), nil
}

func (r *runner) permissions(ctx context.Context) error {
	needed, serving := r.store.RequiredCommands(), [][]any{}
	for _, name := range append(r.Config.Providers(), tasks.QueueDisbursals, tasks.QueuePoll) {
		needed = append(needed, r.queues.Enqueuing(name)...)
		serving = append(serving, r.queues.Serving(name)...)
	}
	denied, err := r.store.Denied(ctx, needed)
	if err != nil {
		return err
	}
	for _, what := range denied {
		r.fail("the Redis user may not use "+what,
			"allow it: ACL SETUSER, or the access page of a hosted Redis")
	}
	if len(denied) > 0 {
		return nil
	}
	// Each process may have a user of its own, so what only some need is no failure here.
	enough := "the Redis user may do what every process needs"
	for _, part := range []struct {
		of       string
		commands [][]any
	}{
		{"enqueuer stream", r.store.StreamCommands()},
		{"enqueuer erase", r.store.EraseCommands()},
		{"a worker or poller", serving},
	} {
		denied, err := r.store.Denied(ctx, part.commands)
		if err != nil {
			return err
		}
		if len(denied) > 0 {
			enough += fmt.Sprintf("; it could not be that of %s (%s)", part.of,
				strings.Join(denied, ", "))
		}
	}
	if password, err := r.store.Setting(ctx, "masterauth"); err == nil && password != "" {
		r.warn("the Redis user may read masterauth, the password of replication: CONFIG GET shows it",
			"give the replicas a user that may replicate and nothing else (masteruser; ACL SETUSER "+
				"with +psync +replconf +ping)")
		return nil
	}
	r.ok("%s", enough)
	return nil
}

func (r *runner) clock(ctx context.Context) error {
	server, err := r.told(ctx)
	if err != nil {
		return err
	}
	r.compare("Redis's clock", server.Behind)
	stats, err := r.watched(ctx)
	if stats.Behind > 0 {
		r.fail("Redis's clock is "+about(stats.Behind)+" behind what it has shown before: nothing is "+
			"sent again, given back or taken for lost until it has caught up, for at most an hour",
			"let the machines of Redis follow NTP (timedatectl, chronyc tracking)")
	}
	return err
}

// compare judges this machine's clock, which is behind another one, or ahead if negative.
func (r *runner) compare(other string, behind time.Duration) {
	word := "behind"
	if behind < 0 {
		word = "ahead of"
	}
	off := behind.Abs()
	detail := fmt.Sprintf("this machine's clock is %s %s %s", about(off), word, other)
	advice := "let both machines follow NTP (timedatectl, chronyc tracking)"
	switch {
	case off > clockHarms:
		r.fail(detail+": asynq takes tasks that run for dead ones", advice)
	case off > clockWrong:
		r.warn(detail, advice)
	default:
		r.ok("%s", detail)
	}
}
