package relay

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
)

const (
	sendEvery = 100 * time.Millisecond // what is sent in between shares a trip
	pollEvery = 200 * time.Millisecond
	again     = time.Second // after an error

	maxQueued = 1024   // news of a topic between two trips
	maxRecent = 10_000 // topics
	// slowWant is how long it may take to publish which topics a node subscribes to: other nodes keep that long what they
	// sent before.
	slowWant = time.Second / 2
	// readOn is how long a node without subscriptions still reads its list.
	readOn = 5 * time.Second

	tripTimeout = 3 * time.Second
)

// Receiver is who acts on news. Its functions are called by Run, one at a time, except for Changed. They must not block.
type Receiver struct {
	News func(from, topic string, data []byte)
	// Missed is called for a topic of which news may have been lost.
	Missed func(topic string)
	// Changed is called when other nodes subscribe to other topics than before.
	Changed func()
}

// Relay passes news on between the nodes of a store. It is safe for concurrent use. A nil one is that of a
// server that does not share its store: nobody subscribes to anything.
type Relay struct {
	at       func(key string) (pipeline.Master, error) // the master of a key
	nodes    *node.Nodes
	receiver Receiver // set by Run before anything is received

	numbers map[string]uint64    // of the last batch to each node; owned by Run's sender
	retries map[string]time.Time // when to try a node again; owned by Run's sender
	retry   time.Time            // when to publish this node's topics again; owned by Run's sender
	seen    map[string]uint64    // the last batch of each node; owned by Run's reader

	mu      sync.Mutex                 // never held while Redis is asked
	wanted  map[string]bool            // by this node
	added   time.Time                  // when this node last added a topic; zero: that is published
	dropped time.Time                  // when it last dropped a topic
	said    time.Time                  // when that was written to Redis last
	looked  time.Time                  // when look was called last
	written string                     // what Redis has of it, as far as known
	others  map[string]map[string]bool // by other nodes that live: their topics
	recent  [2]map[string]bool         // topics of news since the last look at what others subscribe to, and before it
	queues  map[string][][]byte        // by topic
	missed  map[string]map[string]bool // by node: topics with losses that were not reported to it yet
	behind  map[string]bool            // nodes that did not get their last batch
	doubt   bool                       // this node may have missed news of any topic
}

// New returns a Relay between nodes; nil for nil. at returns the master of a key.
func New(at func(key string) (pipeline.Master, error), nodes *node.Nodes) *Relay {
	if nodes == nil {
		return nil
	}
	r := &Relay{
		at: at, nodes: nodes, receiver: Receiver{Changed: func() {}},
		numbers: map[string]uint64{}, retries: map[string]time.Time{}, seen: map[string]uint64{},
		wanted: map[string]bool{}, others: map[string]map[string]bool{}, recent: [2]map[string]bool{{}, {}},
		queues: map[string][][]byte{}, missed: map[string]map[string]bool{}, behind: map[string]bool{},
	}
	nodes.OnWants(r.look)
	return r
}

// Want sets the topics that this node subscribes to. A topic is a word without spaces. It never blocks.
func (r *Relay) Want(topics []string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := make(map[string]bool, len(topics))
	more := false
	for _, t := range topics {
		wanted[t] = true
		more = more || !r.wanted[t]
	}
	if more {
		r.added = time.Now()
	} else if len(wanted) != len(r.wanted) {
		r.dropped = time.Now()
	}
	r.wanted = wanted
}

// Wanted returns the topics with a prefix that other nodes subscribe to, without it.
func (r *Relay) Wanted(prefix string) (topics []string) {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, theirs := range r.others {
		for t := range theirs {
			if rest, has := strings.CutPrefix(t, prefix); has && !slices.Contains(topics, rest) {
				topics = append(topics, rest)
			}
		}
	}
	return topics
}

// Send passes what data returns on to the nodes that subscribe to topic; it is not called if there are none. It
// never blocks: what does not fit is reported as missed.
func (r *Relay) Send(topic string, data func() []byte) {
	if r == nil || !r.note(topic) {
		return
	}
	news := data()
	r.mu.Lock()
	defer r.mu.Unlock()
	if queue := r.queues[topic]; len(queue) <= maxQueued {
		r.queues[topic] = append(queue, news) // one more than fits: some were missed
	}
}

// note records that there is news of a topic, and reports whether another node subscribes to it.
func (r *Relay) note(topic string) (wanted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.recent[0]) < maxRecent {
		r.recent[0][topic] = true
	}
	for _, theirs := range r.others {
		wanted = wanted || theirs[topic]
	}
	return wanted
}

// look takes the subscriptions of nodes from the hash read with its beat. A node that subscribes to a topic
// of which there was news a moment ago has missed that.
func (r *Relay) look(wants map[string]string) {
	r.mu.Lock()
	if time.Since(r.said) > tripTimeout { // else the hash may have been read before
		r.written = wants[r.nodes.ID()]
	}
	if !r.looked.IsZero() && time.Since(r.looked) > tripTimeout+2*node.Every { // others may have taken it for dead
		r.doubt = true
	}
	r.looked = time.Now()
	before := r.others
	r.others = map[string]map[string]bool{}
	changed := false
	for _, id := range r.nodes.Others() {
		theirs := map[string]bool{}
		for topic := range strings.FieldsSeq(wants[id]) {
			theirs[topic] = true
			if before[id][topic] {
				continue
			}
			changed = true
			if r.recent[0][topic] || r.recent[1][topic] || len(r.recent[0]) == maxRecent {
				r.miss(id, topic)
			}
		}
		r.others[id] = theirs
	}
	for id := range before {
		if r.others[id] == nil { // with what it had not passed on
			r.doubt = true
			delete(r.behind, id)
			delete(r.missed, id)
		}
	}
	r.recent[0], r.recent[1] = map[string]bool{}, r.recent[0]
	call := r.receiver.Changed
	r.mu.Unlock()
	if changed {
		call()
	}
}

// miss notes that a node has missed news of a topic; the caller holds r.mu.
func (r *Relay) miss(id, topic string) {
	if r.missed[id] == nil {
		r.missed[id] = map[string]bool{}
	}
	r.missed[id][topic] = true
}

// Run passes news on until ctx ends.
func (r *Relay) Run(ctx context.Context, receiver Receiver) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.receiver = receiver
	r.mu.Unlock()
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() {
		for steady.Sleep(ctx, pollEvery) {
			r.poll(ctx)
		}
	})
	for steady.Sleep(ctx, sendEvery) {
		r.say(ctx)
		r.flush(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), again)
	defer cancel()
	r.flush(last)
}

// say writes this node's subscriptions, if Redis does not have them.
func (r *Relay) say(ctx context.Context) {
	r.mu.Lock()
	var topics []string
	for t := range r.wanted {
		topics = append(topics, t)
	}
	slices.Sort(topics)
	text, since := strings.Join(topics, " "), r.added
	lost := since.IsZero() && r.said.After(r.dropped) // what was published before is gone
	same := text == r.written
	r.mu.Unlock()
	if same || time.Now().Before(r.retry) {
		return
	}
	err := r.write(ctx, text)
	if err != nil {
		r.retry = time.Now().Add(again)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written, r.said = text, time.Now()
	if r.added.Equal(since) {
		r.added = time.Time{}
	}
	if lost || !since.IsZero() && time.Since(since) > slowWant {
		r.doubt = true
	}
}

func (r *Relay) write(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	m, err := r.at(keys.Wants)
	if err != nil {
		return err
	}
	if text == "" {
		return m.HDel(ctx, keys.Wants, r.nodes.ID()).Err()
	}
	return m.HSet(ctx, keys.Wants, r.nodes.ID(), text).Err()
}
