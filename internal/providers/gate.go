package providers

import (
	"errors"
	"net"
	"sync"
	"time"
)

// The errors of a write that the gate stopped.
var (
	errGateShut = errors.New("nothing written: the request was given up before its first byte")
	errGateLate = errors.New("nothing written: the time was over before the first byte")
)

// gateState says what has been let through.
type gateState uint8

const (
	gateShut   gateState = iota // No connection yet.
	gateArmed                   // A connection is there, nothing written.
	gateOpen                    // Bytes of the request may have left.
	gateSealed                  // Given up: nothing was written and nothing ever will be.
	gateLate                    // Sealed by the deadline at the moment of the first write.
	gateSpent                   // The submission is over.
)

// gate is the proof behind the verdict Unsent. It sits in front of one submission's connection,
// above TLS, and every byte of the request passes it. It lets one connection through, checks the
// deadline at the last moment before the first byte, and once sealed stays shut: so "nothing was
// written" is a fact about the wire and not a guess from an error value.
type gate struct {
	mu       sync.Mutex
	state    gateState
	conn     *gatedConn
	deadline time.Time
	now      func() time.Time
}

// attach arms the gate with its connection. A second connection, or one that comes after the gate
// was sealed, stays unable to write.
func (g *gate) attach(conn *gatedConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != gateShut {
		return
	}
	g.state, g.conn = gateArmed, conn
	conn.mu.Lock()
	conn.gate = g
	conn.mu.Unlock()
}

// pass is asked before every write.
func (g *gate) pass() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state == gateOpen:
		return nil
	case g.state != gateArmed:
		return errGateShut
	case g.late(g.now()):
		g.state = gateLate
		return errGateLate
	default:
		g.state = gateOpen // break: gate-opens
		return nil
	}
}

// late compares both clocks: the monotonic one, which nobody sets, and that of the wall, which goes
// on while the machine is suspended. A wall clock set forward only makes a request unsent.
func (g *gate) late(now time.Time) bool {
	return !now.Before(g.deadline) || !now.Round(0).Before(g.deadline.Round(0))
}

// seal shuts the gate unless bytes have left, and returns the state that is now final.
func (g *gate) seal() gateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == gateShut || g.state == gateArmed {
		g.state = gateSealed
	}
	return g.state
}

// finish ends the gate's life with its submission: should the connection ever be used again, not
// a byte passes for a gate that did not count it.
func (g *gate) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = gateSpent
}

// abandon seals the gate, and makes the closing of a connection that is already written to throw
// away what the kernel still holds: after we have given up, nothing more trickles out.
func (g *gate) abandon() {
	g.seal()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil && g.conn.tcp != nil {
		_ = g.conn.tcp.SetLinger(0)
	}
}

// gatedConn is a connection that cannot be written to before a gate is attached.
type gatedConn struct {
	net.Conn
	tcp *net.TCPConn

	mu   sync.Mutex
	gate *gate
}

// Write passes the gate, then the connection.
func (c *gatedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	g := c.gate
	c.mu.Unlock()
	if g == nil {
		return 0, errGateShut
	}
	if err := g.pass(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
