package providers

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bench is a gate, its connection and what arrived at the other end.
type bench struct {
	gate *gate
	conn *gatedConn
	now  time.Time
	got  chan []byte
}

func newBench(t *testing.T) *bench {
	t.Helper()
	near, far := net.Pipe()
	b := &bench{
		now: time.Unix(1000, 0), conn: &gatedConn{Conn: near}, got: make(chan []byte, 1),
	}
	b.gate = &gate{deadline: b.now.Add(time.Second), now: func() time.Time { return b.now }}
	go func() {
		var all []byte
		for buf := make([]byte, 64); ; {
			n, err := far.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				b.got <- all
				return
			}
		}
	}()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return b
}

func (b *bench) arrived() string {
	_ = b.conn.Close()
	return string(<-b.got)
}

func TestNothingIsWrittenWithoutAGate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.conn.Write([]byte("money"))
	require.ErrorIs(t, err, errGateShut)
	require.Equal(t, gateSealed, b.gate.seal())
	require.Empty(t, b.arrived())
}

func TestAnOpenGateSaysThatBytesMayHaveLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.gate.attach(b.conn)
	for _, part := range []string{"mo", "ney"} {
		_, err := b.conn.Write([]byte(part))
		require.NoError(t, err)
		b.now = b.now.Add(time.Hour) // The deadline is for the first byte only.
	}
	require.Equal(t, gateOpen, b.gate.seal())
	require.Equal(t, "money", b.arrived())
}

// A process that was frozen between the check of the time and the write must not write.
func TestTheDeadlineIsCheckedAtTheFirstByte(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.gate.attach(b.conn)
	b.now = b.now.Add(time.Second)
	_, err := b.conn.Write([]byte("money"))
	require.ErrorIs(t, err, errGateLate)
	require.Equal(t, gateLate, b.gate.seal())
	require.Empty(t, b.arrived())
}

func TestASealedGateStaysShut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.gate.attach(b.conn)
	b.gate.abandon()
	require.Equal(t, gateSealed, b.gate.seal())
	b.gate.attach(b.conn)
	_, err := b.conn.Write([]byte("money"))
	require.ErrorIs(t, err, errGateShut)
	require.Empty(t, b.arrived())
}

func TestAGateLetsOneConnectionThrough(t *testing.T) {
	t.Parallel()
	b, other := newBench(t), newBench(t)
	b.gate.attach(b.conn)
	b.gate.attach(other.conn)
	_, err := other.conn.Write([]byte("money"))
	require.ErrorIs(t, err, errGateShut)
	require.Empty(t, other.arrived())
}

func TestAFinishedGateIsShut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.gate.attach(b.conn)
	_, err := b.conn.Write([]byte("once"))
	require.NoError(t, err)
	b.gate.finish()
	_, err = b.conn.Write([]byte("twice"))
	require.ErrorIs(t, err, errGateShut)
	require.Equal(t, "once", b.arrived())
}
