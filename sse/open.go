package sse

import (
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Open counts the streams under way. It is safe for concurrent use.
type Open struct {
	perSession int // streams of one session; 0: unbounded

	mu       sync.Mutex
	sessions map[string]map[chan struct{}]bool // by secret; guarded by mu
}

// NewOpen counts up to perSession streams of one session; 0: any number.
func NewOpen(perSession int) *Open {
	return &Open{perSession: perSession, sessions: make(map[string]map[chan struct{}]bool)}
}

// Begin counts one more stream of the session with this secret. over is closed when End ends
// the session; leave is to be called exactly once. It returns fleet.Busy when the session has too many open.
func (o *Open) Begin(secret string) (over <-chan struct{}, leave func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	streams := o.sessions[secret]
	if o.perSession > 0 && len(streams) >= o.perSession {
		return nil, nil, fleet.Errorf(fleet.Busy, "too many event streams are open: close some")
	}
	if streams == nil {
		streams = make(map[chan struct{}]bool)
		o.sessions[secret] = streams
	}
	signal := make(chan struct{})
	streams[signal] = true
	return signal, func() { o.leave(secret, signal) }, nil
}

func (o *Open) leave(secret string, signal chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if delete(o.sessions[secret], signal); len(o.sessions[secret]) == 0 {
		delete(o.sessions, secret)
	}
}

// End ends the streams of the session with this secret.
func (o *Open) End(secret string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for signal := range o.sessions[secret] {
		close(signal)
	}
	delete(o.sessions, secret)
}
