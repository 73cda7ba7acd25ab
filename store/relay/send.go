package relay

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
)

const (
	batchItems = 64 // of one batch
	batchBytes = 256 << 10
	maxBatches = 512 // that wait for a node
	// newsKept is how long a node may leave its news: those of a dead one vanish by themselves.
	newsKept = time.Minute
)

// The kinds of items.
const (
	itemNews   = '+'
	itemMissed = '!' // news of the topic were not passed on
)

type item struct {
	kind        byte
	topic, data string
}

// batch is what one node passes on to another one in one step. Of the batches to that node, none is left out.
type batch struct {
	from   string
	number uint64
	items  []item
}

// flush passes on what was sent.
func (r *Relay) flush(ctx context.Context) {
	for id, items := range r.gathered() {
		batches := r.pack(id, items)
		err := node.ErrSilent
		if !r.nodes.Lapsed() {
			err = r.push(ctx, id, batches)
		}
		if err == nil {
			continue
		}
		r.retries[id] = time.Now().Add(again)
		r.mu.Lock()
		r.behind[id] = true // the number of the next batch shows that one is missing
		r.mu.Unlock()
	}
}

// gathered takes what is to be passed on to each node; none for one that has to hear that a batch is missing.
func (r *Relay) gathered() map[string][]item {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string][]item{}
	now := time.Now()
	for id, topics := range r.others {
		if now.Before(r.retries[id]) {
			r.behind[id] = r.behind[id] || r.wantsAny(topics)
			continue
		}
		var items []item
		for topic := range topics {
			queue := r.queues[topic]
			if len(queue) > maxQueued {
				queue = queue[:maxQueued]
				r.miss(id, topic)
			}
			for _, data := range queue {
				items = append(items, item{itemNews, topic, string(data)})
			}
		}
		for topic := range r.missed[id] {
			items = append(items, item{kind: itemMissed, topic: topic})
		}
		delete(r.missed, id)
		if r.behind[id] {
			r.numbers[id]++ // of what it did not get
		}
		if len(items) > 0 || r.behind[id] {
			all[id] = items
			delete(r.behind, id)
		}
	}
	clear(r.queues)
	return all
}

// wantsAny reports whether there is news of one of topics; the caller holds r.mu.
func (r *Relay) wantsAny(topics map[string]bool) bool {
	for topic := range topics {
		if len(r.queues[topic]) > 0 {
			return true
		}
	}
	return false
}

// pack makes batches of items, at least one.
func (r *Relay) pack(id string, items []item) (packed []any) {
	for first := true; first || len(items) > 0; first = false {
		n, size := 0, 0
		for n < len(items) && n < batchItems && size < batchBytes {
			size += len(items[n].data)
			n++
		}
		r.numbers[id]++
		packed = append(packed, batch{r.nodes.ID(), r.numbers[id], items[:n]}.encode())
		items = items[n:]
	}
	return packed
}

func (r *Relay) push(ctx context.Context, id string, batches []any) error {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	key := keys.Inbox(id)
	m, err := r.at(key)
	if err != nil {
		return err
	}
	pipe := m.Pipeline()
	pipe.RPush(ctx, key, batches...)
	pipe.LTrim(ctx, key, -maxBatches, -1)
	pipe.PExpire(ctx, key, newsKept)
	return pipeline.Exec(ctx, pipe)
}

func (b batch) encode() string {
	text := appendText(nil, b.from)
	text = binary.AppendUvarint(text, b.number)
	for _, i := range b.items {
		text = appendText(appendText(append(text, i.kind), i.topic), i.data)
	}
	return string(text)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}
