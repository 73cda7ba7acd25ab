package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/muster-iot/muster/broker/chunkio"
)

// listenConfig has no TCP keep-alive: every MQTT connection has one of its own, and a
// probe every 15 s would keep a battery device's radio awake.
var listenConfig = net.ListenConfig{KeepAlive: -1}

// ListenTCP accepts MQTT on a TCP address until Shutdown and returns the address chosen.
func (b *Broker) ListenTCP(addr string) (net.Addr, error) {
	return b.listen(addr, b.attach)
}

// ListenTLS accepts MQTT over TLS until Shutdown and returns the address chosen.
func (b *Broker) ListenTLS(addr string, cfg *tls.Config) (net.Addr, error) {
	return b.listen(addr, func(conn net.Conn, p *place) {
		c := chunkio.NewConn(conn, b.cfg.WriteTimeout)
		b.serve(tls.Server(&firstByte{Conn: c}, cfg), c, p)
	})
}

func (b *Broker) listen(addr string, attach func(net.Conn, *place)) (net.Addr, error) {
	ln, err := listenConfig.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	if !b.add(ln) {
		_ = ln.Close()
		return nil, net.ErrClosed
	}
	go func() {
		defer b.served.Done()
		b.accept(ln, attach)
	}()
	return ln.Addr(), nil
}

// add has Shutdown and Drain close ln, and Shutdown wait for its goroutine; false when one has begun.
func (b *Broker) add(ln io.Closer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed() {
		return false
	}
	b.listeners[ln] = struct{}{}
	b.served.Add(1)
	return true
}

// accept serves connections until ln is closed. While there is no place it leaves the
// next ones to the kernel's queue. Running out of descriptors, it tries again.
func (b *Broker) accept(ln net.Listener, attach func(net.Conn, *place)) {
	const longestPause = time.Second
	pause := 5 * time.Millisecond
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			b.log.Error("can not accept connections, trying again", "address", ln.Addr().String(), "err", err)
			select {
			case <-time.After(pause):
			case <-b.stopping:
				return
			}
			pause = min(2*pause, longestPause)
			continue
		}
		pause = 5 * time.Millisecond
		if p := b.room(conn); p != nil {
			b.served.Go(func() { attach(conn, p) })
		}
	}
}
