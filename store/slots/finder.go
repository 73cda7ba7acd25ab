package slots

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	maxAsked   = 8                      // nodes asked at a time
	askTimeout = time.Second            // for the answer of one node
	grace      = 200 * time.Millisecond // for the other answers, after the first
)

// Node is a client of one node. It is an interface, as in all of store, because the compiler copies two thousand
// methods, 8 MB, into each package that refers to a *redis.Client, even by the field of another package's type.
type Node interface {
	redis.Cmdable
	Close() error
}

// Finder asks the nodes of a Cluster for the map of its slots. It follows a Cluster whose nodes
// are replaced one by one. It is not safe for concurrent use.
type Finder struct {
	seeds  []string // of the URL
	known  []string // nodes of the last map
	client func(addr string) Node
	nodes  map[string]Node
	asking sync.WaitGroup // also for answers that Find did not wait for
}

// NewFinder returns a Finder that begins with the nodes at seeds. client returns a new client of
// one node. Close must be called in the end.
func NewFinder(seeds []string, client func(addr string) Node) *Finder {
	return &Finder{seeds: seeds, client: client, nodes: map[string]Node{}}
}

// Find returns the newest map that the nodes have: after a fail-over some answer with an older
// one for a moment. Its error is that of a node, if none answers.
func (f *Finder) Find(ctx context.Context) (*Map, error) {
	asked := f.choose()
	type answer struct {
		found *Map
		err   error
	}
	answers := make(chan answer, len(asked))
	for _, addr := range asked {
		client := f.nodes[addr]
		f.asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			m, err := ask(ctx, client, addr)
			answers <- answer{m, err}
		})
	}
	var newest *Map
	var failed error
	var enough <-chan time.Time
	for range asked {
		var a answer
		select {
		case a = <-answers:
		case <-enough:
			f.keep(newest)
			return newest, nil
		}
		switch {
		case a.err != nil:
			failed = a.err
		case newest == nil || a.found.epoch > newest.epoch:
			newest = a.found
			if enough == nil {
				enough = time.After(grace)
			}
		}
	}
	if newest == nil {
		f.known = nil // the nodes may have new addresses: begin with the URL again
		return nil, failed
	}
	f.keep(newest)
	return newest, nil
}

// choose returns the nodes to ask next: the known ones or, if there are many, some of them.
func (f *Finder) choose() []string {
	addrs := slices.Concat(f.known, f.seeds)
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	addrs = addrs[:min(len(addrs), maxAsked)]
	for _, addr := range addrs {
		if f.nodes[addr] == nil {
			f.nodes[addr] = f.client(addr)
		}
	}
	return addrs
}

// keep drops the clients of nodes that are gone.
func (f *Finder) keep(m *Map) {
	f.known = m.nodes
	for addr, client := range f.nodes {
		if !slices.Contains(m.nodes, addr) && !slices.Contains(f.seeds, addr) {
			delete(f.nodes, addr)
			_ = client.Close()
		}
	}
}

// Close closes the connections.
func (f *Finder) Close() {
	for _, client := range f.nodes {
		_ = client.Close()
	}
	f.asking.Wait()
}

var errEmpty = errors.New("the cluster has no slots yet")

func ask(ctx context.Context, c redis.Cmdable, addr string) (*Map, error) {
	pipe := c.Pipeline()
	info, ranges := pipe.ClusterInfo(ctx), pipe.ClusterSlots(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	if len(ranges.Val()) == 0 {
		return nil, errEmpty
	}
	m := newMap(ranges.Val(), addr)
	for line := range strings.Lines(info.Val()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_current_epoch:"); ok {
			m.epoch, _ = strconv.ParseUint(value, 10, 64) // written by Redis
		}
	}
	return m, nil
}

// reachable returns the address of a node as the node at origin, which could be reached, states
// it: without a host or with "?" it is that of origin, as is a loopback address, which the node
// has of itself behind a forwarded port, and a port of 0.
func reachable(addr, origin string) string {
	host, port, err := net.SplitHostPort(addr)
	from, fromPort, fromErr := net.SplitHostPort(origin)
	if err != nil || fromErr != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || host == "?" || ip != nil && ip.IsLoopback() && from != "localhost" {
		host = from
	}
	if port == "0" {
		port = fromPort
	}
	return net.JoinHostPort(host, port)
}
