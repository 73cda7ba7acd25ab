package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
)

const pollMost = 128 // batches of one trip

var errBroken = errors.New("a batch of another node can't be read")

// poll takes what other nodes have passed on to this one.
func (r *Relay) poll(ctx context.Context) {
	r.mu.Lock()
	wanted, idle := r.wanted, len(r.wanted) == 0 && time.Since(r.dropped) > readOn
	r.doubt = r.doubt && !idle
	r.mu.Unlock()
	if idle {
		return
	}
	lost := map[string]bool{}
	for {
		texts, err := r.take(ctx)
		r.mu.Lock()
		if err == nil && r.doubt {
			addAll(lost, wanted)
		}
		r.doubt = err != nil // what it took from Redis is lost
		r.mu.Unlock()
		if err != nil {
			break
		}
		for _, text := range texts {
			r.receive(text, wanted, lost)
		}
		if len(texts) < pollMost {
			break
		}
	}
	for topic := range lost {
		r.receiver.Missed(topic)
	}
}

func addAll(to, topics map[string]bool) {
	for t := range topics {
		to[t] = true
	}
}

func (r *Relay) take(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	key := keys.Inbox(r.nodes.ID())
	m, err := r.at(key)
	if err != nil {
		return nil, err
	}
	texts, err := m.LPopCount(ctx, key, pollMost).Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return texts, err
}

// receive acts on a batch, and adds to lost the wanted topics of which news is missing.
func (r *Relay) receive(text string, wanted, lost map[string]bool) {
	b, err := decode(text)
	if err != nil {
		addAll(lost, wanted)
		return
	}
	last := r.seen[b.from]
	if b.number <= last { // a fail-over brought it back
		return
	}
	if b.number != last+1 {
		addAll(lost, wanted)
	}
	r.seen[b.from] = b.number
	for _, i := range b.items {
		switch {
		case !wanted[i.topic]:
		case i.kind == itemNews:
			r.receiver.News(b.from, i.topic, []byte(i.data))
		default: // itemMissed, and what a later release sends
			lost[i.topic] = true
		}
	}
}

// decode is the inverse of batch.encode.
func decode(text string) (b batch, err error) {
	rest := text
	cut := func() (part string) {
		size, n := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		if n <= 0 || size > uint64(len(rest)-n) {
			err, rest = errBroken, ""
			return ""
		}
		part, rest = rest[n:n+int(size)], rest[n+int(size):] //nolint:gosec // it is less than len(rest)
		return part
	}
	b.from = cut()
	number, n := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
	if n <= 0 {
		return b, errBroken
	}
	b.number, rest = number, rest[n:]
	for rest != "" && err == nil {
		i := item{kind: rest[0]}
		rest = rest[1:]
		i.topic = cut()
		i.data = cut()
		b.items = append(b.items, i)
	}
	return b, err
}
