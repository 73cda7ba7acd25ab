package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Sentinel is a master with a replica, watched by three Sentinels, which elect the replica one
// second after the master stopped to answer.
type Sentinel struct {
	Servers   []*Node // a master and its replica; which is which changes
	Sentinels []*Node
}

const masterName = "muster"

// StartSentinel starts the servers in dir. Stop must be called in the end.
func StartSentinel(dir string) (s *Sentinel, err error) {
	s = &Sentinel{}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	for range 2 {
		n, err := newNode(dir, false)
		if err != nil {
			return s, err
		}
		s.Servers = append(s.Servers, n)
	}
	host, port, _ := net.SplitHostPort(s.Servers[0].Addr)
	if err := s.Servers[1].Client.ReplicaOf(context.Background(), host, port).Err(); err != nil {
		return s, err
	}
	for range 3 {
		n, err := newNode(dir, true, fmt.Sprintf("sentinel monitor %s %s %s 2", masterName, host, port),
			"sentinel down-after-milliseconds "+masterName+" 1000", "sentinel failover-timeout "+masterName+" 5000")
		if err != nil {
			return s, err
		}
		s.Sentinels = append(s.Sentinels, n)
	}
	return s, s.AwaitWhole()
}

// AwaitWhole waits until every Sentinel has found the others and a replica with the master's data.
func (s *Sentinel) AwaitWhole() error {
	ctx := context.Background()
	return await("the Sentinels know all servers", func() error {
		for _, n := range s.Sentinels {
			info, err := n.Client.Info(ctx, "sentinel").Result()
			if err != nil {
				return err
			}
			if !strings.Contains(info, "status=ok") || !strings.Contains(info, "slaves=1,sentinels=3") {
				return errors.New(info)
			}
		}
		for _, n := range s.Servers {
			info, err := n.Client.Info(ctx, "replication").Result()
			if err != nil {
				return err
			}
			if strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
				return errors.New("the replica has not read its master yet")
			}
		}
		return nil
	})
}

// URL names the master to a client.
func (s *Sentinel) URL() string {
	addrs := make([]string, 0, len(s.Sentinels))
	for _, n := range s.Sentinels[1:] {
		addrs = append(addrs, "addr="+n.Addr)
	}
	return "redis://" + s.Sentinels[0].Addr + "/0?master_name=" + masterName + "&" + strings.Join(addrs, "&")
}

// Master returns the master that the Sentinels name.
func (s *Sentinel) Master() *Node {
	var found *Node
	_ = await("there is a master", func() error {
		for _, n := range s.Servers {
			if n.alive == nil {
				continue
			}
			if info, err := n.Client.Info(context.Background(), "replication").Result(); err == nil && strings.Contains(info, "role:master") {
				found = n
				return nil
			}
		}
		return errors.New("none")
	})
	return found
}

// Empty removes all data.
func (s *Sentinel) Empty() error { return s.Master().Client.FlushAll(context.Background()).Err() }

// Stop ends all servers.
func (s *Sentinel) Stop() {
	for _, n := range append(s.Sentinels, s.Servers...) {
		n.stop()
	}
}
