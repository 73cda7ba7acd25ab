package cable

import (
	"errors"
	"net"
	"sync"
)

// Wires are the connections from one server to the nodes of a Redis Cluster, through listeners at a
// loopback address of the server's own and the ports of the nodes: a server that was given one of these
// addresses takes the host of all others from it, as behind forwarded ports. They can be cut.
type Wires struct {
	Host      string
	listeners []net.Listener

	mu      sync.Mutex
	healed  *sync.Cond      // of mu: something was
	cut     map[string]bool // ports that nothing gets through to; guarded by mu
	severed map[string]bool // those that close connections, too; guarded by mu
	open    map[net.Conn]string
	closed  bool // guarded by mu
}

// NewWires listens at host for connections to nodes at 127.0.0.1.
func NewWires(host string, ports []string) (*Wires, error) {
	w := &Wires{Host: host, cut: map[string]bool{}, severed: map[string]bool{}, open: map[net.Conn]string{}}
	w.healed = sync.NewCond(&w.mu)
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			return w, err
		}
		w.listeners = append(w.listeners, l)
		go w.accept(l, port) // until l is closed
	}
	return w, nil
}

func (w *Wires) accept(l net.Listener, port string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil || !w.join(in, out, port) {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		go w.pass(in, out, port)
		go w.pass(out, in, port)
	}
}

// join notes a new connection, unless its port refuses them.
func (w *Wires) join(in, out net.Conn, port string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.severed[port] || w.closed {
		return false
	}
	w.open[in], w.open[out] = port, port
	return true
}

// pass copies what from sends. While the port is cut it waits, as packets do that are sent again and again.
func (w *Wires) pass(from, to net.Conn, port string) {
	defer w.leave(from, to)
	for buf := make([]byte, 32<<10); ; {
		n, err := from.Read(buf)
		w.mu.Lock()
		for w.cut[port] && !w.closed {
			w.healed.Wait()
		}
		w.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *Wires) leave(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		delete(w.open, c)
		_ = c.Close()
	}
}

// Sever cuts the wires to some ports: silently, or, if loud, with an end of all connections.
func (w *Wires) Sever(ports []string, loud bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, port := range ports {
		w.cut[port], w.severed[port] = !loud, loud
		for c, of := range w.open {
			if loud && of == port {
				_ = c.Close()
			}
		}
	}
}

// Heal mends all wires.
func (w *Wires) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.cut)
	clear(w.severed)
	w.healed.Broadcast()
}

// Close ends all connections.
func (w *Wires) Close() error {
	var failed error
	for _, l := range w.listeners {
		failed = errors.Join(failed, l.Close())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for c := range w.open {
		_ = c.Close()
	}
	w.healed.Broadcast()
	return failed
}
