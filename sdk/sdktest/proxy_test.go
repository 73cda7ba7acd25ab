//go:build sdk

package sdktest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy is the way to the server: it counts, slows down and cuts.
type proxy struct {
	address string
	down    atomic.Int64 // bytes to the device
	links   atomic.Int64 // connections so far
	rate    atomic.Int64 // bytes per second to the device, 0 for no limit

	mu    sync.Mutex
	conns map[net.Conn]bool // open, both sides; guarded by mu
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), conns: map[net.Conn]bool{}}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", target)
			if err != nil {
				_ = c.Close()
				continue
			}
			p.links.Add(1)
			p.keep(c, s)
			wait.Go(func() { p.copy(s, c, nil) })
			wait.Go(func() { p.copy(c, s, &p.down) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		wait.Wait()
	})
	return p
}

func (p *proxy) keep(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func (p *proxy) copy(to, from net.Conn, count *atomic.Int64) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if count != nil {
			count.Add(int64(n))
			if rate := p.rate.Load(); rate > 0 {
				<-time.After(time.Duration(int64(n) * int64(time.Second) / rate))
			}
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}
