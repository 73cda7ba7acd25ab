package cloud_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// refusal is the return code a device gets over MQTT 3.1.1, 0 when it is let in.
func (w *world) refusal(b mqttlite.Broker, c simulator.Credential) byte {
	w.Helper()
	conn, err := mqttlite.Dial(w.Context(), b, mqtt.Client{ID: string(c.ID), User: string(c.ID), Password: c.Secret})
	var refused *mqttlite.Refused
	switch {
	case errors.As(err, &refused):
		return refused.Code
	case err != nil:
		w.Fatal(err)
	}
	_ = conn.Close()
	return 0
}

// reason is the reason code a device gets over MQTT 5, 0 when it is let in.
func (w *world) reason(b mqttlite.Broker, c simulator.Credential) byte {
	w.Helper()
	conn := cloudtest.Must[net.Conn](w)(b.Dial(w.Context()))
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(cloudtest.Patience))
	_, err := conn.Write(connect5(c))
	if err != nil {
		w.Fatal(err)
	}
	answer := make([]byte, 4) // fixed header, flags, reason
	if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 2<<4 {
		w.Fatalf("got %x, %v, want CONNACK", answer, err)
	}
	return answer[3]
}

// connect5 is the CONNECT of an MQTT 5 client (§3.1).
func connect5(c simulator.Credential) []byte {
	const userPasswordClean = 0xC2
	body := append(text("MQTT"), 5, userPasswordClean, 0, 60, 0)
	body = append(body, text(string(c.ID))...)
	body = append(body, text(string(c.ID))...)
	body = append(body, text(c.Secret)...)
	return append([]byte{1 << 4, byte(len(body))}, body...)
}

func text(s string) []byte { return append([]byte{byte(len(s) >> 8), byte(len(s))}, s...) }

func TestRefusalsGiveNoReason(t *testing.T) {
	t.Parallel()
	w := serve(t)
	known := w.Enroll("a", "off")
	w.EditDevice("off", api.DeviceUpdate{Disabled: new(true)})
	for name, row := range map[string]struct {
		claim        simulator.Credential
		code, reason byte // MQTT 3.1.1 §3.2.2.3, MQTT 5 §3.2.2.2
	}{
		"right secret":                {known[0], 0, 0},
		"wrong secret":                {simulator.Credential{ID: "a", Secret: "wrong"}, 5, 0x87},
		"unknown device":              {simulator.Credential{ID: "nobody", Secret: known[0].Secret}, 5, 0x87},
		"disabled, with its secret":   {known[1], 5, 0x8A},
		"disabled, with a wrong one":  {simulator.Credential{ID: "off", Secret: "wrong"}, 5, 0x87},
		"another device's secret":     {simulator.Credential{ID: "off", Secret: known[0].Secret}, 5, 0x87},
		"an id with another's letter": {simulator.Credential{ID: "A", Secret: known[0].Secret}, 5, 0x87},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.refusal(w.Broker(), row.claim); got != row.code {
				t.Errorf("MQTT 3.1.1: got %d, want %d", got, row.code)
			}
			if got := w.reason(w.Broker(), row.claim); got != row.reason {
				t.Errorf("MQTT 5: got 0x%02x, want 0x%02x", got, row.reason)
			}
		})
	}
}

// A failed proof of anybody must not lock a device out (docs/protocol.md#refusals).
func TestGuessingIsThrottledAndNeverRefusesTheRightSecret(t *testing.T) {
	t.Parallel()
	w := serve(t)
	known := w.Enroll("a", "b")
	guesses := 0
	for w.Metric(`muster_admission_refused_total{reason="throttled"}`) == 0 {
		if guesses++; guesses > 100 {
			t.Fatal("a hundred guesses were looked at")
		}
		if code := w.refusal(cloudtest.From(w.Broker(), 2), simulator.Credential{ID: "a", Secret: "guess"}); code != 5 {
			t.Fatalf("guess %d: got code %d", guesses, code)
		}
	}
	if code := w.refusal(w.Broker(), known[0]); code != 0 {
		t.Errorf("the right secret while guesses are throttled: got code %d, want 0", code)
	}
	if code := w.refusal(w.Broker(), known[1]); code != 0 {
		t.Errorf("another device: got code %d", code)
	}
}

func TestDisabledDeviceIsCutOffAndComesBackWhenEnabled(t *testing.T) {
	t.Parallel()
	w := serve(t)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a")})
	cloudtest.WaitOnline(t, f)
	w.EditDevice("a", api.DeviceUpdate{Disabled: new(true)})
	cloudtest.Until(t, "it is cut off and refused", func() bool {
		return !w.Online("a") && w.Metric(`muster_admission_refused_total{reason="disabled"}`) > 0
	})
	w.EditDevice("a", api.DeviceUpdate{Disabled: new(false)})
	cloudtest.WaitOnline(t, f)
}

func TestDeletedDeviceAndRotatedSecretAreCutOff(t *testing.T) {
	t.Parallel()
	w := serve(t)
	known := w.Enroll("a", "b")
	a, b := w.Dial(known[0]), w.Dial(known[1])
	a.Hello(1)
	b.Hello(1)
	if err := w.DeleteDevice(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	fresh := cloudtest.Must[api.Secret](t)(w.RotateSecret(t.Context(), "b"))
	a.WaitClosed()
	b.WaitClosed()
	if code := w.refusal(w.Broker(), known[0]); code != 5 {
		t.Errorf("deleted: got code %d", code)
	}
	if code := w.refusal(w.Broker(), known[1]); code != 5 {
		t.Errorf("old secret: got code %d", code)
	}
	if code := w.refusal(w.Broker(), simulator.Credential{ID: "b", Secret: fresh.Secret}); code != 0 {
		t.Errorf("new secret: got code %d", code)
	}
}

func TestHelloBurstIsBounded(t *testing.T) {
	t.Parallel()
	w := serve(t)
	d := w.Dial(w.Enroll("a")[0])
	for range 2 * wire.HelloBurst {
		d.Send(wire.TopicHello, 0, wire.NewHello(cloudtest.Whole(1).Version).Encode())
	}
	welcomes := 0
	d.WaitAck(d.Send(wire.TopicMessage, 1, nil), func(h cloudtest.Message) {
		if h.Topic.Kind == wire.TopicWelcome {
			welcomes++
		}
	})
	if welcomes != wire.HelloBurst {
		t.Errorf("got %d Welcomes to %d Hellos, want %d", welcomes, 2*wire.HelloBurst, wire.HelloBurst)
	}
}
