package broker

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestDrainEndsConnectionsAtItsPace(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		const devices = 8
		ended := make(chan fleet.DeviceID, devices)
		cloud.gone = func(s *session) { ended <- s.ID() }
		for n := range devices {
			c := pipe(t, b, version)
			id := fmt.Sprint("d", n)
			c.connect(hello{id: id, user: id, password: "proof", flags: 0x04, willTopic: "d/" + id + "/up/msg", willPayload: "gone"})
			go c.expectFarewell("drained", codeUseAnother)
		}
		synctest.Wait()
		downloads := map[fleet.DeviceID]bool{fleet.DeviceID("d0").In(1): true, fleet.DeviceID("d5").In(1): true}
		var room atomic.Bool
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			b.Drain(t.Context(), Draining{
				Last: func(id fleet.DeviceID) bool { return downloads[id] },
				Pace: func(int) float64 {
					if !room.Load() {
						return 0
					}
					return 1
				},
			})
		}()
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		late := pipe(t, b, version)
		_ = late.conn.SetReadDeadline(time.Now().Add(time.Second)) // a pipe takes one
		late.expectEnd("while it drains")
		if _, err := b.ListenTCP("127.0.0.1:0"); err == nil {
			t.Error("it listens while it drains")
		}
		answer := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, "/mqtt", http.NoBody)
		request.Header.Set("Sec-WebSocket-Protocol", mqtt.Subprotocol)
		if b.WebSocket().ServeHTTP(answer, request); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("a WebSocket got %d", answer.Code)
		}
		if len(ended) != 0 {
			t.Fatalf("%d connections ended although the other servers have no room", len(ended))
		}
		room.Store(true)
		began := time.Now()
		for n := range devices {
			id := <-ended
			if at := time.Since(began); at < time.Duration(n)*time.Second || at > time.Duration(n+2)*time.Second {
				t.Errorf("connection %d ended after %v", n, at)
			}
			if last := n >= devices-len(downloads); downloads[id] != last {
				t.Errorf("%s was the %d. to end", id, n+1)
			}
		}
		<-drained
		cloud.nothingHeard(t) // the will of a device that is well
		if got := b.Stats().Ended[codeUseAnother]; got != devices {
			t.Errorf("%d connections ended with 0x9C", got)
		}
	})
}

func TestADrainMayBeCutShort(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, _ *cloud, version byte) {
		c := pipe(t, b, version).join("d1")
		ctx, cancel := context.WithCancel(t.Context())
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			b.Drain(ctx, Draining{Last: func(fleet.DeviceID) bool { return false }, Pace: func(int) float64 { return 0 }})
		}()
		synctest.Wait()
		c.ping()
		cancel()
		<-drained
		synctest.Wait() // the answer to the ping is over: in the middle of a packet there is no farewell
		down := make(chan error, 1)
		go func() { down <- b.Shutdown(t.Context()) }()
		c.expectFarewell("stopped", codeShuttingDown)
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}
