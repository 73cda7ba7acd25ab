package console

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Limits of the streams that tell open pages what happens.
const (
	maxStreams        = 1000             // at the same time, over all sessions
	maxSessionStreams = 4                // a browser makes six connections over HTTP/1.1: two are left for pages
	heartbeat         = 9 * time.Second  // so long may a session that ended elsewhere go on listening
	writeWithin       = 20 * time.Second // a browser that takes nothing for so long is given up
	tellAfter         = 200 * time.Millisecond
	tellEvery         = time.Second // what happens in between is told together
)

// teller collects what a page wants to hear.
type teller interface {
	// picks judges by what takes no reading, and gives e as rights are to be asked about it.
	picks(e fleet.Event) (fleet.Event, bool)
	// take reports whether there is something to tell.
	take(v fleet.EventView) bool
	// tell is what was taken, as server-sent events.
	tell() (string, error)
}

// stream tells the page until it is closed, its session ends, or the server does.
func (v *visit) stream(t teller) error {
	over, leaveSession, err := v.streams.begin(v.secret)
	if err != nil {
		return err
	}
	defer leaveSession()
	heard, leave := v.live.Listen(v.actor.Team)
	defer leave()
	err = v.follow(t, newSSE(v.w), heard, over)
	switch {
	case err == nil || v.ctx().Err() != nil:
	case errors.Is(err, fleet.Unauthenticated):
		_ = newSSE(v.w).write("event: over\ndata: signed out\n\n") // the browser may be gone
	default:
		v.log.Debug("console: a stream ends", "err", err)
	}
	return nil
}

func (v *visit) follow(t teller, out *sse, heard <-chan fleet.Event, over <-chan struct{}) error {
	err := out.write("retry: 2000\n\n")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var due <-chan time.Time // nil: there is nothing to tell
	var told time.Time
	for err == nil {
		select {
		case <-v.ctx().Done():
			return nil
		case <-over:
			return fleet.Errorf(fleet.Unauthenticated, "signed out")
		case <-beat.C:
			if _, err = v.registry.Actor(v.ctx(), v.secret); err == nil {
				err = out.write(":\n\n")
			}
		case <-due:
			due, told = nil, time.Now()
			var text string
			if text, err = t.tell(); err == nil {
				err = out.write(text)
			}
		case e, ok := <-heard:
			if !ok {
				return nil
			}
			var took bool
			if took, err = v.hear(t, e); took && due == nil {
				due = time.After(max(tellAfter, tellEvery-time.Since(told)))
			}
		}
	}
	return err
}

// hear gives t what the user may hear: rights are read anew for each event.
func (v *visit) hear(t teller, e fleet.Event) (took bool, err error) {
	e, ok := t.picks(e)
	if !ok {
		return false, nil
	}
	who, err := v.registry.Actor(v.ctx(), v.secret)
	if err != nil {
		return false, err
	}
	view, hears, err := v.registry.Hear(v.ctx(), who, e)
	if err != nil || !hears {
		return false, err
	}
	return t.take(view), nil
}

// streams are those under way.
type streams struct {
	mu    sync.Mutex
	total int                               // guarded by mu
	open  map[string]map[chan struct{}]bool // by the session's secret; guarded by mu
}

func newStreams() *streams { return &streams{open: make(map[string]map[chan struct{}]bool)} }

// begin counts one more stream of a session. over is closed when the session is ended;
// leave is to be called once.
func (s *streams) begin(secret string) (over <-chan struct{}, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= maxStreams || len(s.open[secret]) >= maxSessionStreams {
		return nil, nil, fleet.Errorf(fleet.Busy, "too many pages listen at once: close some")
	}
	if s.open[secret] == nil {
		s.open[secret] = make(map[chan struct{}]bool)
	}
	signal := make(chan struct{})
	s.open[secret][signal] = true
	s.total++
	return signal, func() { s.leave(secret, signal) }, nil
}

func (s *streams) leave(secret string, signal chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if delete(s.open[secret], signal); len(s.open[secret]) == 0 {
		delete(s.open, secret)
	}
}

// end ends the streams of a session.
func (s *streams) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for signal := range s.open[secret] {
		close(signal)
	}
	delete(s.open, secret)
}

// sse writes server-sent events.
type sse struct {
	writer  http.ResponseWriter
	control *http.ResponseController
}

func newSSE(w http.ResponseWriter) *sse {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	return &sse{writer: w, control: http.NewResponseController(w)}
}

// write sends text at once.
func (o *sse) write(text string) error {
	_ = o.control.SetWriteDeadline(time.Now().Add(writeWithin)) // a test's recorder has none
	if _, err := o.writer.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}
