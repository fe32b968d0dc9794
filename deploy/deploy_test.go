// Package deploy holds the image, the compose file and the Kubernetes manifests, and the tests that
// hold them against the programs, without a container engine and without a cluster. It has no code
// but tests. Each test reads the files as they are, and then once more for each way to break them.
package deploy

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/app"
	"tuma/internal/config"
	"tuma/internal/test/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Suite{M: m}.Run()) }

// fileSuffix makes of a secret's variable the one that names a file.
const fileSuffix = "_FILE"

// newSecrets makes the folder that an operator makes: what new-secrets writes, and a file for every
// credential of a provider. A file is named after its variable, in lower case.
func newSecrets(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "secrets")
	output, err := exec.Command("./new-secrets", folder).CombinedOutput()
	require.NoError(t, err, string(output))
	for _, name := range config.Variables() {
		secret, isFile := strings.CutSuffix(name, fileSuffix)
		if isFile && !strings.HasPrefix(name, "TUMA_") {
			write(t, filepath.Join(folder, strings.ToLower(secret)), "credential")
		}
	}
	return folder
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// process is a container of ours, as compose or Kubernetes would run it.
type process struct {
	name    string
	command []string
	env     map[string]string
	// files are the mounted files: path in the container → path on this machine.
	files map[string]string
	// ports are those that others may reach, by name or, without names, as text.
	ports map[string]string
	grace time.Duration
	// idle says that it stands in a part that knows no providers yet.
	idle bool
}

// problems is what is wrong with a process.
func (p process) problems() []string {
	var found []string
	problem := func(format string, values ...any) {
		found = append(found, p.name+": "+fmt.Sprintf(format, values...))
	}
	known := config.Variables()
	env := map[string]string{}
	var environ []string
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		value := p.env[name]
		secret, isFile := strings.CutSuffix(name, fileSuffix)
		if isFile && path.Base(value) != strings.ToLower(secret) {
			problem("%s=%s: the file must be named after the variable", name, value)
		}
		if isFile || name == "TUMA_CONFIG" {
			at, mounted := p.files[value]
			if !mounted {
				problem("%s=%s: is not mounted", name, value)
			}
			value = at
		}
		if !slices.Contains(known, name) {
			problem("%s: internal/config knows no such variable", name)
		} else if slices.Contains(known, name+fileSuffix) {
			problem("%s: a secret must be given as a file", name)
		}
		env[name] = value
		environ = append(environ, name+"="+value)
	}
	c, err := config.Load(func(name string) string { return env[name] }, environ)
	if err != nil {
		problem("the configuration is refused: %s", err)
		return found
	}
	if budget := app.ShutdownBudget(c); p.grace <= budget {
		problem("has %s to stop and may need %s", p.grace, budget)
	}
	p.listens(c, problem)
	return found
}

// listens holds the addresses of the configuration against the ports of the container.
func (p process) listens(c *config.Config, problem func(format string, values ...any)) {
	addresses := map[string]string{"ops": c.OpsAddr}
	switch p.command[0] {
	case "worker":
		if !p.idle && len(c.Providers()) == 0 {
			problem("has no provider")
		}
	case "poller":
		addresses["callbacks"] = c.CallbackAddr
		if !c.CallbackToken.IsSet() {
			problem("takes no callbacks without TUMA_CALLBACK_TOKEN")
		}
		if c.MonitorUser == "" {
			problem("shows no dashboard without TUMA_MONITOR_USER")
		}
	case "enqueuer":
		if p.command[1] == "serve" {
			addresses["http"] = c.HTTPAddr
			if !c.HTTPTokens.IsSet() {
				problem("does not start without TUMA_HTTP_TOKENS")
			}
		}
	default:
		problem("%s is not in the image", p.command[0])
	}
	for name, address := range addresses {
		_, port, err := net.SplitHostPort(address)
		if err != nil || config.Loopback(address) {
			problem("listens for %s on %q, where nobody reaches it", name, address)
		} else if p.ports != nil && p.ports[name] != port {
			problem("listens for %s on %s, and the container's port is %q", name, port, p.ports[name])
		}
	}
}

// breakage is one way to break a file, and a part of what is found then.
type breakage struct {
	from, to string
	found    string
}

// apply breaks a text in the first place that fits.
func (b breakage) apply(t *testing.T, text string) string {
	t.Helper()
	require.Contains(t, text, b.from)
	return strings.Replace(text, b.from, b.to, 1)
}

// requireFound checks that one of the problems is the expected one.
func requireFound(t *testing.T, problems []string, want string) {
	t.Helper()
	require.Contains(t, strings.Join(problems, "\n"), want)
}

func TestSecretsAreNotMadeTwice(t *testing.T) {
	t.Parallel()
	folder := newSecrets(t)
	before := read(t, filepath.Join(folder, "worker_redis_url"))
	output, err := exec.Command("./new-secrets", folder).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "has secrets already")
	require.Equal(t, before, read(t, filepath.Join(folder, "worker_redis_url")))
	require.NotEqual(t, before, read(t, filepath.Join(newSecrets(t), "worker_redis_url")))
	info, err := os.Stat(folder)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "others can look into the folder")
}
