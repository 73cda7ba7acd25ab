// Package device is the devices whose answers chaos judges one by one.
package device

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// topic is the name of a reporter's messages.
const topic = "chaos"

// IsAlert reports whether a Reporter sends a number as the type of an alert, and not as a message.
func IsAlert(n int) bool { return n%4 == 1 }

// Reporter is a device that sends numbered messages and alerts, and notes which were acknowledged. It runs
// no firmware: it never says Hello.
type Reporter struct {
	Credential    simulator.Credential
	Dial          func(context.Context) (net.Conn, error)
	Acknowledging sync.Locker // is held while it waits for an acknowledgement

	mu    sync.Mutex
	acked []int // guarded by mu
	next  int   // guarded by mu
}

// Run sends messages until ctx ends. A message without an answer is not sent again: nothing is
// known of it.
func (p *Reporter) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := p.converse(ctx); err != nil {
			_ = process.Pause(ctx, 300*time.Millisecond) // ctx ends the loop
		}
	}
}

func (p *Reporter) converse(ctx context.Context) error {
	id := p.Credential.ID.String()
	conn, err := mqttlite.Dial(ctx, mqttlite.Broker{Dialer: p.Dial}, mqtt.Client{ID: id, User: id, Password: p.Credential.Secret, KeepAlive: 30 * time.Second})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	for ctx.Err() == nil {
		if err := p.say(conn); err != nil {
			return err
		}
		_ = process.Pause(ctx, 150*time.Millisecond) // likewise
	}
	return nil
}

// say sends the next message or alert and waits until it is acknowledged.
func (p *Reporter) say(conn *mqttlite.Conn) error {
	p.Acknowledging.Lock()
	defer p.Acknowledging.Unlock()
	p.mu.Lock()
	n := p.next
	p.next++
	p.mu.Unlock()
	to, payload := wire.Topic{Speaker: p.Credential.ID, Kind: wire.TopicMessage, Name: topic}, fmt.Append(nil, n)
	if IsAlert(n) {
		to, payload = wire.Topic{Speaker: p.Credential.ID, Kind: wire.TopicAlert}, wire.Alert{Type: uint64(n)}.Encode()
	}
	packet, err := conn.Publish(to.String(), 1, payload)
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
	p.Note(n)
	return nil
}

// Note notes that a message or an alert was acknowledged.
func (p *Reporter) Note(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked = append(p.acked, n)
}

// Acknowledged returns the numbers of messages and alerts that were.
func (p *Reporter) Acknowledged() (id fleet.DeviceID, numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Credential.ID, append(numbers, p.acked...)
}
