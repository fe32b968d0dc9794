package proctest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ports are taken from below the range that systems give to outgoing connections: a port of that
// range may be taken by any client while its server is down between a kill and a restart.
const (
	firstPort = 12000
	portCount = 20000
)

// errNoPort is returned when no port is free, which needs thousands of tests at once.
var errNoPort = errors.New("no free port on 127.0.0.1")

// FreeAddr returns a host:port on 127.0.0.1 that nothing listens on and that no other test of any
// test binary is given before this test ends.
func FreeAddr(t testing.TB) string {
	t.Helper()
	address, release, err := ReserveAddr()
	require.NoError(t, err)
	t.Cleanup(release)
	return address
}

// ReserveAddr is FreeAddr for what outlives a test: the address is reserved until release is
// called or the test binary ends. An error is returned when there is no free port.
func ReserveAddr() (address string, release func(), err error) {
	start := rand.IntN(portCount)
	for i := range portCount {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+(start+i)%portCount)
		// The UDP port of the same number is the reservation: other test binaries see it, the
		// kernel gives it up when this one dies, and the TCP port stays free to listen on.
		claim, err := net.ListenPacket("udp4", address)
		if err != nil {
			continue
		}
		if listener, err := net.Listen("tcp4", address); err == nil {
			_ = listener.Close() // Nobody has connected, so nothing is lost.
			return address, sync.OnceFunc(func() { _ = claim.Close() }), nil
		}
		_ = claim.Close()
	}
	return "", nil, errNoPort
}
