package device

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire/mqtt"
)

// Await reads until a message for the device comes whose topic has kind after "down/".
func Await(c *mqttlite.Conn, id, kind string) error {
	_, err := receive(c, "d/"+id+"/down/"+kind, time.Now().Add(swarm.ReplyTimeout))
	return err
}

// receive reads until a message comes whose topic begins with topic. The payload is valid until the next read.
func receive(c *mqttlite.Conn, topic string, deadline time.Time) (payload []byte, err error) {
	for {
		p, err := c.Read(deadline)
		if err != nil {
			return nil, fmt.Errorf("waiting for %s: %w", topic, err)
		}
		if p.Kind == mqtt.Publish && strings.HasPrefix(string(p.Topic), topic) {
			return p.Payload, nil
		}
	}
}

// AwaitEnd reads until the server ends the connection.
func AwaitEnd(c *mqttlite.Conn) error {
	var err error
	for deadline := time.Now().Add(swarm.ReplyTimeout); err == nil; {
		_, err = c.Read(deadline)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("waiting for the end of the connection: %w", err)
	}
	return nil
}
