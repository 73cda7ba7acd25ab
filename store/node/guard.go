package node

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/store/pipeline"
)

// ErrSilent is why a node writes nothing: it has to beat first.
var ErrSilent = errors.New("this node could not beat: others may have taken it for dead")

// Guard returns g for a node: it writes nothing while others may have taken it for dead, and then nothing that
// was begun before.
func (n *Nodes) Guard(g pipeline.Guard) pipeline.Guard {
	if n == nil {
		return g
	}
	confirm, lapsed := g.Confirm, g.Lapsed
	g.Lapsed = func() bool { return lapsed() || n.Lapsed() }
	g.Term = n.Term
	g.Confirm = func(ctx context.Context, m pipeline.Master) error {
		if err := confirm(ctx, m); err != nil || !n.Lapsed() {
			return err
		}
		return ErrSilent // until the next beat
	}
	return g
}
