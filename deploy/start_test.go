package deploy

import (
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

// TestProcessesStartAsDeployed runs the programs of the image with the commands, variables and
// secrets of compose.yaml, each as its own user of a Redis with the settings of deploy/redis: they
// become ready without a warning, and stop cleanly within their time.
func TestProcessesStartAsDeployed(t *testing.T) {
	t.Parallel()
	proctest.NotInShort(t, "the programs of the image")
	out, err := built()
	require.NoError(t, err)
	secrets := newSecrets(t)
	address := startRedis(t, read(t, "redis/redis.conf"), secrets)
	loaded, err := compose(t, readCompose(t, composeFiles...))
	require.NoError(t, err)
	p := &project{Project: loaded, secrets: secrets}
	for _, name := range []string{"enqueuer", "inlet", "worker", "poller"} {
		run := p.process(p.Services[name])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops := proctest.FreeAddr(t)
			variables := maps.Clone(run.env)
			for variable, value := range run.env {
				if at, mounted := run.files[value]; mounted {
					variables[variable] = at
				}
				if strings.HasPrefix(value, ":") {
					variables[variable] = proctest.FreeAddr(t)
				}
			}
			variables["TUMA_OPS_ADDR"] = ops
			variables["TUMA_REDIS_URL_FILE"] = filepath.Join(t.TempDir(), "tuma_redis_url")
			url := read(t, run.files[run.env["TUMA_REDIS_URL_FILE"]])
			write(t, variables["TUMA_REDIS_URL_FILE"], strings.Replace(url, "redis:6379", address, 1))
			var environment []string
			for variable, value := range variables {
				environment = append(environment, variable+"="+value)
			}
			process := proctest.Start(t, filepath.Join(out, run.command[0]), run.command[1:], environment)
			require.Eventually(t, func() bool { return ready(ops) == `{"status":"ready"}` },
				2*time.Minute, 50*time.Millisecond, "not ready, or with a warning")
			process.Term()
			require.Zero(t, process.Wait(run.grace))
		})
	}
}

// ready is the answer of the readiness route; empty when there is none.
func ready(address string) string {
	answer, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(body))
}
