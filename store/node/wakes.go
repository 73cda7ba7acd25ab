package node

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

const (
	pollEvery = 200 * time.Millisecond
	pollMost  = 512 // wakes of a bucket in one poll
	// wakesKept is how long a node may leave its wakes: those of a dead one vanish by themselves.
	wakesKept = time.Minute
)

// Wake adds to a trip that writes a device what has the node that holds its session look at it again,
// by the record that was written; "" if it has none. This node needs no wake.
func (n *Nodes) Wake(p redis.Pipeliner, device fleet.DeviceID, holder string) {
	if n != nil && holder != "" && holder != n.id {
		n.wake(p, device, holder, keys.Device(device))
	}
}

// WakeOthers wakes all other nodes: the record of the device has no holder, or was not read.
func (n *Nodes) WakeOthers(p redis.Pipeliner, device fleet.DeviceID) {
	for _, other := range n.Others() {
		n.wake(p, device, other, keys.Device(device))
	}
}

// Decide has the node that holds a device's session decide again what the device should run. It is one
// trip, which other writes share.
func (n *Nodes) Decide(ctx context.Context, p *pipeline.Pipeline, device fleet.DeviceID, holder string) error {
	if n == nil || holder == n.id || !n.Alive(holder) {
		return nil
	}
	return p.Do(ctx, keys.Device(device), func(p redis.Pipeliner) redis.Cmder {
		return n.wake(p, device, holder, decide+" "+keys.Device(device))
	})
}

// decide is the first word of a wake of Decide.
const decide = "decide"

// Connected has the node that holds a device's session end it: the device has connected here at a time,
// in µs. It is one trip, which other writes share.
func (n *Nodes) Connected(ctx context.Context, p *pipeline.Pipeline, device fleet.DeviceID, holder string, at uint64) error {
	if n == nil || holder == n.id || !n.Alive(holder) {
		return nil
	}
	return p.Do(ctx, keys.Device(device), func(p redis.Pipeliner) redis.Cmder {
		return n.wake(p, device, holder, strconv.FormatUint(at, 10)+" "+keys.Device(device))
	})
}

func (n *Nodes) wake(p redis.Pipeliner, device fleet.DeviceID, node, text string) redis.Cmder {
	key := keys.Wakes(keys.Bucket(device), node)
	sent := p.SAdd(context.Background(), key, text)
	p.PExpire(context.Background(), key, wakesKept)
	return sent
}

// Woken is a device that this node should look at again.
type Woken struct {
	Device    fleet.DeviceID
	Connected uint64 // it has a connection at another node since then, µs; 0: its record may have changed
	Decide    bool   // it should be decided again what it should run
}

func readWoken(text string) Woken {
	word, device, found := strings.Cut(text, " ") // which is in no key
	switch {
	case !found:
		return Woken{Device: keys.DeviceOf(text)}
	case word == decide:
		return Woken{Device: keys.DeviceOf(device), Decide: true}
	}
	at, _ := strconv.ParseUint(word, 10, 64)
	return Woken{Device: keys.DeviceOf(device), Connected: at}
}

// watch is Watch's state of each bucket.
type watch struct {
	names  []string
	owners [keys.Buckets]redis.Cmdable // who held it at the last poll that worked
	missed [keys.Buckets]bool          // a wake may have been lost
	mu     sync.Mutex                  // never held while Redis is asked
	busy   map[redis.Cmdable]bool      // polls that have yet to return; guarded by mu
}

// Follower is who acts on wakes.
type Follower struct {
	Woken func(Woken) // for each wake of this node
	// Missed is called for each bucket whose wakes may have been lost: all its devices have to be
	// looked at.
	Missed func(bucket int)
	// Suspect is called when other nodes may have taken this one for dead, before it writes again: no
	// session may acknowledge anything until it was looked at. It must not block.
	Suspect func()
}

// Watch calls f until ctx ends. split returns which master has which of some keys. A nil Nodes is never woken.
func (n *Nodes) Watch(ctx context.Context, split func(names []string) map[redis.Cmdable][]int, f Follower) {
	if n == nil {
		return
	}
	n.suspect.Store(&f.Suspect)
	w := &watch{busy: map[redis.Cmdable]bool{}}
	for bucket := range keys.Buckets {
		w.names = append(w.names, keys.Wakes(bucket, n.id))
	}
	var polls sync.WaitGroup
	defer polls.Wait()
	for steady.Sleep(ctx, pollEvery) {
		all := n.doubted.Swap(false)
		for client, buckets := range split(w.names) {
			if !w.begin(client, buckets, all) {
				continue
			}
			polls.Go(func() {
				w.poll(ctx, client, buckets, f)
				w.mu.Lock()
				w.busy[client] = false
				w.mu.Unlock()
			})
		}
	}
}

// begin reports whether a master may be polled: not before the last poll of it has returned.
func (w *watch) begin(client redis.Cmdable, buckets []int, all bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range buckets {
		if all || w.owners[b] != nil && w.owners[b] != client {
			w.missed[b] = true
		}
		w.owners[b] = client
	}
	if w.busy[client] {
		return false
	}
	w.busy[client] = true
	return true
}

func (w *watch) poll(ctx context.Context, client redis.Cmdable, buckets []int, f Follower) {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	pipe := client.Pipeline()
	replies := make([]*redis.StringSliceCmd, len(buckets))
	for i, b := range buckets {
		replies[i] = pipe.SPopN(ctx, w.names[b], pollMost)
	}
	_ = pipeline.Exec(ctx, pipe) // each reply has its own error
	for i, b := range buckets {
		texts, err := replies[i].Result()
		w.mu.Lock()
		lost := w.missed[b]
		w.missed[b] = err != nil // what it took from Redis is lost
		w.mu.Unlock()
		if err != nil {
			continue
		}
		if lost {
			f.Missed(b)
		}
		for _, text := range texts {
			f.Woken(readWoken(text))
		}
	}
}

// Doubt has Watch look at all devices: Redis may have lost wakes.
func (n *Nodes) Doubt() {
	if n != nil {
		n.doubted.Store(true)
	}
}
