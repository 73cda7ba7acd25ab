package pipeline

import (
	"context"
	"errors"
	"testing"
)

// TestADoubtLastsUntilTheLookHasEnded: who comes while another one looks at a Redis that may be the wrong one
// does not use it meanwhile.
func TestADoubtLastsUntilTheLookHasEnded(t *testing.T) {
	t.Parallel()
	looking, end := make(chan struct{}), make(chan struct{})
	first := true
	g := &guard{Guard: Guard{Recognize: func(context.Context, Master) error {
		if first {
			first = false
			close(looking)
			<-end
		}
		return &Foreign{Text: "another store"}
	}}}
	g.doubt(reads)
	ended := make(chan error)
	go func() { ended <- g.verify(t.Context(), reads) }()
	<-looking
	if err := g.admit(t.Context(), reads); !errors.As(err, new(*Foreign)) {
		t.Errorf("meanwhile: got %v, want that it is foreign", err)
	}
	close(end)
	if err := <-ended; !errors.As(err, new(*Foreign)) {
		t.Errorf("got %v, want that it is foreign", err)
	}
	if err := g.admit(t.Context(), reads); !errors.As(err, new(*Foreign)) {
		t.Errorf("afterwards: got %v, want that it is foreign", err)
	}
}
