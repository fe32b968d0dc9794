package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// aclFile is the file that is handed out; the tests change nothing in it but the passwords.
const aclFile = "../../../deploy/redis/users.acl"

// redisUser is a user of the file with the password that it has in the tests.
func redisUser(user string) *url.Userinfo { return url.UserPassword(user, user+"-password") }

// placeholder is what stands in the file for a password.
var placeholder = regexp.MustCompile(`#SHA256_OF_THE_PASSWORD_OF_([A-Z]+)`)

// users is the option for a server with exactly the users of the file.
func users(t *testing.T) redistest.Option {
	t.Helper()
	text, err := os.ReadFile(aclFile)
	require.NoError(t, err)
	filled := placeholder.ReplaceAllStringFunc(string(text), func(found string) string {
		name := strings.ToLower(placeholder.FindStringSubmatch(found)[1])
		password, _ := redisUser(name).Password()
		return fmt.Sprintf("#%x", sha256.Sum256([]byte(password)))
	})
	path := filepath.Join(t.TempDir(), "users.acl")
	require.NoError(t, os.WriteFile(path, []byte(filled), 0o600))
	return redistest.WithUsers(path, redisUser("admin"))
}

// as is a client of one user.
func as(t *testing.T, server *redistest.Server, user string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(server.URLOf(redisUser(user)))
	require.NoError(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// denied lists what Redis has refused to its users: who, and which command, key or channel.
func denied(t *testing.T, admin *redis.Client) []string {
	t.Helper()
	entries, err := admin.ACLLog(t.Context(), 128).Result()
	require.NoError(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%s: %s %s (%s)", e.Username, e.Reason, e.Object, e.Context))
	}
	return list
}

// TestEachProcessRunsWithItsRedisUser sends recipients along every inlet to all four providers,
// with every process and the producer as the users of deploy/redis/users.acl and no others. Redis
// keeps what it refuses; at the end it has refused nothing.
func TestEachProcessRunsWithItsRedisUser(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		redis: []redistest.Option{users(t)}, four: true, batch: 20, config: byNetwork,
		faults: `{"send":{"error_after":0.1,"error_before":0.1},"callbacks":{"validate":true,` +
			`"early":0.2,"duplicate":0.2},"outcomes":{"successful":0.9,"failed":0.1}}`,
	})
	h.environment = append(h.environment, "TUMA_MONITOR_WRITE=true",
		"TUMA_REDIS_URL="+h.redis.URLOf(redisUser("enqueuer")))
	poller := h.processesAs()
	service := h.serve()

	jobs, wanted := makeJobs("acl", 5, 20)
	producer := as(t, h.redis, "producer")
	for _, j := range jobs[:3] {
		require.NoError(t, producer.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "{tuma}:jobs", Values: []string{"job", encode(t, j)},
		}).Err())
	}
	require.NoError(t, producer.XAdd(t.Context(), &redis.XAddArgs{
		Stream: "{tuma}:jobs", Values: []string{"job", "no job"},
	}).Err())
	for i, j := range jobs[3:] {
		service.must(http.StatusAccepted, http.MethodPost, "/v1/disbursals", "shop-token",
			encode(t, j))
		for _, r := range j.Recipients {
			cents := wanted[who{j.Reference, r.PhoneNumber}]
			delete(wanted, who{j.Reference, r.PhoneNumber})
			wanted[who{"shop/" + j.Reference, r.PhoneNumber}] = cents
		}
		jobs[3+i].Reference = "shop/" + j.Reference
	}
	path, more := fourFile(t, "file", 500, 30)
	h.must(0, "import", path, "--reference", "file", "--dry-run")
	h.must(0, "import", path, "--reference", "file")
	names := []string{"file"}
	for _, j := range jobs {
		names = append(names, j.Reference)
	}
	for recipient, cents := range more {
		wanted[recipient] = cents
	}
	h.awaitQuiet()
	h.useTheDashboard(poller)
	h.lateCallbacks(h.report("file"))
	h.resolveByLedger()
	h.finished(wanted, names...)
	h.everyCommand(jobs[0].Reference)
	h.readResults(producer, len(wanted))
	require.Empty(t, denied(t, h.rdb))
}

// processesAs starts a reader of the stream, a worker and a poller as their users, asks each for
// its metrics, and returns the operations address of the poller.
func (h *harness) processesAs() (poller string) {
	h.t.Helper()
	for _, row := range []struct{ command, user, argument string }{
		{cmdEnqueuer, "enqueuer", "stream"}, {cmdWorker, "worker", ""}, {cmdPoller, "poller", ""},
	} {
		poller = proctest.FreeAddr(h.t)
		h.run(proctest.Build(h.t, row.command), []string{
			"TUMA_REDIS_URL=" + h.redis.URLOf(redisUser(row.user)), "TUMA_OPS_ADDR=" + poller,
		}, strings.Fields(row.argument)...).WaitOutput("serving", testTimeout)
		require.NotEmpty(h.t, metrics(h.t, poller))
	}
	return poller
}

// everyCommand runs what people ask of the enqueuer.
func (h *harness) everyCommand(reference string) {
	h.t.Helper()
	h.must(0, "status", reference, "--recipients")
	h.must(0, "status", "--json")
	h.await("a reference is completed", func() bool { // On a busy machine it may be too late.
		return strings.Contains(h.must(0, "__complete", "status", "").out, reference+"\n")
	})
	h.must(0, "rejected", "--json")
	h.must(0, "list", "--json")
	h.must(0, "statement")
	h.must(0, "channel", "pause", "lipad", "--who", "amina")
	h.must(0, "channel", "resume", "lipad", "--who", "amina")
	h.must(0, "report", reference, "--format", "json")
	h.must(0, "indoubt", "list")
	h.must(0, "indoubt", "list", "--unconfirmed", "--import", "file")
	h.must(0, "verify")
	phone, _, _ := strings.Cut(h.must(0, "report", "file", "--status", "unconfirmed").out, "\n")
	require.Contains(h.t, phone, "phone_number")
	h.must(0, "indoubt", "resolve", "--reference", "file/1", "--phone", phoneFor("quicksms", 500),
		"--unconfirmed", "--as", "paid", "--evidence", "portal", "--yes")
	h.must(5, "indoubt", "resolve", "--reference", "file/1", "--phone", phoneFor("lipad", 500),
		"--as", "unpaid", "--evidence", "portal", "--unconfirmed")
	h.must(0, "erase", phoneFor("quicksms", 500), "--yes")
	h.must(4, "find", phoneFor("quicksms", 500))
	h.must(0, "verify")
	cancel := h.enqueuer("cancel", reference)
	require.NotEqual(h.t, 1, cancel.code, cancel.errors)
	h.must(0, "audit", "--verify")
}

// readResults reads the results as a producer does, with and without a group.
func (h *harness) readResults(producer *redis.Client, atLeast int) {
	h.t.Helper()
	ctx := h.t.Context()
	const stream = "{tuma}:results"
	require.NoError(h.t, producer.XGroupCreate(ctx, stream, "shop", "0").Err())
	read, err := producer.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: "shop", Consumer: "one", Streams: []string{stream, ">"},
	}).Result()
	require.NoError(h.t, err)
	require.GreaterOrEqual(h.t, len(read[0].Messages), atLeast)
	require.NoError(h.t, producer.XAck(ctx, stream, "shop", read[0].Messages[0].ID).Err())
	require.NoError(h.t, producer.XRangeN(ctx, stream, "-", "+", 1).Err())
}

// useTheDashboard opens its pages, and stops and starts a queue there.
func (h *harness) useTheDashboard(ops string) {
	h.t.Helper()
	ask := func(method, path string) {
		request, err := http.NewRequestWithContext(h.t.Context(), method,
			"http://"+ops+"/monitor/api"+path, http.NoBody)
		require.NoError(h.t, err)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(h.t, err)
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		require.NoError(h.t, err)
		require.Equal(h.t, 2, answer.StatusCode/100, "%s %s: %s", method, path, text)
	}
	for _, page := range []string{
		"/queues", "/queue_stats", "/servers", "/scheduler_entries", "/redis_info",
	} {
		ask(http.MethodGet, page)
	}
	for _, queue := range []string{"lipad", "poll"} {
		ask(http.MethodGet, "/queues/"+queue)
		for _, list := range []string{
			"active", "pending", "scheduled", "retry", "archived", "completed",
		} {
			ask(http.MethodGet, "/queues/"+queue+"/"+list+"_tasks")
		}
		ask(http.MethodPost, "/queues/"+queue+":pause")
		ask(http.MethodPost, "/queues/"+queue+":resume")
	}
	for _, list := range []string{"pending", "scheduled", "retry", "archived", "completed"} {
		ask(http.MethodDelete, "/queues/poll/"+list+"_tasks:delete_all")
	}
	ask(http.MethodPost, "/queues/poll/scheduled_tasks:run_all")
	ask(http.MethodPost, "/queues/poll/retry_tasks:archive_all")
	ask(http.MethodPost, "/queues/poll/active_tasks:cancel_all")
}

// TestTheLogShowsARefusedCommand takes one command from a user while its process runs: the log of
// Redis, which the test above demands to be empty, then shows it.
func TestTheLogShowsARefusedCommand(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{redis: []redistest.Option{users(t)}})
	require.Empty(t, denied(t, h.rdb))
	require.NoError(t, h.rdb.Do(t.Context(), "ACL", "SETUSER", "worker", "-hmget").Err())
	h.processesAs()
	jobs, _ := makeJobs("denied", 1, 1)
	h.environment = append(h.environment, "TUMA_REDIS_URL="+h.redis.URLOf(redisUser("enqueuer")))
	h.accept(jobs)
	h.await("Redis has refused it", func() bool {
		return slices.ContainsFunc(denied(t, h.rdb), func(text string) bool {
			return strings.HasPrefix(text, "worker: command hmget")
		})
	})
}

// TestTheDoctorFindsEveryUserSufficient asks it as each user, since it tries what others need, too.
func TestTheDoctorFindsEveryUserSufficient(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{redis: []redistest.Option{users(t)}})
	plain := h.environment[:len(h.environment):len(h.environment)]
	for _, user := range []string{"enqueuer", "worker", "poller"} {
		h.environment = append(plain, "TUMA_REDIS_URL="+h.redis.URLOf(redisUser(user)))
		require.Contains(t, h.must(0, "doctor", "--only", "permissions").out, "✓ permissions", user)
	}
}

// scriptCall finds the calls in Lua with their first argument, and word the commands in that.
var (
	scriptCall = regexp.MustCompile(`redis\.p?call\(([^,)]*)(?:,\s*"([A-Z]+)")?`)
	word       = regexp.MustCompile(`['"]([A-Za-z]+)['"]`)
	// planCall finds what the planned commands become.
	planCall = regexp.MustCompile(`(?:(?:read|count|set|drop) = |\bcall\()'([A-Z]+)'`)
)

// called lists the commands that the scripts in some files call, wherever they branch.
func called(t *testing.T, pattern string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths, pattern)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, call := range scriptCall.FindAllStringSubmatch(string(text), -1) {
			words := word.FindAllStringSubmatch(call[1], -1)
			require.NotEmpty(t, words, "%s: %s names no command", path, call[0])
			for _, w := range words {
				name := strings.ToLower(w[1])
				if name == "memory" {
					name += " " + strings.ToLower(call[2])
				}
				names[name] = true
			}
		}
	}
	return names
}

// refused lists the commands that a user may not use on a key.
func refused(t *testing.T, admin *redis.Client, user, key string, names map[string]bool) []string {
	t.Helper()
	var list []string
	for name := range names {
		words := strings.Fields(name)
		info, err := admin.Command(t.Context()).Result()
		require.NoError(t, err)
		arity := int(info[words[0]].Arity)
		if arity < 0 {
			arity = -arity
		}
		arguments := []any{"ACL", "DRYRUN", user}
		for _, w := range words {
			arguments = append(arguments, w)
		}
		for len(arguments) < 3+max(arity, len(words)+min(1, arity-1)) {
			arguments = append(arguments, key)
		}
		answer, err := admin.Do(t.Context(), arguments...).Text()
		require.NoError(t, err, name)
		if answer != "OK" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// TestUsersMayCallWhatTheirScriptsCall reads the scripts, since a run does not pass through every
// branch of them: a command that is refused while a script writes leaves half of it done.
func TestUsersMayCallWhatTheirScriptsCall(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, users(t))
	admin := server.Client(t)
	ours := called(t, "../../state/lua/commands/*.lua")
	for name := range called(t, "../../state/lua/include/*.lua") {
		ours[name] = true
	}
	plan, err := os.ReadFile("../../state/lua/include/plan.lua")
	require.NoError(t, err)
	for _, call := range planCall.FindAllStringSubmatch(string(plan), -1) {
		ours[strings.ToLower(call[1])] = true
	}
	require.Contains(t, ours, "sismember")
	require.Greater(t, len(ours), 30)
	command := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/hibiken/asynq")
	command.Stderr = new(bytes.Buffer)
	folder, err := command.Output()
	require.NoError(t, err, "%s", command.Stderr)
	theirs := called(t, filepath.Join(strings.TrimSpace(string(folder)), "internal/rdb/*.go"))
	require.Contains(t, theirs, "memory usage")
	for _, user := range []string{"enqueuer", "worker", "poller"} {
		require.Empty(t, refused(t, admin, user, "{tuma}:x", ours), user)
	}
	delete(theirs, "memory usage")
	require.Empty(t, refused(t, admin, "worker", "asynq:x", theirs))
	theirs["memory usage"] = true
	require.Empty(t, refused(t, admin, "poller", "asynq:x", theirs))

	require.NoError(t, admin.Do(t.Context(), "ACL", "SETUSER", "worker", "-persist").Err())
	require.Equal(t, []string{"persist"}, refused(t, admin, "worker", "{tuma}:x", ours),
		"a missing command is seen")
}

// TestUsersMayDoNothingElse tries what a stolen password of a process would be used for.
func TestUsersMayDoNothingElse(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, users(t), redistest.WithConfig("enable-debug-command", "yes"))
	ctx := context.Background()
	admin := server.Client(t)
	require.NoError(t, admin.Set(ctx, "other", "secret", 0).Err())
	require.NoError(t, admin.HSet(ctx, "{tuma}:x", "a", "b").Err())
	forbidden := []string{
		"FLUSHALL", "FLUSHDB", "CONFIG SET appendonly no", "CONFIG REWRITE", "KEYS *", "SCAN 0",
		"DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "ACL LIST", "ACL SETUSER worker ~*", "MONITOR",
		"REPLICAOF 127.0.0.1 1", "SAVE", "BGSAVE", "SCRIPT FLUSH", "FUNCTION FLUSH",
		"MODULE LIST", "CLIENT LIST", "CLIENT KILL TYPE normal", "MIGRATE h 1 {tuma}:x 0 1",
		"RENAME {tuma}:x {tuma}:y", "DUMP {tuma}:x", "RESTORE {tuma}:z 0 x", "SWAPDB 0 1",
		"GET other", "SET other x", "XADD other * a b", "PUBLISH other x", "CLUSTER RESET",
		"EVAL #!lua\nreturn\tredis.call('GET','other') 0",
		"EVAL return{redis.call('FLUSHALL')} 0", "EVAL return{redis.call('GET','other')} 0",
	}
	for _, user := range []string{"enqueuer", "worker", "poller", "producer"} {
		client := as(t, server, user)
		for _, text := range forbidden {
			err := client.Do(ctx, words(text)...).Err()
			require.Error(t, err, "%s: %s", user, text)
			require.Regexp(t, `NOPERM|can't run this command|can't access at least one`,
				err.Error(), "%s: %s", user, text)
		}
	}
	producer := as(t, server, "producer")
	for _, text := range []string{
		"GET {tuma}:x", "HGET {tuma}:x a", "HSET {tuma}:x a c", "XADD {tuma}:results * a b",
		"XTRIM {tuma}:results MAXLEN 0", "XDEL {tuma}:results 1-1", "DEL {tuma}:jobs",
		"XRANGE {tuma}:jobs - +", "XREAD STREAMS {tuma}:jobs 0", "XDEL {tuma}:jobs 1-1",
		"XTRIM {tuma}:jobs MAXLEN 0", "XRANGE {tuma}:rejected - +", "EVAL return{} 0",
		"LPUSH asynq:{lipad}:pending x", "XGROUP DESTROY {tuma}:results g",
	} {
		require.ErrorContains(t, producer.Do(ctx, words(text)...).Err(), "NOPERM", text)
	}
	require.Equal(t, "b", admin.HGet(ctx, "{tuma}:x", "a").Val())
	require.ErrorContains(t, redis.NewClient(&redis.Options{Addr: server.Addr()}).Ping(ctx).Err(),
		"NOAUTH", "nobody is let in without a name")
}

func words(text string) []any {
	var list []any
	for _, w := range strings.Split(text, " ") {
		list = append(list, w)
	}
	return list
}

// TestTheUsersFileMustBeFilled: as it is handed out, with no password, Redis does not start on it.
func TestTheUsersFileMustBeFilled(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(aclFile)
	require.NoError(t, err)
	output, err := exec.CommandContext(t.Context(), "redis-server", "--port", "0", "--dir",
		t.TempDir(), "--unixsocket", filepath.Join(t.TempDir(), "s"), "--aclfile", path).
		CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "password hash must be exactly 64 characters")
}
