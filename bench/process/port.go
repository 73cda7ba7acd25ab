package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Free ports are chosen below those that Linux gives to clients: a server that is started again finds
// its port as it left it.
const (
	firstPort = 30_000
	lastPort  = 32_700
)

var (
	portsMu sync.Mutex
	ports   = map[int]bool{} // those that were given away; guarded by portsMu
)

// FreeAddress returns an address of this machine, host:port, that nothing listens on and that
// it has not returned before.
func FreeAddress() (string, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if ports[port] {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		ports[port] = true
		return l.Addr().String(), l.Close()
	}
	return "", errors.New("no port is free")
}
