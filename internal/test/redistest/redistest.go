// Package redistest starts real redis-server processes for tests. Each server has its own port on
// 127.0.0.1 and its own folder, is as durable as the product demands (append-only file, no
// eviction), can be killed, frozen and restarted on its data, and dies with the test binary.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

const (
	// startLimit is how long a server may take to answer its first PING, replay of its file
	// included, on a machine that is busy with other tests.
	startLimit = 30 * time.Second
	// stopLimit is how long a server may take to write its file and end.
	stopLimit = 30 * time.Second
	// pingInterval is the pause between two PINGs of a server that is starting.
	pingInterval = 2 * time.Millisecond
	// pingTimeout bounds one PING.
	pingTimeout = time.Second
)

// ErrNotInstalled is returned when there is no redis-server on the PATH. It fails the test: a test
// about money that was skipped looks as green as one that passed.
var ErrNotInstalled = errors.New("redis-server is not installed: run the tests with `make test`," +
	" which installs it, or run scripts/need-redis once")

// Option changes the configuration of a server.
type Option func(*Server)

// WithConfig sets a line of redis.conf, such as ("maxmemory", "20mb"). A later option replaces an
// earlier one and the harness's own.
func WithConfig(name, value string) Option {
	return func(s *Server) { s.arguments = append(s.arguments, "--"+name, value) }
}

// Server is a running, frozen or stopped redis-server. Its methods may be called from any
// goroutine, but not two that change its life at the same time.
type Server struct {
	program     string
	address     string
	directory   string
	arguments   []string
	environment []string      // beside that of the test
	disk        *Disk         // nil without
	admin       *url.Userinfo // nil is the default user
	process     *proctest.Process
	fail        report
}

// report says what went wrong; t.Errorf is one.
type report func(format string, arguments ...any)

// Start starts a server of the test's own and waits until it answers. It is killed when the test
// ends; when the test failed, its log is printed.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	proctest.NotInShort(t, "a Redis of its own")
	server, err := launch(t.TempDir(), proctest.FreeAddr(t), t.Errorf, options)
	require.NoError(t, err)
	t.Cleanup(func() {
		server.process.Kill()
		if t.Failed() {
			t.Logf("output of redis-server %s:\n%s", server.address, server.Output())
		}
	})
	return server
}

// launch prepares the command line of a server and starts it for the first time.
func launch(directory, address string, fail report, options []Option) (*Server, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNotInstalled
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address of redis-server: %w", err)
	}
	arguments := []string{
		"--bind", host, "--port", port, "--dir", directory,
		"--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
		"--maxmemory-policy", "noeviction", "--loglevel", "notice",
		// A rewrite runs in a process of its own that would outlive a killed server.
		"--auto-aof-rewrite-percentage", "0",
		// Replicas of tests come one by one; by itself a master waits for more of them.
		"--repl-diskless-sync-delay", "0",
	}
	server := &Server{
		program: program, address: address, directory: directory, arguments: arguments, fail: fail,
	}
	for _, option := range options {
		option(server)
	}
	return server, server.run()
}

// run starts the process and waits until it answers. An error is returned when it ends before, or
// takes too long; the process is dead then.
func (s *Server) run() error {
	command := exec.Command(s.program, s.arguments...)
	command.Env = append(command.Environ(), s.environment...)
	process, err := proctest.Launch(command, s.fail)
	if err != nil {
		return err
	}
	s.process = process
	limit := time.Now().Add(startLimit)
	for process.Running() && time.Now().Before(limit) {
		if ping(s.address) {
			return nil
		}
		time.Sleep(pingInterval)
	}
	process.Kill()
	return fmt.Errorf("redis-server %s did not answer:\n%s", s.address, process.Output())
}

// ping reports whether a server answers and has loaded its data.
func ping(address string) bool {
	connection, err := net.DialTimeout("tcp", address, pingTimeout)
	if err != nil {
		return false
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(pingTimeout)) // It fails only on closed connections.
	if _, err := connection.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	// A server with a password is up, too; one that replays its file says -LOADING.
	up := strings.HasPrefix(answer, "+PONG") || strings.HasPrefix(answer, "-NOAUTH")
	return err == nil && up
}

// Addr returns the host:port of the server; it never changes.
func (s *Server) Addr() string { return s.address }

// URL returns the address in the form of TUMA_REDIS_URL, database 0.
func (s *Server) URL() string { return s.URLOf(s.admin) }

// Output returns the log of the process that runs or ran last.
func (s *Server) Output() string { return s.process.Output() }

// PID returns the id of the process that runs or ran last.
func (s *Server) PID() int { return s.process.PID() }

// Client returns a client of database 0 that is closed when the test ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	password, _ := s.admin.Password()
	client := redis.NewClient(&redis.Options{
		Addr: s.address, Username: s.admin.Username(), Password: password,
	})
	t.Cleanup(func() { _ = client.Close() }) // A test may have closed it.
	return client
}

// Kill ends the server with SIGKILL, as a crash does: only what reached its file survives.
func (s *Server) Kill() { s.process.Kill() }

// Stop ends the server cleanly: everything that it confirmed survives.
func (s *Server) Stop() {
	s.process.Term()
	s.process.Cont() // A frozen process would not see the request.
	select {
	case <-s.process.Done():
	case <-time.After(stopLimit):
		s.process.Kill()
		s.fail("redis-server %s did not stop within %s", s.address, stopLimit)
	}
}

// Restart starts the server again on its data and its port, and waits until it answers. A server
// that still runs is stopped cleanly before.
func (s *Server) Restart() {
	s.Stop()
	if err := s.run(); err != nil {
		s.fail("restart: %v", err)
	}
}

// Pause freezes the server (SIGSTOP): connections stay open and nothing answers. When it returns,
// nothing more happens inside the server until Resume.
func (s *Server) Pause() { s.process.Stop() }

// Resume lets a frozen server go on (SIGCONT) with everything that was sent to it meanwhile.
func (s *Server) Resume() { s.process.Cont() }
