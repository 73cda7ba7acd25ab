package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// topic is the name of a reporter's messages.
const topic = "chaos"

// reporter is a device that sends numbered messages and notes which were acknowledged. It runs
// no firmware: it never says Hello.
type reporter struct {
	credential simulator.Credential
	links      *links

	acknowledging sync.Locker // see round

	mu    sync.Mutex
	acked []int // guarded by mu
	next  int   // guarded by mu
}

// run sends messages until ctx ends. A message without an answer is not sent again: nothing is
// known of it.
func (p *reporter) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := p.converse(ctx); err != nil {
			wait(ctx, 300*time.Millisecond)
		}
	}
}

func (p *reporter) converse(ctx context.Context) error {
	id := p.credential.ID.String()
	conn, err := mqttlite.Dial(ctx, mqttlite.Broker{Dialer: p.links.dial}, mqtt.Client{ID: id, User: id, Password: p.credential.Secret, KeepAlive: 30 * time.Second})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	name := wire.Topic{Speaker: p.credential.ID, Kind: wire.TopicMessage, Name: topic}.String()
	for ctx.Err() == nil {
		if err := p.say(conn, name); err != nil {
			return err
		}
		wait(ctx, 150*time.Millisecond)
	}
	return nil
}

// say sends the next message and waits until it is acknowledged.
func (p *reporter) say(conn *mqttlite.Conn, name string) error {
	p.acknowledging.Lock()
	defer p.acknowledging.Unlock()
	p.mu.Lock()
	n := p.next
	p.next++
	p.mu.Unlock()
	packet, err := conn.Publish(name, 1, fmt.Append(nil, n))
	if err != nil {
		return err
	}
	for {
		got, err := conn.Read(time.Now().Add(20 * time.Second))
		if err != nil {
			return err
		}
		if got.Kind == mqtt.PubAck && got.ID == packet {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked = append(p.acked, n)
	return nil
}

func (p *reporter) acknowledged() (id fleet.DeviceID, numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.credential.ID, append(numbers, p.acked...)
}

// wait waits for d or the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
