package ops_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"tuma/internal/providers/catalog"
	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

const (
	// testTimeout only bounds a broken test on a busy machine.
	testTimeout = 3 * time.Minute
	// glance is the pause between two looks at something that is awaited.
	glance = 200 * time.Millisecond
)

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	folder, err := proctest.ModuleRoot()
	require.NoError(t, err)
	return folder
}

// tool finds a program of Prometheus.
func tool(t *testing.T, name string) string {
	t.Helper()
	proctest.NotInShort(t, name)
	program, err := exec.LookPath(name)
	require.NoError(t, err, "%s is not on the PATH: run scripts/need-promtool, or install "+
		"Prometheus (Debian and Ubuntu: apt-get install prometheus)", name)
	return program
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(testTimeout); !so(); time.Sleep(glance) {
		if time.Now().After(end) {
			require.FailNow(t, "not within "+testTimeout.String()+": "+what)
		}
	}
}

// harness is every process of Tuma on simulated providers, and a Prometheus that scrapes them
// with the rules as they are deployed.
type harness struct {
	prometheus string
	// pages are the operations addresses, by scrape job.
	pages map[string][]string
}

// newHarness starts everything and lets some disbursals through: most are paid, one stays in doubt.
func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{pages: map[string][]string{}}
	server := redistest.Start(t)
	callbacks, providers := proctest.FreeAddr(t), proctest.FreeAddr(t)
	proctest.Start(t, proctest.Build(t, "./cmd/sandbox"), []string{
		"providers", "--addr", providers, "--seed", "7",
		"--callbacks", "http://" + callbacks + "/callbacks/token",
	}, nil)
	await(t, "the simulated providers answer", func() bool {
		return patch(providers, "quicksms", `{"send":{"lost_after":{"next":1}}}`) &&
			patch(providers, "africastalking", `{"callbacks":{"validate":true}}`)
	})
	environment := []string{
		"TUMA_REDIS_URL=" + server.URL(), "TUMA_CALLBACK_TOKEN=token",
		"TUMA_CALLBACK_ADDR=" + callbacks, "TUMA_HTTP_ADDR=" + proctest.FreeAddr(t),
		"TUMA_SUBMIT_TIMEOUT=2s", "TUMA_SEND_GUARD=1s",
		"TUMA_SETTLE_DELAY=1s", "TUMA_SWEEP_INTERVAL=500ms", "TUMA_POLL_INITIAL=200ms",
		"TUMA_POLL_MAX=2s",
	}
	environment = append(environment, catalog.Simulated("http://"+providers)...)
	environment = append(environment, "TUMA_CONFIG="+withWebhook(t))
	for _, process := range []struct {
		job, command string
		arguments    []string
	}{
		{"tuma-worker", "./cmd/worker", nil},
		{"tuma-poller", "./cmd/poller", nil},
		{"tuma-enqueuer", "./cmd/enqueuer", []string{"stream"}},
		{"tuma-enqueuer", "./cmd/enqueuer", []string{"serve"}},
	} {
		address := proctest.FreeAddr(t)
		h.pages[process.job] = append(h.pages[process.job], address)
		proctest.Start(t, proctest.Build(t, process.command), process.arguments,
			append(environment[:len(environment):len(environment)], "TUMA_OPS_ADDR="+address)).
			WaitOutput("serving", testTimeout)
	}
	h.startPrometheus(t)
	// What starts at zero must have been seen there before it grows.
	await(t, "all processes are scraped", func() bool {
		return len(h.query(t, `up{job=~"tuma-.+"} == 1`)) == 4
	})
	push(t, server.Client(t))
	await(t, "what was pushed is settled, but for the one in doubt", func() bool {
		return len(h.query(t, `max(tuma_in_doubt_batches) == 1`)) == 1 &&
			len(h.query(t, `sum(max by (provider) (tuma_open_batches)) == 1`)) == 1 &&
			len(h.query(t, `sum(max by (provider) (tuma_pending_entries)) == 0`)) == 1
	})
	return h
}

// withWebhook writes settings with an endpoint that takes everything.
func withWebhook(t *testing.T) string {
	t.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(endpoint.Close)
	folder := t.TempDir()
	secret, path := filepath.Join(folder, "secret"), filepath.Join(folder, "tuma.yaml")
	require.NoError(t, os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o600))
	require.NoError(t, os.WriteFile(path, []byte("webhooks: [{name: shop, url: \""+endpoint.URL+
		"\", secret_file: "+secret+", allow_private: true}]\n"), 0o600))
	return path
}

// patch changes the faults of a simulated provider.
func patch(address, provider, faults string) bool {
	request, err := http.NewRequest(http.MethodPatch,
		"http://"+address+"/sandbox/faults?provider="+provider, strings.NewReader(faults))
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// push hands in one disbursal for each provider, and one that is rejected.
func push(t *testing.T, client *redis.Client) {
	t.Helper()
	jobs := []string{`{"reference":"none"}`}
	for _, provider := range sandbox.Providers() {
		jobs = append(jobs, `{"reference":"r-`+provider+`","provider":"`+provider+`","recipients":[`+
			`{"phone_number":"254711000001","amount":"10"},`+
			`{"phone_number":"254711000002","amount":"20"}]}`)
	}
	for _, job := range jobs {
		require.NoError(t, client.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "{tuma}:jobs", Values: []string{"job", job},
		}).Err())
	}
}

// startPrometheus starts it with the deployed configuration, but for the addresses and the
// intervals.
func (h *harness) startPrometheus(t *testing.T) {
	t.Helper()
	folder := filepath.Join(root(t), "deploy", "prometheus")
	text, err := os.ReadFile(filepath.Join(folder, "prometheus.yml"))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, yaml.Unmarshal(text, &config))
	config["global"] = map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"}
	config["rule_files"] = []string{filepath.Join(folder, "rules.yml")}
	jobs, ok := config["scrape_configs"].([]any)
	require.True(t, ok)
	require.Len(t, jobs, len(h.pages))
	for _, entry := range jobs {
		job, ok := entry.(map[string]any)
		require.True(t, ok)
		delete(job, "dns_sd_configs")
		name, _ := job["job_name"].(string)
		require.Contains(t, h.pages, name)
		job["static_configs"] = []any{map[string]any{"targets": h.pages[name]}}
	}
	text, err = yaml.Marshal(config)
	require.NoError(t, err)
	own := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(own, "prometheus.yml"), text, 0o600))
	address := proctest.FreeAddr(t)
	h.prometheus = "http://" + address
	proctest.Start(t, tool(t, "prometheus"), []string{
		"--config.file=" + filepath.Join(own, "prometheus.yml"),
		"--storage.tsdb.path=" + filepath.Join(own, "data"), "--web.listen-address=" + address,
	}, nil).WaitOutput("Server is ready", testTimeout)
}

// ask gets an answer of Prometheus's interface; its error, if it has one, fails the test.
func (h *harness) ask(t *testing.T, path string, into any) {
	t.Helper()
	_, body := get(t, h.prometheus+path)
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, "success", answer.Status, "%s: %s", path, answer.Error)
}

// query returns the series of an expression.
func (h *harness) query(t *testing.T, expression string) []any {
	t.Helper()
	var data struct{ Result []any } // Vectors only: a scalar would be taken for two series.
	h.ask(t, "/api/v1/query?query="+url.QueryEscape(expression), &data)
	return data.Result
}

// dashboard reads the titles and queries of the Grafana dashboard: title → expressions.
func dashboard(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "deploy", "grafana", "tuma.json"))
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	variables := strings.NewReplacer("$provider", ".+", "$__rate_interval", "10m")
	queries := map[string][]string{}
	for _, panel := range board.Panels {
		if panel.Type == "row" {
			continue
		}
		require.NotContains(t, queries, panel.Title, "two panels with one title")
		require.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			expression := variables.Replace(target.Expr)
			require.NotContains(t, expression, "$", "%s has a variable without a value", panel.Title)
			queries[panel.Title] = append(queries[panel.Title], expression)
		}
	}
	return queries
}

// emptyPanels are the panels that rightly show nothing here, and why.
var emptyPanels = map[string]string{
	"Tasks in asynq": "no task waits when everything has settled",
}

// emptySelectors are the series of alerts that rightly are not there, and why.
var emptySelectors = map[string]string{
	`tuma_channel_troubled_seconds{reason=~"credentials|balance|account_fault"}`: "no channel is " +
		"paused",
}

// selector finds a metric of the processes and what it is narrowed down by.
var selector = regexp.MustCompile(
	`\b(?:tuma_[a-z_]+|up|process_[a-z_]+|go_[a-z_]+)\b(?:\{[^}]*\})?`)

// TestDashboardAndAlertsOnALiveScrape runs each query of the dashboard and each alert, as they are
// deployed, on what the processes tell; and holds docs/observability.md against that.
func TestDashboardAndAlertsOnALiveScrape(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	t.Run("dashboard", func(t *testing.T) { h.panels(t) }) //nolint:paralleltest // One deployment.
	t.Run("alerts", func(t *testing.T) { h.alerts(t) })    //nolint:paralleltest // One deployment.
	t.Run("page", func(t *testing.T) { h.page(t) })        //nolint:paralleltest // One deployment.
}

// awaitSeries waits until there is a series: a scrape of a busy machine may be late or miss one.
func (h *harness) awaitSeries(t *testing.T, of, series string) {
	t.Helper()
	await(t, of+": there is "+series, func() bool {
		return len(h.query(t, "count("+series+")")) > 0
	})
}

func (h *harness) panels(t *testing.T) {
	t.Helper()
	board := dashboard(t)
	require.Greater(t, len(board), 40)
	for title, expressions := range board {
		for _, expression := range expressions {
			for _, series := range selector.FindAllString(expression, -1) {
				h.awaitSeries(t, title, series)
			}
			shown := func() bool { return len(h.query(t, expression)) > 0 }
			if _, empty := emptyPanels[title]; empty {
				shown() // It must be valid.
				continue
			}
			await(t, title+" shows something: "+expression, shown)
		}
	}
	for title := range emptyPanels {
		require.Contains(t, board, title)
	}
}

func (h *harness) alerts(t *testing.T) {
	t.Helper()
	type evaluated struct{ Name, Health, LastError string }
	var data struct{ Groups []struct{ Rules []evaluated } }
	known := map[string]evaluated{}
	await(t, "all rules were evaluated", func() bool {
		h.ask(t, "/api/v1/rules", &data)
		pending := 0
		for _, group := range data.Groups {
			for _, r := range group.Rules {
				known[r.Name] = r
				if r.Health == "unknown" {
					pending++
				}
			}
		}
		return pending == 0 && len(known) > 0
	})
	require.Equal(t, slices.Sorted(maps.Keys(rules(t))), slices.Sorted(maps.Keys(known)))
	empty := maps.Clone(emptySelectors)
	for name, r := range known {
		require.Equal(t, []string{"ok", ""}, []string{r.Health, r.LastError}, name)
		for _, series := range selector.FindAllString(rules(t)[name].Expr, -1) {
			if _, listed := emptySelectors[series]; listed {
				require.Empty(t, h.query(t, "count("+series+")"), series)
				delete(empty, series)
				continue
			}
			h.awaitSeries(t, name, series)
		}
	}
	require.Empty(t, empty, "listed and used by no alert")
	await(t, "the rejected job is told", func() bool {
		return len(h.query(t, `ALERTS{alertname="TumaJobsRejected", alertstate="firing"}`)) == 1
	})
	// One may be pending for a moment: a scrape of a busy machine missed a worker.
	require.Empty(t, h.query(t, `ALERTS{severity="page", alertstate="firing"}`))
}
