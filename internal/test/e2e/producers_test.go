package e2e_test

import (
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// exampleFolder holds the programs that docs/producers.md shows.
const exampleFolder = "../../../docs/producers"

// exampleLanguages is how docs/producers.md names the language of a file.
var exampleLanguages = map[string]string{
	".go": "go", ".mjs": "js", ".php": "php", ".py": "python", ".sh": "sh",
}

// example is one program that sends airtime to one phone, or reads how it ended.
type example struct {
	file string
	// language runs the file; empty for a program in Go, which is built.
	language string
	// http says that it speaks to the inlet, where its references are the producer's own.
	http bool
}

// results is the example that sends nothing, task the one that speaks to asynq.
const results, task = "go/results/main.go", "go/task/main.go"

var examples = []example{
	{file: "send.py", language: "python3", http: true},
	{file: "send.mjs", language: "node", http: true},
	{file: "send.php", language: "php", http: true},
	{file: "go/http/main.go", http: true},
	{file: "send.sh", language: "sh"},
	{file: "go/stream/main.go"},
	{file: task},
	{file: results},
}

// example returns a program with its first arguments, as the Redis user that is to run it.
func (h *harness) example(e example) []string {
	h.t.Helper()
	if e.language != "" {
		return []string{e.language, filepath.Join(exampleFolder, e.file)}
	}
	program := proctest.Build(h.t, "./docs/producers/"+path.Dir(e.file))
	if e.http {
		return []string{program}
	}
	if e.file == task {
		password, _ := redisUser("admin").Password() // A producer has no queues.
		return []string{program, "-addr", h.redis.Addr(), "-user", "admin", "-password", password}
	}
	return []string{program, "-redis", h.redis.URLOf(redisUser("producer"))}
}

// forgetful is an inlet that carries the first request out and loses its answer. asked counts.
func forgetful(t *testing.T, inlet string) (base string, asked *atomic.Int64) {
	t.Helper()
	target, err := url.Parse(inlet)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	asked = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // This is how a handler cuts the connection.
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// TestTheExamplesForProducersPay runs every program of docs/producers.md against a live system,
// with the Redis user that producers are to have; over HTTP the first answer is lost. Everybody is
// paid once, and the program that reads results has read them all.
func TestTheExamplesForProducersPay(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{redis: []redistest.Option{users(t)}})
	h.pods(1)
	h.start(cmdEnqueuer, "stream").WaitOutput("serving", testTimeout)
	service := h.serve()
	reading := h.example(example{file: results})
	reader := h.launch(reading[0], reading[1:], nil)
	wanted := orders{}
	var names []string
	for i, e := range examples {
		if _, err := exec.LookPath(e.language); e.language != "" && err != nil {
			t.Logf("docs/producers/%s is not run: %s is not installed", e.file, e.language)
			continue
		}
		if e.file == results {
			continue
		}
		reference := "example-" + strings.NewReplacer("/", "-", ".", "-").Replace(e.file)
		base, asked := forgetful(t, service.base)
		h.runExample(e, base, reference, phoneAt(i))
		if e.http {
			require.EqualValues(t, 2, asked.Load(), "%s asks until it is answered", e.file)
			reference = "shop/" + reference
		}
		wanted[who{reference, phoneAt(i)}] = 25_50
		names = append(names, reference)
	}
	h.finished(wanted, names...)
	require.Zero(t, h.rdb.XLen(t.Context(), "{tuma}:rejected").Val())
	for _, name := range names {
		reader.WaitOutput(name+": KES 25.50, ", testTimeout)
	}
	h.await("all results are acknowledged", func() bool {
		pending, err := h.rdb.XPending(t.Context(), "{tuma}:results", "shop").Result()
		return err == nil && pending.Count == 0
	})
}

// runExample runs one program to its end, which has to be a good one.
func (h *harness) runExample(e example, inlet, reference, phone string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), testTimeout)
	defer cancel()
	password, _ := redisUser("producer").Password()
	host, port, _ := strings.Cut(h.redis.Addr(), ":")
	words := h.example(e)
	if e.http && e.language == "" {
		token := filepath.Join(h.t.TempDir(), "token")
		require.NoError(h.t, os.WriteFile(token, []byte("shop-token\n"), 0o600))
		words = append(words, "-inlet", inlet, "-token-file", token)
	}
	words = append(words, reference, phone, "25.50")
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Env = append(os.Environ(), "AIRTIME_URL="+inlet, "AIRTIME_TOKEN=shop-token",
		"AIRTIME_HOST="+host, "AIRTIME_PORT="+port, "AIRTIME_USER=producer",
		"REDISCLI_AUTH="+password)
	output, err := command.CombinedOutput()
	require.NoError(h.t, err, "docs/producers/%s: %s", e.file, output)
}

// TestThePageForProducersShowsTheExamples compares docs/producers.md with the files, so that what
// it shows is what is run.
func TestThePageForProducersShowsTheExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/producers.md")
	require.NoError(t, err)
	shown := 0
	folder := os.DirFS(exampleFolder)
	require.NoError(t, fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(folder, name)
		block := "```" + exampleLanguages[filepath.Ext(name)] + "\n" + string(text) + "```\n"
		require.True(t, bytes.Contains(page, []byte(block)),
			"docs/producers.md does not show docs/producers/%s as it is", name)
		isRun := slices.ContainsFunc(examples, func(e example) bool { return e.file == name })
		require.True(t, isRun, "no test runs docs/producers/%s", name)
		shown++
		return err
	}))
	require.Len(t, examples, shown)
}
