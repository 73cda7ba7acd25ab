package node

import (
	"context"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Holds reports whether this node is the one that does what name stands for. A lease belongs to its
// node as long as that lives; then one of the others takes it, with its next beat. The first call asks
// for it. Whoever works by a lease asks before each step: a node that may be dead to others holds none, and
// neither does one that is being drained or only takes devices.
func (n *Nodes) Holds(name string) bool {
	if n == nil {
		return true
	}
	if n.config.Role == Devices || n.draining.Load() {
		return false
	}
	n.mu.Lock()
	held, wanted := n.wanted[name]
	if !wanted {
		n.wanted[name] = false
	}
	n.mu.Unlock()
	return held && !n.Lapsed()
}

func (n *Nodes) held() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	held := map[string]bool{}
	for name, is := range n.wanted {
		if is {
			held[name] = true
		}
	}
	return held
}

// take takes the leases that this node may have and no living node has. leases are all there are.
func (n *Nodes) take(ctx context.Context, m pipeline.Master, leases map[string]string) error {
	if n.draining.Load() {
		return n.giveUp(ctx, m, leases)
	}
	n.mu.Lock()
	free := map[string]string{}
	for name := range n.wanted {
		holder := leases[name]
		n.wanted[name] = holder == n.id
		if p := n.peers[holder]; holder != n.id && (p == nil || !p.alive) {
			free[name] = holder
		}
	}
	n.mu.Unlock()
	for name, holder := range free {
		now, err := replaceScript.Run(ctx, m, []string{keys.Leases}, name, holder, n.id).Text()
		if err != nil {
			return err
		}
		n.mu.Lock()
		n.wanted[name] = now == n.id
		n.mu.Unlock()
	}
	return nil
}

// giveUp frees those of all leases that this node has.
func (n *Nodes) giveUp(ctx context.Context, m pipeline.Master, leases map[string]string) error {
	for name, holder := range leases {
		if holder != n.id {
			continue
		}
		if err := n.replace(ctx, m, keys.Leases, name, n.id, ""); err != nil {
			return err
		}
	}
	return nil
}
