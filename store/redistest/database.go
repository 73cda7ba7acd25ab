package redistest

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/redis/go-redis/v9"
)

const databases = 1024 // that tests of one process may use at the same time

// databaseServer is a server whose databases tests of this process use. It starts with the first.
var databaseServer struct {
	mu   sync.Mutex
	node *Node // nil until it runs; guarded by mu
	used int   // databases so far; guarded by mu
	free []int // of those, empty again; guarded by mu
}

// Database returns the URL of an empty database on a server that other tests use at the same time. For tests
// that leave the server as it is: starting one takes longer than most of them. release empties the database for
// another test. It may be called concurrently. The server ends with the test process.
func Database() (url string, release func() error, err error) {
	s := &databaseServer
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node == nil {
		node, err := startDatabases()
		if err != nil {
			return "", nil, err
		}
		s.node = node
	}
	number := s.used
	if n := len(s.free); n > 0 {
		number, s.free = s.free[n-1], s.free[:n-1]
	} else if s.used++; s.used > databases {
		return "", nil, fmt.Errorf("%d tests use a database already", databases)
	}
	addr := s.node.Addr
	return fmt.Sprintf("redis://%s/%d", addr, number), func() error {
		c := redis.NewClient(&redis.Options{Addr: addr, DB: number, MaxRetries: -1, PoolSize: 1, DisableIdentity: true, Protocol: 2})
		defer func() { _ = c.Close() }()
		if err := c.FlushDB(context.Background()).Err(); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free = append(s.free, number)
		return nil
	}, nil
}

// startDatabases starts a server whose folder is removed when the test process ends.
func startDatabases() (*Node, error) {
	dir, err := os.MkdirTemp("", "muster-redis-")
	if err != nil {
		return nil, err
	}
	n, err := prepare(dir, false, fmt.Sprint("databases ", databases))
	if err != nil {
		return nil, err
	}
	n.last = "; cd /; rm -rf '" + dir + "'"
	return n, n.Start()
}
