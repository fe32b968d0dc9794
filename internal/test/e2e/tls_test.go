package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// TestEverythingOverTLS runs every process against a Redis that takes only clients with a
// certificate of a private authority, and refuses a Redis that another authority or another name
// stands for.
func TestEverythingOverTLS(t *testing.T) {
	t.Parallel()
	authority, stranger := redistest.NewAuthority(t), redistest.NewAuthority(t)
	address, option := authority.WithTLS(t, "127.0.0.1")
	h := newHarness(t, setup{redis: []redistest.Option{option}})
	certificate, key := authority.Issue(t, "tuma")
	plain := h.environment[:len(h.environment):len(h.environment)]
	secure := func(address, ca string, more ...string) {
		h.environment = append(append(plain, "TUMA_REDIS_URL=rediss://"+address+"/0",
			"TUMA_REDIS_CA_FILE="+ca), more...)
	}
	shown := []string{"TUMA_REDIS_CERT_FILE=" + certificate, "TUMA_REDIS_KEY_FILE=" + key}

	secure(address, stranger.File, shown...)
	require.Contains(t, h.must(1, "status").errors, "unknown authority")
	_, port, _ := strings.Cut(address, ":")
	secure("localhost:"+port, authority.File, shown...)
	require.Contains(t, h.must(1, "status").errors, "wanted to match localhost")
	secure(address, authority.File)
	require.Regexp(t, `certificate required|EOF|reset|broken pipe`, h.must(1, "status").errors)
	h.environment = append(plain, "TUMA_REDIS_URL=rediss://"+address+"/0")
	require.Contains(t, h.must(1, "status").errors, "unknown authority", "the system knows it not")
	h.environment = append(plain, "TUMA_REDIS_CA_FILE="+authority.File)
	require.Contains(t, h.must(2, "status").errors, "TUMA_REDIS_URL must begin with rediss://")

	secure(address, authority.File, shown...)
	h.pods(1)
	h.start(cmdEnqueuer, "stream").WaitOutput("serving", testTimeout)
	jobs, wanted := makeJobs("tls", 3, 20)
	h.pipeJobs(jobs)
	h.finished(wanted, "tls")
}

// TestARedisPasswordIsRotated replaces the password of a worker that runs: connections that it
// makes from then on take the new one.
func TestARedisPasswordIsRotated(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{redis: []redistest.Option{users(t)}})
	file := filepath.Join(t.TempDir(), "url")
	write := func(user *url.Userinfo) {
		replaceFile(t, file, h.redis.URLOf(user))
	}
	write(redisUser("worker"))
	worker := h.run(proctest.Build(t, cmdWorker),
		[]string{"TUMA_REDIS_URL=", "TUMA_REDIS_URL_FILE=" + file})
	h.start(cmdPoller).WaitOutput("serving", testTimeout)
	worker.WaitOutput("serving", testTimeout)
	first, wanted := makeJobs("before", 1, 20)
	h.accept(first)
	h.finished(wanted, "before")

	const next = "the-next-password"
	ctx := t.Context()
	require.NoError(t, h.rdb.Do(ctx, "ACL", "SETUSER", "worker", ">"+next).Err())
	write(url.UserPassword("worker", next))
	old, _ := redisUser("worker").Password()
	require.NoError(t, h.rdb.Do(ctx, "ACL", "SETUSER", "worker", "<"+old).Err())
	require.NoError(t, h.rdb.Do(ctx, "CLIENT", "KILL", "USER", "worker").Err())
	second, more := makeJobs("after", 1, 20)
	h.accept(second)
	for recipient, cents := range more {
		wanted[recipient] = cents
	}
	h.finished(wanted, "before", "after")
	require.True(t, worker.Running(), "it was not restarted")
	require.NotContains(t, worker.Output(), next)
}

// replaceFile writes a file as a mounted secret is: the new one takes the place of the old.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	later := time.Now().Add(time.Second) // The clocks of some file systems are coarse.
	require.NoError(t, os.Chtimes(path+".new", later, later))
	require.NoError(t, os.Rename(path+".new", path))
}

// TestAQuickSMSTokenIsRotated has QuickSMS regenerate the token while a worker runs: the channel
// pauses, and goes on by itself when the file holds the new token. Nobody is paid twice.
func TestAQuickSMSTokenIsRotated(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{four: true, batch: 10, config: byNetwork})
	file := filepath.Join(t.TempDir(), "token")
	replaceFile(t, file, "first-token")
	h.environment = append(h.environment, "QUICKSMS_APP_TOKEN=", "QUICKSMS_APP_TOKEN_FILE="+file)
	workers, _ := h.pods(1)
	h.faults("quicksms", `{"secret":"first-token"}`)
	jobs, wanted := quickJobs("first", 0, 40)
	h.accept(jobs)
	h.finished(wanted, "first")

	h.faults("quicksms", `{"secret":"second-token"}`)
	jobs, more := quickJobs("second", 40, 40)
	h.accept(jobs)
	h.await("the channel is paused", func() bool {
		c := h.channel("quicksms")
		return c.State == "paused" && c.Reason == "credentials"
	})
	replaceFile(t, file, "second-token")
	for recipient, cents := range more {
		wanted[recipient] = cents
	}
	require.Equal(t, map[string]int{"unconfirmed": 80}, h.finished(wanted, "first", "second"))
	h.requireNobodyTwice()
	require.True(t, workers[0].Running(), "it was not restarted")
	require.NotContains(t, workers[0].Output(), "second-token")
}

// quickJobs are one job for as many recipients at QuickSMS.
func quickJobs(reference string, first, n int) ([]job, orders) {
	j, wanted := job{Reference: reference, Provider: "quicksms"}, orders{}
	for i := first; i < first+n; i++ {
		phone, cents := phoneFor("quicksms", i), centsFor("quicksms", i)
		j.Recipients = append(j.Recipients, jobRecipient{phone, decimal(cents)})
		wanted[who{reference, phone}] = cents
	}
	return []job{j}, wanted
}
