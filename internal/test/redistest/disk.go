package redistest

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

// ErrNoCompiler is returned when the library that stands for a disk cannot be built. It fails the
// test, as a missing redis-server does.
var ErrNoCompiler = errors.New("no C compiler: run the tests with `make test`, which installs " +
	"one, or run scripts/need-cc once")

//go:embed testdata/disk.c
var diskSource string

// diskLibrary builds testdata/disk.c once per test binary.
var diskLibrary = sync.OnceValues(func() (string, error) {
	directory, err := proctest.SharedDir()
	if err != nil {
		return "", err
	}
	source := filepath.Join(directory, "disk.c")
	if err := os.WriteFile(source, []byte(diskSource), 0o600); err != nil {
		return "", fmt.Errorf("write the disk: %w", err)
	}
	library := filepath.Join(directory, "disk.so")
	build := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", library, source)
	output, err := build.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", ErrNoCompiler
	}
	if err != nil {
		return "", fmt.Errorf("build the disk: %w\n%s", err, output)
	}
	return library, nil
})

// Disk is what a server's append-only file is on. A killed server loses nothing that it has
// written, since the machine lives on; when the power fails, only what the disk was told to keep
// (fdatasync) is there afterwards.
type Disk struct{ folder string }

// StartOnDisk is Start with a disk whose power the test can cut.
func StartOnDisk(t testing.TB, options ...Option) *Server {
	t.Helper()
	library, err := diskLibrary()
	require.NoError(t, err)
	disk := &Disk{folder: t.TempDir()}
	with := func(s *Server) {
		s.environment = []string{"LD_PRELOAD=" + library, "TEST_DISK=" + disk.folder}
		s.disk = disk
	}
	return Start(t, append(options, with)...)
}

func (d *Disk) holding() string { return filepath.Join(d.folder, "hold") }

// kept is how many bytes of the file the disk was told to keep.
func (d *Disk) kept() (int64, error) {
	text, err := os.ReadFile(filepath.Join(d.folder, "kept"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

// Hold lets the disk keep everything that Redis has confirmed so far, and from then on nothing
// more: with appendfsync everysec Redis goes on all the same, with always it waits.
func (s *Server) Hold(t testing.TB) {
	t.Helper()
	s.Flush(t)
	require.NoError(t, os.WriteFile(s.disk.holding(), nil, 0o600))
}

// Flush waits until the disk keeps everything that Redis has confirmed so far.
func (s *Server) Flush(t testing.TB) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.address})
	defer func() { _ = client.Close() }() // It has no state.
	size := s.written(t)
	require.Eventually(t, func() bool {
		// Redis asks for nothing to be kept until something more is written.
		set := client.Set(t.Context(), "redistest:flush", time.Now().UnixNano(), 0).Err()
		kept, err := s.disk.kept()
		return set == nil && err == nil && kept >= size
	}, startLimit, 20*time.Millisecond)
}

// file is the append-only file that grows; there is one, since nothing is rewritten.
func (s *Server) file(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.directory, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func (s *Server) written(t testing.TB) int64 {
	t.Helper()
	info, err := os.Stat(s.file(t))
	require.NoError(t, err)
	return info.Size()
}

// FailPower ends the server and takes away what the disk had not been told to keep. It returns how
// many bytes that was. Restart starts the server on what is left, and the disk is fast again.
func (s *Server) FailPower(t testing.TB) (lost int64) {
	t.Helper()
	s.Kill()
	kept, err := s.disk.kept()
	require.NoError(t, err)
	lost = s.written(t) - kept
	require.NoError(t, os.Truncate(s.file(t), kept))
	if err := os.Remove(s.disk.holding()); !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	return lost
}
