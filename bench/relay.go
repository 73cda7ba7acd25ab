package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// relay is firmware through a broker that treats it as any payload: one publisher, QoS 1.
type relay struct {
	image  []byte
	chunk  uint32
	window uint32   // chunks of the publisher in flight, on each topic
	topics []string // each chunk goes to each of them
}

// relayTopics are the topics of n subscribers, in their order. One that all share is the
// cheapest there is for a broker; a topic each has it read every chunk once per device,
// which firmware needs as soon as not all devices are at the same chunk.
func relayTopics(n int, shared bool) []string {
	topics := make([]string, n)
	for i := range topics {
		topics[i] = "bench/firmware/chunk"
		if !shared {
			topics[i] += fmt.Sprintf("/%d", i)
		}
	}
	return topics
}

func (r *relay) count() uint32 { return wire.ChunkCount(int64(len(r.image)), r.chunk) }

// subscribe waits for the broker's consent.
func subscribe(c *mqttlite.Conn, filter string) error {
	id, err := c.Subscribe(filter, 1)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(swarm.ReplyTimeout)
	for {
		p, err := c.Read(deadline)
		if err != nil {
			return fmt.Errorf("waiting for SUBACK: %w", err)
		}
		if p.Kind == mqtt.SubAck && p.ID == id {
			return nil
		}
	}
}

// receive returns when a subscriber has the whole image and its digest is right.
func (r *relay) receive(c *mqttlite.Conn) error {
	image := device.NewAssembly(sha256.Sum256(r.image), r.count())
	for !image.Complete() {
		p, err := c.Read(time.Time{})
		if err != nil {
			return err
		}
		if p.Kind != mqtt.Publish {
			continue
		}
		if err := image.Take(p.Payload); err != nil {
			return err
		}
	}
	return image.Verify()
}

// send publishes the image and returns when the broker has acknowledged all of it.
func (r *relay) send(ctx context.Context, c *mqttlite.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	slots := make(chan struct{}, int(r.window)*len(r.topics))
	var wait sync.WaitGroup
	wait.Go(func() {
		for range int(r.count()) * len(r.topics) {
			if _, err := c.Read(time.Time{}); err != nil {
				cancel(fmt.Errorf("publisher: %w", err))
				return
			}
			<-slots
		}
	})
	err := r.publish(ctx, c, slots)
	if err != nil {
		cancel(err)
	}
	wait.Wait()
	return context.Cause(ctx)
}

func (r *relay) publish(ctx context.Context, c *mqttlite.Conn, slots chan<- struct{}) error {
	digest := fleet.Digest(sha256.Sum256(r.image))
	var payload []byte
	for i := range r.count() {
		start := int64(i) * int64(r.chunk)
		data := r.image[start:min(start+int64(r.chunk), int64(len(r.image)))]
		payload = wire.AppendChunk(payload[:0], wire.Chunk{Image: digest.Image(), Index: i, Data: data})
		for _, name := range r.topics {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if _, err := c.Publish(name, 1, payload); err != nil {
				return err
			}
		}
	}
	return nil
}
