package listen

import (
	"net"
	"sync"
)

// bound is a listener with a number of places. A connection takes one until it is closed; while all
// are taken nothing is accepted, so that strangers can use up neither memory nor file descriptors.
type bound struct {
	net.Listener
	places chan struct{} // Holds one value per connection.
	closed chan struct{}
	once   sync.Once
}

func bounded(listener net.Listener, most int) net.Listener {
	return &bound{
		Listener: listener, places: make(chan struct{}, most), closed: make(chan struct{}),
	}
}

// Accept waits for a place and then for a connection.
func (b *bound) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &placed{Conn: conn, leave: sync.OnceFunc(func() { <-b.places })}, nil
}

// Close also ends an Accept that waits for a place.
func (b *bound) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// placed is a connection with a place.
type placed struct {
	net.Conn
	leave func()
}

// Close gives the place to the next connection.
func (p *placed) Close() error {
	defer p.leave()
	return p.Conn.Close()
}
