package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tuma/internal/cli"
	"tuma/internal/test/proctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// screen is standard output that a test reads while it is written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// execute runs "up" and returns its exit code and error.
func execute(ctx context.Context, out io.Writer, args ...string) (int, error) {
	cmd := newUpCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(out)
	cmd.SetArgs(append([]string{"--ops", "127.0.0.1:0"}, args...))
	err := cmd.ExecuteContext(ctx)
	var exit *cli.ExitError
	switch {
	case err == nil:
		return cli.ExitDone, nil
	case errors.As(err, &exit):
		return exit.Code, err
	default:
		return cli.ExitFailed, err
	}
}

// testTimeout only bounds a broken test on a busy machine.
const testTimeout = 2 * time.Minute

// file writes a CSV and returns its path.
func file(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.csv")
	text := "phone_number,amount\n" + strings.Join(lines, "\n") + "\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestUpDisbursesTheSample(t *testing.T) {
	t.Parallel()
	proctest.NotInShort(t, "everything that Tuma is")
	for name, args := range map[string][]string{
		"one lost request and one lost answer": nil,
		"hostile":                              {"--faults", "hostile", "--seed", "7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			var out screen
			began := time.Now()
			rows := 2500
			if proctest.Race { // The embedded Redis is an order of magnitude slower then.
				rows = 120
				lines := strings.Split(string(sample), "\n")
				path := filepath.Join(t.TempDir(), "part.csv")
				part := strings.Join(lines[:rows+1], "\n") + "\n"
				require.NoError(t, os.WriteFile(path, []byte(part), 0o600))
				args = append(args, path)
			}
			code, err := execute(ctx, &out, args...)
			require.NoError(t, err, out.String())
			require.Equal(t, cli.ExitDone, code)
			t.Logf("%s in all", time.Since(began).Round(100*time.Millisecond))
			for _, line := range []string{
				fmt.Sprintf(`imported %d recipients in`, rows),
				`(?m)^ +status +recipients +KES$`,
				`(?m)^ +successful +\d+ +[\d.]+$`,
				fmt.Sprintf(`(?m)^ +total +%d +[\d.]+$`, rows),
				fmt.Sprintf(`books: balanced, %d recipients recounted`, rows),
				`providers' ledgers: \d+ paid once, 0 paid twice, KES [\d.]+;`,
			} {
				require.Regexp(t, line, out.String())
			}
			require.NotRegexp(t, `\d{12}`, out.String(), "a phone number")
		})
	}
}

// TestUpToleratesReversals: a recipient that ends reversed may or may not have been paid first, and
// what was paid may be reversed after we have settled it.
func TestUpToleratesReversals(t *testing.T) {
	t.Parallel()
	lines := make([]string, 40)
	for i := range lines {
		lines[i] = fmt.Sprintf("2547112223%02d,10", i)
	}
	var out screen
	code, err := execute(t.Context(), &out, file(t, lines...), "--faults",
		`{"outcomes":{"successful":1,"failed":1,"reversed":1,"refunded":1}}`)
	require.NoError(t, err, out.String())
	require.Equal(t, cli.ExitDone, code)
	for _, status := range []string{"reversed", "refunded", "successful", "failed"} {
		require.Regexp(t, `(?m)^ +`+status+` +\d+ `, out.String())
	}
}

func TestUpStaysUntilItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out screen
	ended := make(chan error, 1)
	go func() {
		//nolint:testifylint // A failed assertion inside ends the test by its timeout.
		_, err := execute(ctx, &out, "--faults", "{}", "--stay", file(t, "254711222333,10"))
		ended <- err
	}()
	require.Eventually(t, func() bool {
		return strings.Contains(out.String(), "serving until stopped")
	}, testTimeout, 20*time.Millisecond)
	address := regexp.MustCompile(`dashboard (http://\S+)/monitor/ +metrics (http://\S+)`).
		FindStringSubmatch(out.String())
	require.NotNil(t, address, out.String())
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, url := range []string{address[1] + "/monitor/", address[1] + "/readyz", address[2]} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		answer, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode, url)
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestUpRefusesABadFileAndNamesTheLine(t *testing.T) {
	t.Parallel()
	var out screen
	code, err := execute(t.Context(), &out, file(t, "254711222333,10", "254711222444,ten"))
	require.Equal(t, cli.ExitRefused, code)
	require.ErrorContains(t, err, "line 3")
	require.NotContains(t, err.Error(), "254711222444")
	require.NotContains(t, out.String(), "imported")
}

func TestUpNamesWhatIsWrongWithItsUse(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--ops", taken.Addr().String()}, taken.Addr().String()},
		{[]string{"--faults", `{"repeat":"perhaps"}`}, "--faults: "},
		{[]string{"--faults", "no-such-file.json"}, "no-such-file.json"},
		{[]string{"no-such-file.csv"}, "no-such-file.csv"},
	} {
		code, err := execute(t.Context(), io.Discard, row.args...)
		require.Equal(t, cli.ExitUsage, code, row.want)
		require.ErrorContains(t, err, row.want)
	}
}
