package pipeline

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

var errTermOver = fleet.Errorf(fleet.Unavailable, "this server did not work for a while, and others may have done its work: try again")

type termKey struct{}

// InTerm returns ctx for work of several operations. When other processes may have taken over from this one since,
// its writes fail as fleet.Unavailable: they are the work of others now (docs/adr/0051).
func (p *Pipeline) InTerm(ctx context.Context) context.Context {
	if p.watch.Term == nil {
		return ctx
	}
	return context.WithValue(ctx, termKey{}, p.watch.Term())
}

// termOf is the term of what is about to begin in ctx.
func (g *Guard) termOf(ctx context.Context) uint64 {
	if g.Term == nil {
		return 0
	}
	if term, bound := ctx.Value(termKey{}).(uint64); bound {
		return term
	}
	return g.Term()
}

// inTerm settles the operations of an earlier term, and returns the others.
func (b *batcher) inTerm(waiting []*ticket) []*ticket {
	if b.guard.Term == nil || b.lane == reads {
		return waiting
	}
	term, left := b.guard.Term(), waiting[:0]
	for _, t := range waiting {
		if t.term == term {
			left = append(left, t)
			continue
		}
		_ = unavailable(t.op, t.sent, errTermOver)
		b.settle(t, errTermOver)
	}
	return left
}
