// Package disk watches the room that is left on the file system of a folder.
//
// Below a reserve, what can wait is refused, so that what can't is still written: a redis-server
// that syncs every write ends when the disk is full.
package disk

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	every      = time.Second // between two looks
	maxReserve = 256 << 20   // bytes; a tenth of the file system, if that is less
)

// Space is the room on one file system, in bytes.
type Space struct{ Free, Total int64 }

// Reserve is how much of it is kept for what can't wait.
func (s Space) Reserve() int64 { return min(s.Total/10, maxReserve) }

// Watch is the room on the file system of a folder. It is safe for concurrent use.
type Watch struct {
	folder string
	log    *slog.Logger
	low    atomic.Bool
}

// New returns a Watch of folder, which exists.
func New(folder string, log *slog.Logger) *Watch { return &Watch{folder: folder, log: log} }

// Run looks every second until ctx ends. It logs, and calls notify, when the room falls below the
// reserve; the end of that is logged too.
func (w *Watch) Run(ctx context.Context, notify func(text string)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if text, began := w.look(); began {
			notify(text)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look compares the room with the reserve. It takes a little more room to end than to begin, so
// that the two don't alternate.
func (w *Watch) look() (text string, began bool) {
	s, err := Of(w.folder)
	if err != nil {
		return "", false // unknown: an error of a write will say so
	}
	switch low := w.low.Load(); {
	case !low && s.Free < s.Reserve():
		w.low.Store(true)
		text = fmt.Sprintf("the disk of the data folder is almost full, %d MB are free: uploads, messages and commands are refused below %d MB", s.Free>>20, s.Reserve()>>20)
		w.log.Error("the disk is almost full: uploads, messages and commands are refused", "folder", w.folder, "free", s.Free, "reserve", s.Reserve())
		return text, true
	case low && s.Free > s.Reserve()+s.Reserve()/10:
		w.low.Store(false)
		w.log.Info("the disk has room again", "folder", w.folder, "free", s.Free)
	}
	return "", false
}

// Check returns fleet.NoSpace while the room is below the reserve, as Run saw it last. It costs
// next to nothing.
func (w *Watch) Check() error {
	if !w.low.Load() {
		return nil
	}
	return full()
}

// Room returns fleet.NoSpace if n more bytes would reach into the reserve.
func (w *Watch) Room(n int64) error {
	if s, err := Of(w.folder); err == nil && s.Free-n < s.Reserve() {
		return full()
	}
	return nil
}

// Space returns the room now, zeros if the system does not say.
func (w *Watch) Space() Space {
	s, _ := Of(w.folder)
	return s
}

func full() error {
	return fleet.Errorf(fleet.NoSpace, "the disk of the server is almost full: delete firmware that is no longer needed, or give it more room")
}
