package broker

import (
	"bufio"
	"errors"
	"os"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// pacer slows down devices that connect too often, and two that use one id and end each
// other's connections. It is asked after the proof: strangers have no influence on it.
type pacer struct {
	connects *limit.Limiter[fleet.DeviceID]
	rivals   *limit.Limiter[fleet.DeviceID] // takeovers of a connection that was alive
}

func newPacer(cfg Config) *pacer {
	most := max(10_000, cfg.MaxConnections)
	return &pacer{
		connects: limit.New[fleet.DeviceID](cfg.ConnectBurst, cfg.ConnectInterval, most),
		rivals:   limit.New[fleet.DeviceID](cfg.RivalBurst, wire.RivalInterval, most),
	}
}

// alive is how recent a packet has to be for its connection to count as alive.
const alive = 10 * time.Second

// pause counts a connection l for a device whose seat is s, and returns how long l has to
// wait for it. rival is the address of the other connection when the two keep ending each other.
//
// A device whose link broke connects over a connection that is dead; it is alive when a packet
// came just now, or when two addresses take turns.
func (p *pacer) pause(l *Link, s seat) (pause time.Duration, rival string) {
	pause = reserve(p.connects, l.id)
	h := s.holder
	if h == nil {
		return pause, ""
	}
	taking := s.before == l.address && h.address != l.address
	if !taking && h.quiet() >= alive {
		return pause, ""
	}
	if wait := reserve(p.rivals, l.id); wait > 0 {
		rival = h.address
		if rival == l.address && s.before != "" { // one of them was fast enough to come twice
			rival = s.before
		}
		return max(pause, wait), rival
	}
	return pause, ""
}

func reserve(l *limit.Limiter[fleet.DeviceID], id fleet.DeviceID) time.Duration {
	wait, _ := l.Reserve(id, wire.TakeoverPause)
	return min(wait, wire.TakeoverPause)
}

// sitOut waits until l's pause is over. It returns false when l has ended before. Where the
// transport allows, it notices that the device has gone: otherwise that would end the
// connection of the other one for nothing.
func (l *Link) sitOut(pause time.Duration, in *bufio.Reader) bool {
	over := time.NewTimer(pause)
	defer over.Stop()
	if _, web := l.transport.(*mqtt.Stream); !web { // which can't be read after a deadline
		_ = l.transport.SetReadDeadline(time.Now().Add(pause)) // a closed one fails at once
		for in.Buffered() < in.Size() {
			if _, err := in.Peek(in.Buffered() + 1); errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil {
				return false
			}
		}
	}
	select {
	case <-over.C:
		return true
	case <-l.out.Closed():
		return false
	}
}
