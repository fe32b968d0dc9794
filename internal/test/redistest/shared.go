package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

// sharedDatabases is how many tests of one test binary can share a server.
const sharedDatabases = 4096

// sharedTests counts the tests that use the shared server.
var sharedTests atomic.Int64

// sharedServer is the one server of the test binary, started by its first user.
var sharedServer = sync.OnceValues(func() (*Server, error) {
	parent, err := proctest.SharedDir()
	if err != nil {
		return nil, err
	}
	directory := filepath.Join(parent, "redis")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the shared redis-server: %w", err)
	}
	address, _, err := proctest.ReserveAddr()
	if err != nil {
		return nil, err
	}
	databases := WithConfig("databases", fmt.Sprint(sharedDatabases))
	// No single test owns this server, so its faults end the test binary.
	fail := func(format string, arguments ...any) { panic(fmt.Sprintf(format, arguments...)) }
	server, err := launch(directory, address, fail, []Option{databases})
	if err != nil {
		return nil, err
	}
	proctest.AtEnd(server.Kill)
	return server, nil
})

// Shared returns the address of one server that all tests of the test binary share, with a database
// and a namespace that no other of them is given. The database keeps even keys apart that carry no
// namespace (asynq's). What belongs to the whole server is not the test's to change: configuration,
// FLUSHALL, SCRIPT FLUSH; a test of such things, or of crashes, uses Start.
//
// The server ends with the test binary; packages whose TestMain runs a proctest.Suite also leave no
// folder behind.
func Shared(t testing.TB) (url, namespace string) {
	t.Helper()
	server, err := sharedServer()
	require.NoError(t, err)
	number := sharedTests.Add(1)
	require.Less(t, number, int64(sharedDatabases), "too many tests share the redis-server")
	return fmt.Sprintf("redis://%s/%d", server.Addr(), number), fmt.Sprintf("test%d", number)
}
