package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/slots"
)

// NodeTimeout is after how long without an answer the nodes of a Cluster declare one dead.
const NodeTimeout = 2 * time.Second

// Cluster is a Redis Cluster.
type Cluster struct {
	Nodes  []*Node
	Client *redis.ClusterClient // for what a test does behind a store's back
}

// StartCluster starts a Cluster of some masters with one replica each, if replicated is set, in
// dir, each node with these lines in its configuration. Stop must be called in the end.
func StartCluster(dir string, masters int, replicated bool, lines ...string) (c *Cluster, err error) {
	c = &Cluster{}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	count := masters
	if replicated {
		count *= 2
	}
	ctx := context.Background()
	for i := range count {
		bus, err := freePort()
		if err != nil {
			return c, err
		}
		n, err := newNode(dir, false, append([]string{"cluster-enabled yes", "cluster-port " + bus, fmt.Sprint("cluster-node-timeout ", NodeTimeout.Milliseconds()),
			"cluster-require-full-coverage no", "cluster-replica-validity-factor 0", "cluster-config-file nodes.conf"}, lines...)...)
		if err != nil {
			return c, err
		}
		c.Nodes = append(c.Nodes, n)
		if err := n.Client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return c, err
		}
		if first := c.Nodes[0]; n != first {
			host, port, _ := net.SplitHostPort(first.Addr)
			if err := n.Client.Do(ctx, "cluster", "meet", host, port, busOf(first)).Err(); err != nil {
				return c, err
			}
		}
	}
	for i, n := range c.Nodes[:masters] {
		first, last := i*slots.Count/masters, (i+1)*slots.Count/masters-1
		if err := n.Client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return c, err
		}
	}
	if err := c.awaitNodes(count); err != nil {
		return c, err
	}
	for i, n := range c.Nodes[masters:] {
		id, err := c.Nodes[i].Client.ClusterMyID(ctx).Result()
		if err == nil {
			err = await("a replica knows its master", func() error { return n.Client.ClusterReplicate(ctx, id).Err() })
		}
		if err != nil {
			return c, err
		}
	}
	addrs := make([]string, 0, len(c.Nodes))
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr)
	}
	c.Client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, DisableIdentity: true, Protocol: 2})
	return c, c.AwaitWhole()
}

func busOf(n *Node) string {
	nodes, _ := n.Client.ClusterNodes(context.Background()).Result() // "id host:port@bus flags ..."
	_, rest, _ := strings.Cut(nodes, "@")
	bus, _, _ := strings.Cut(rest, " ")
	bus, _, _ = strings.Cut(bus, ",")
	return bus
}

func (c *Cluster) awaitNodes(count int) error {
	return await("all nodes know each other", func() error {
		for _, n := range c.Nodes {
			nodes, err := n.Client.ClusterNodes(context.Background()).Result()
			if err != nil {
				return err
			}
			if known := strings.Count(nodes, "\n"); known != count || strings.Contains(nodes, "handshake") {
				return fmt.Errorf("%s knows %d of %d nodes", n.Addr, known, count)
			}
		}
		return nil
	})
}

// AwaitWhole waits until all nodes that run agree that every slot has a master and that every
// replica has its master's data.
func (c *Cluster) AwaitWhole() error {
	ctx := context.Background()
	return await("the cluster is whole", func() error {
		for _, n := range c.Nodes {
			if n.alive == nil {
				continue
			}
			info, err := n.Client.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384") {
				return fmt.Errorf("%s: %s", n.Addr, info)
			}
			replication, err := n.Client.Info(ctx, "replication").Result()
			if err != nil {
				return err
			}
			if strings.Contains(replication, "role:slave") && !strings.Contains(replication, "master_link_status:up") {
				return fmt.Errorf("%s has not read its master yet", n.Addr)
			}
			if strings.Contains(replication, "slave0:") && !strings.Contains(replication, "state=online") {
				return fmt.Errorf("%s does not send its replica what is written yet", n.Addr)
			}
		}
		return nil
	})
}

// AwaitReplicated waits until the replica of a master has what was written to the master by now.
// WAIT would not do: it waits for the writes of its own connection.
func (c *Cluster) AwaitReplicated(n *Node) error {
	want, err := n.offset("master_repl_offset")
	if err != nil {
		return err
	}
	return await("a replica has what its master has", func() error {
		replica := c.Replica(n)
		if replica == nil {
			return fmt.Errorf("%s has no replica", n.Addr)
		}
		if got, err := replica.offset("slave_repl_offset"); err != nil || got < want {
			return fmt.Errorf("%s has %d bytes of %d: %w", replica.Addr, got, want, err)
		}
		return nil
	})
}

// offset is how many bytes of its master's writes a node has, or how many it has written.
func (n *Node) offset(name string) (int64, error) {
	text, err := n.replication(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// replication is one field of INFO replication, "" if there is none.
func (n *Node) replication(name string) (string, error) {
	info, err := n.Client.Info(context.Background(), "replication").Result()
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value, err
		}
	}
	return "", err
}

// Replica returns a replica that follows a master, nil if there is none that runs.
func (c *Cluster) Replica(master *Node) *Node {
	_, port, _ := net.SplitHostPort(master.Addr)
	for _, n := range c.Nodes {
		if n == master || n.alive == nil {
			continue
		}
		if of, err := n.replication("master_port"); err == nil && of == port {
			return n
		}
	}
	return nil
}

// URL names the Cluster to a client.
func (c *Cluster) URL() string {
	query := make([]string, 0, len(c.Nodes))
	for _, n := range c.Nodes[1:] {
		query = append(query, "addr="+n.Addr)
	}
	if len(query) == 0 {
		query = append(query, "addr="+c.Nodes[0].Addr)
	}
	return "redis://" + c.Nodes[0].Addr + "?" + strings.Join(query, "&")
}

// Master returns the master that holds a key, according to a node that runs.
func (c *Cluster) Master(key string) *Node {
	var found *Node
	_ = await("a master holds "+key, func() error {
		found = c.master(slots.Of(key))
		if found == nil {
			return errors.New("no master has its slot")
		}
		return nil
	})
	return found
}

func (c *Cluster) master(slot int) *Node {
	for _, asked := range c.Nodes {
		if asked.alive == nil {
			continue
		}
		ranges, err := asked.Client.ClusterSlots(context.Background()).Result() //nolint:staticcheck // what clients ask, too
		if err != nil {
			continue
		}
		for _, r := range ranges {
			if slot < r.Start || slot > r.End || len(r.Nodes) == 0 {
				continue
			}
			for _, n := range c.Nodes {
				if n.Addr == r.Nodes[0].Addr && n.alive != nil {
					return n
				}
			}
		}
	}
	return nil
}

// Leads reports whether a node is a master, according to itself.
func (n *Node) Leads() bool {
	role, err := n.replication("role")
	return err == nil && role == "master"
}

// Masters returns the masters that run.
func (c *Cluster) Masters() (masters []*Node) {
	for _, n := range c.Nodes {
		if n.alive == nil {
			continue
		}
		if n.Leads() {
			masters = append(masters, n)
		}
	}
	return masters
}

// Empty removes all data.
func (c *Cluster) Empty() error {
	var failed error
	for _, n := range c.Masters() {
		failed = errors.Join(failed, n.Client.FlushAll(context.Background()).Err())
	}
	return failed
}

// Stop ends all nodes.
func (c *Cluster) Stop() {
	if c.Client != nil {
		_ = c.Client.Close()
	}
	for _, n := range c.Nodes {
		n.stop()
	}
}
