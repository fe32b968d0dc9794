// Package browsertest gives tests a Chromium of their own.
package browsertest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

// Timeout only bounds a broken test: a browser takes its time on a busy machine.
const Timeout = 90 * time.Second

// errNoBrowser fails the test: one that was skipped looks as green as one that passed.
var errNoBrowser = errors.New("chromium is not installed: run the tests with `make test`, which " +
	"installs it, or run scripts/need-chromium once")

// Open starts a browser that reaches nothing but this machine, until the test ends. Hosts are
// further rules of Chromium's resolver, such as "MAP evil.example 127.0.0.1:8000".
func Open(t *testing.T, hosts ...string) context.Context {
	t.Helper()
	proctest.NotInShort(t, "a browser")
	program, err := exec.LookPath("chromium")
	if err != nil {
		require.NoError(t, errNoBrowser)
	}
	rules := ""
	for _, host := range hosts {
		rules += host + " , "
	}
	profile := filepath.Join(t.TempDir(), "profile")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		chromedp.UserDataDir(profile), chromedp.WSURLReadTimeout(Timeout),
		// Root has no sandbox of its own to give up, and /dev/shm is small in containers.
		chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", rules+"MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // Waits for the process; one that has ended is as good.
		cancel()
		stop()
		// What it started may write for a moment longer.
		require.Eventually(t, func() bool { return os.RemoveAll(profile) == nil }, Timeout,
			50*time.Millisecond)
	})
	require.NoError(t, chromedp.Listen(ctx, func(any) {})) // Starts it.
	return ctx
}

// Run runs an action in a browser within Timeout.
func Run[T any](browser context.Context, t *testing.T, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser, Timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	require.NoError(t, err)
	return value
}
