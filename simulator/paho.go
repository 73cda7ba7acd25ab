package simulator

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire/mqtt"
)

// pahoQueue bounds what arrived and was not read yet: more than the largest window with
// all else that may come. A connection that overruns it is closed.
const pahoQueue = 512

var errOverrun = errors.New("the device does not keep up: its queue is full")

// pahoClient is the faithful client: eclipse/paho with its own goroutines behind the same
// methods as Conn. The model decides about reconnecting, so Paho never does.
type pahoClient struct {
	client paho.Client
	nc     net.Conn
	queue  chan mqtt.Packet
	wake   chan struct{}

	mu   sync.Mutex
	lost chan struct{} // closed when the connection ended; guarded by mu
	why  error         // guarded by mu
}

// dialPaho connects to broker and waits for CONNACK. A refusal is a *mqttlite.Refused.
func dialPaho(ctx context.Context, broker mqttlite.Broker, o mqtt.Client) (*pahoClient, error) {
	nc, err := broker.Dial(ctx)
	if err != nil {
		return nil, err
	}
	p := &pahoClient{nc: nc, queue: make(chan mqtt.Packet, pahoQueue), wake: make(chan struct{}, 1), lost: make(chan struct{})}
	options := paho.NewClientOptions().AddBroker("tcp://broker").SetProtocolVersion(4).
		SetClientID(o.ID).SetUsername(o.User).SetPassword(o.Password).SetCleanSession(true).
		SetKeepAlive(o.KeepAlive).SetPingTimeout(mqttlite.PingTimeout).SetConnectTimeout(mqttlite.ConnectTimeout).SetWriteTimeout(mqttlite.WriteTimeout).
		SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true).
		SetDefaultPublishHandler(p.arrived).
		SetConnectionLostHandler(func(_ paho.Client, err error) { p.end(err) }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return nc, nil })
	p.client = paho.NewClient(options)
	token, _ := p.client.Connect().(*paho.ConnectToken)
	select {
	case <-token.Done():
	case <-ctx.Done():
		_ = nc.Close()
		<-token.Done()
		return nil, context.Cause(ctx)
	}
	if err := token.Error(); err != nil {
		_ = nc.Close()
		if code := token.ReturnCode(); code > 0 && code <= 5 {
			return nil, &mqttlite.Refused{Code: code}
		}
		return nil, err
	}
	return p, nil
}

// arrived queues a message. It must not block: Paho's reader runs it.
func (p *pahoClient) arrived(_ paho.Client, m paho.Message) {
	p.put(mqtt.Packet{Kind: mqtt.Publish, ID: m.MessageID(), Topic: []byte(m.Topic()), Payload: m.Payload()})
}

func (p *pahoClient) put(packet mqtt.Packet) {
	select {
	case p.queue <- packet:
	default:
		p.end(errOverrun)
		_ = p.nc.Close()
	}
}

// end records why the connection is over; the first reason stays.
func (p *pahoClient) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil {
		p.why = err
		close(p.lost)
	}
}

func (p *pahoClient) Publish(topic string, qos byte, payload []byte) (uint16, error) {
	token, _ := p.client.Publish(topic, qos, false, payload).(*paho.PublishToken)
	if qos == 0 {
		select { // one that could not be sent at all is done at once
		case <-token.Done():
			return 0, token.Error()
		default:
			return 0, nil
		}
	}
	go func() {
		<-token.Done() // also when the connection ends
		if token.Error() == nil {
			p.put(mqtt.Packet{Kind: mqtt.PubAck, ID: token.MessageID()})
		}
	}()
	return token.MessageID(), nil
}

// Read hands over what came before the connection ended, then why it did.
func (p *pahoClient) Read(deadline time.Time) (mqtt.Packet, error) {
	select {
	case packet := <-p.queue:
		return packet, nil
	default:
	}
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case packet := <-p.queue:
		return packet, nil
	case <-expired:
		return mqtt.Packet{}, os.ErrDeadlineExceeded
	case <-p.wake:
		return mqtt.Packet{}, os.ErrDeadlineExceeded
	case <-p.lost:
	}
	select {
	case packet := <-p.queue:
		return packet, nil
	default:
		p.mu.Lock()
		defer p.mu.Unlock()
		return mqtt.Packet{}, p.why
	}
}

func (p *pahoClient) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pahoClient) Disconnect() error {
	const quiesce = 1000 // ms at most, to get the DISCONNECT out
	p.client.Disconnect(quiesce)
	p.end(net.ErrClosed)
	return nil
}

// Close cuts the connection; Paho then finds it lost and ends its goroutines.
func (p *pahoClient) Close() error {
	_ = mqttlite.Abort(p.nc)
	p.client.Disconnect(0)
	p.end(net.ErrClosed)
	return nil
}
