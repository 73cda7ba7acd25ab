package broker

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/wire/mqtt"
)

func (c *cloud) expectJournal(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.journal, want) {
		t.Errorf("got %q, want %q", c.journal, want)
	}
}

func TestNewerConnectionBeginsWhenTheOlderIsGone(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		older := pipe(t, b, version).join("d1")
		synctest.Wait()
		newer := pipe(t, b, version)
		go newer.send(connectPacket(version, hello{id: "d1", user: "d1", password: "proof"}))
		older.expectFarewell("taken over", codeTakenOver) // and never a DISCONNECT to 3.1.1
		if ack := newer.next(); ack.head != mqtt.ConnAck.Head(0) || ack.body[1] != 0 {
			t.Errorf("CONNACK % x", ack.body)
		}
		cloud.expectJournal(t, "admit d1#1", "begin d1#1", "admit d1#2", "gone d1#1", "begin d1#2")
		newer.ping()
		if n := b.Stats().Takeovers; n != 1 {
			t.Errorf("%d takeovers counted, want 1", n)
		}
	})
}

func TestTakeoverDoesNotWaitForAHalfDeadConnection(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		pipe(t, b, version).join("d1") // never reads again
		s := <-cloud.came
		s.link().Chunks(topicOf(t, "d/d1/down/chunk")).Send(newImage(64, 4096), 0, 64)
		synctest.Wait()
		for i := range 20 {
			_ = s.link().Send(topicOf(t, fmt.Sprintf("d/d1/down/cmd/%d", i)), make([]byte, 100))
		}
		begun := time.Now()
		pipe(t, b, version).join("d1")
		if took := time.Since(begun); took > time.Second {
			t.Errorf("CONNACK after %v, want at most 1s", took)
		}
	})
}

func TestAWaitingConnectionGivesWayToAStillNewerOne(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		hold := make(chan struct{})
		cloud.gone = func(s *session) {
			if s.number == 1 {
				<-hold
			}
		}
		connect := connectPacket(version, hello{id: "d1", user: "d1", password: "proof"})
		first := pipe(t, b, version).join("d1")
		go first.drain()
		second := pipe(t, b, version)
		second.send(connect)
		synctest.Wait()
		third := pipe(t, b, version)
		third.send(connect)
		go second.drain()
		synctest.Wait()
		cloud.expectJournal(t, "admit d1#1", "begin d1#1", "admit d1#2", "admit d1#3", "gone d1#2")
		close(hold)
		if ack := third.next(); ack.head != mqtt.ConnAck.Head(0) || ack.body[1] != 0 {
			t.Errorf("third: CONNACK %#x", ack.body)
		}
		cloud.expectJournal(t, "admit d1#1", "begin d1#1", "admit d1#2", "admit d1#3", "gone d1#2", "gone d1#1", "begin d1#3")
	})
}

func TestOlderConnectionThatDoesNotEndMakesTheNewerTryAgain(t *testing.T) {
	bubble(t, Config{TakeoverTimeout: 7 * time.Second}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		hold := make(chan struct{})
		cloud.receive = func(*session, note) error { <-hold; return nil }
		older := pipe(t, b, version).join("d1")
		older.send(publishPacket(version, 1, 1, "d/d1/up/msg", nil))
		go older.drain()
		synctest.Wait() // until Receive has it
		newer := pipe(t, b, version)
		begun := time.Now()
		want := map[byte]byte{mqtt.V311: 3, mqtt.V5: 0x89}[version]
		if ack := newer.connect(hello{id: "d1", user: "d1", password: "proof"}); ack.body[1] != want {
			t.Errorf("CONNACK %#x, want %#x", ack.body[1], want)
		}
		if took := time.Since(begun); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("refused after %v, want 7s", took)
		}
		newer.expectEnd("refused")
		_ = newer.conn.Close()
		synctest.Wait()
		close(hold)
		cloud.expectJournal(t, "admit d1#1", "begin d1#1", "admit d1#2", "gone d1#2", "gone d1#1")
		pipe(t, b, version).join("d1")
	})
}

// TestSimultaneousConnectionsOfOneDevice is a race that is easily lost: both
// stay open, or the newer is deleted by the older's end.
func TestSimultaneousConnectionsOfOneDevice(t *testing.T) {
	both(t, func(t *testing.T, version byte) {
		cloud := newCloud()
		cloud.gone = func(*session) { time.Sleep(time.Millisecond) } //nolint:forbidigo // widens the race, as a store would; no outcome waits for it
		b, addr := listening(t, Config{}, cloud)
		connect := connectPacket(version, hello{id: "d1", user: "d1", password: "proof", keepAlive: 60})
		for range 60 {
			var tries sync.WaitGroup
			for range 3 {
				tries.Go(func() {
					conn, err := net.Dial("tcp", addr.String())
					if err != nil {
						t.Error(err)
						return
					}
					t.Cleanup(func() { _ = conn.Close() })
					_, _ = conn.Write(connect)
					_, _ = conn.Read(make([]byte, 1)) // CONNACK or the end
				})
			}
			tries.Wait()
			last := dial(t, addr, version).join("d1")
			last.ping()
			if n := b.Stats().Connections; n != 1 {
				t.Fatalf("%d connections, want 1", n)
			}
		}
		cloud.mu.Lock()
		defer cloud.mu.Unlock()
		begun := ""
		for _, line := range cloud.journal {
			verb, who, _ := strings.Cut(line, " ")
			switch {
			case verb == "begin" && begun != "":
				t.Fatalf("%s began before %s was gone", who, begun)
			case verb == "begin":
				begun = who
			case verb == "gone" && who == begun:
				begun = ""
			}
		}
	})
}

func TestSessionIsGoneOnceWhenConnackCanNotBeWritten(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		c := pipe(t, b, version)
		cloud.begin = func(*session) { _ = c.conn.Close() }
		c.send(connectPacket(version, hello{id: "d1", user: "d1", password: "proof"}))
		<-(<-cloud.came).ended
		cloud.expectJournal(t, "admit d1#1", "begin d1#1", "gone d1#1")
		cloud.begin = nil
		pipe(t, b, version).join("d1")
	})
}
