package redistest

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/muster-iot/muster/store/slots"
)

// Move is a slot that moves from one master to another.
type Move struct {
	from, to *Node
	slot     int
}

// BeginMove begins to move the slot of a key to another master and moves the keys there are: the
// slot is still that of the first one, which redirects clients for each key.
func (c *Cluster) BeginMove(key string, to *Node) (*Move, error) {
	ctx := context.Background()
	m := &Move{c.Master(key), to, slots.Of(key)}
	fromID, err := m.from.Client.ClusterMyID(ctx).Result()
	if err != nil {
		return nil, err
	}
	toID, err := to.Client.ClusterMyID(ctx).Result()
	if err != nil {
		return nil, err
	}
	err = errors.Join(to.Client.Do(ctx, "cluster", "setslot", m.slot, "importing", fromID).Err(),
		m.from.Client.Do(ctx, "cluster", "setslot", m.slot, "migrating", toID).Err())
	if err != nil {
		return nil, err
	}
	return m, m.keys()
}

// keys moves the keys that are in the slot now.
func (m *Move) keys() error {
	ctx := context.Background()
	host, port, err := net.SplitHostPort(m.to.Addr)
	if err != nil {
		return err
	}
	for {
		keys, err := m.from.Client.ClusterGetKeysInSlot(ctx, m.slot, 100).Result()
		if err != nil || len(keys) == 0 {
			return err
		}
		command := []any{"migrate", host, port, "", "0", "5000", "keys"}
		for _, key := range keys {
			command = append(command, key)
		}
		if err := m.from.Client.Do(ctx, command...).Err(); err != nil {
			return err
		}
	}
}

// End makes the slot that of the other master.
func (m *Move) End() error {
	if err := m.keys(); err != nil {
		return err
	}
	ctx := context.Background()
	id, err := m.to.Client.ClusterMyID(ctx).Result()
	if err != nil {
		return err
	}
	for _, n := range []*Node{m.to, m.from} {
		if err := n.Client.Do(ctx, "cluster", "setslot", strconv.Itoa(m.slot), "node", id).Err(); err != nil {
			return err
		}
	}
	return nil
}
