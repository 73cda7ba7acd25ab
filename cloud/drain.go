package cloud

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/steady"
)

// draining is a stop that moves devices to other servers first (docs/adr/0046).
type draining struct {
	begun   atomic.Bool
	hurried sync.Once
	hurry   chan struct{} // closed by Hurry
}

// takesPerProcessor is how many connections a server can take in a second for each processor it has. Some 1,000
// full TLS handshakes and as many Hellos are possible (docs/benchmarks.md); those that are connected need some, too.
const takesPerProcessor = 250

// noticeShare is the part of node.drain in which a server is only not ready, so that load balancers notice.
const noticeShare = 4

const (
	drainLook     = 250 * time.Millisecond // between two looks at the other servers
	drainReported = 10 * time.Second       // between two lines in the log
)

// takes is how many more connections this server can take in a second.
func (c *Cloud) takes() int {
	room := c.capacity.mqtt - int(c.broker.Stats().Connections)
	return max(0, min(room, takesPerProcessor*runtime.GOMAXPROCS(0)))
}

// Hurry ends a drain that is in progress, or is to come: Run ends what is left at once.
func (c *Cloud) Hurry() { c.draining.hurried.Do(func() { close(c.draining.hurry) }) }

// until waits until ctx ends, and then until other servers have this one's devices. It returns the error
// that ends the server before.
func (c *Cloud) until(ctx context.Context, failed <-chan error) (err error) {
	select {
	case <-ctx.Done():
	case err := <-failed:
		return err
	case err := <-c.store.Lost():
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		c.drain(ctx)
	}()
	select {
	case <-drained:
	case <-c.draining.hurry:
		c.log.Warn("stopping at once: connections that are left are ended together", "left", c.broker.Stats().Connections)
	case err = <-failed:
	case err = <-c.store.Lost():
	}
	cancel()
	<-drained
	return err
}

// drain returns once other servers have this one's devices, at once if none can, or when ctx ends.
func (c *Cloud) drain(ctx context.Context) {
	limit := c.config.Node.Drain
	if servers, _ := c.heirs(); limit == 0 || servers == 0 {
		return
	}
	began := time.Now()
	c.draining.begun.Store(true)
	c.store.Nodes().Drain() // with its leases
	servers, takes := c.heirs()
	c.log.Info("draining: this server is not ready any more, and its connections end once load balancers have noticed",
		"connections", c.broker.Stats().Connections, "servers", servers, "take_per_second", takes, "notice", limit/noticeShare, "within", limit)
	for time.Since(began) < limit/noticeShare {
		if servers, _ := c.heirs(); servers == 0 || !steady.Sleep(ctx, min(drainLook, limit/noticeShare)) {
			return
		}
	}
	if !c.config.Node.TakesDevices() {
		return
	}
	ctx, cancel := context.WithCancel(ctx) // ends when nobody is left to take them
	defer cancel()
	even := spread{end: began.Add(limit), log: c.reportDrain}
	c.broker.Drain(ctx, broker.Draining{
		Last: c.ota.Transfers,
		Pace: func(left int) float64 {
			servers, takes := c.heirs()
			perSecond, over := even.next(time.Now(), left, takes)
			if servers == 0 || over {
				cancel()
			}
			return perSecond
		},
	})
	c.log.Info("drained", "left", c.broker.Stats().Connections, "took", time.Since(began).Round(time.Second))
}

func (c *Cloud) reportDrain(left int, takes int, late bool) {
	if late {
		c.log.Warn("draining takes longer than node.drain: the other servers can't take the devices sooner", "left", left, "take_per_second", takes)
		return
	}
	c.log.Info("draining", "left", left, "take_per_second", takes)
}

// heirs returns how many other servers can do what this one does, and how many connections they can take
// in a second.
func (c *Cloud) heirs() (servers, takes int) {
	for _, p := range c.store.Nodes().Peers() {
		switch {
		case c.config.Node.TakesDevices() && p.TakesDevices():
			takes += p.Takes
			servers++
		case !c.config.Node.TakesDevices() && p.Leads():
			servers++
		}
	}
	return servers, takes
}

// spread spreads the ends of connections evenly over the time up to end. It is used by one goroutine.
type spread struct {
	end      time.Time
	log      func(left, takes int, late bool)
	reported time.Time
}

// next returns how many connections may be ended in a second: as many as it takes to end the rest in time, but
// no more than others can take. It is over when they have taken none and the time is up.
func (p *spread) next(now time.Time, left, takes int) (perSecond float64, over bool) {
	late := !now.Before(p.end)
	if now.Sub(p.reported) >= drainReported {
		p.reported = now
		p.log(left, takes, late)
	}
	if late {
		return float64(takes), takes == 0
	}
	return min(float64(takes), float64(left)/p.end.Sub(now).Seconds()), false
}
