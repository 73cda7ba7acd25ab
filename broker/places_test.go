package broker

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/wire/mqtt"
)

// named is a connection from an address.
type named struct {
	net.Conn
	from string
}

func (n named) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(n.from), Port: 1} }

func TestTheOldestSilentConnectionLosesItsPlace(t *testing.T) {
	const here, there = "192.0.2.1", "198.51.100.1"
	type held struct {
		from string
		at   stage
	}
	for _, row := range []struct {
		name        string
		most, share int
		held        []held // oldest first
		young       bool   // all within the grace
		from        string
		loses       int // -1: none
		taken       bool
	}{
		{"there is a place", 4, 4, []held{{here, silent}}, false, here, -1, true},
		{"its share is used up", 9, 2, []held{{there, silent}, {here, silent}, {here, silent}}, false, here, 1, true},
		{"another's share is used up", 9, 2, []held{{here, silent}, {here, silent}}, false, there, -1, true},
		{"all are taken", 2, 2, []held{{here, silent}, {there, silent}}, false, "203.0.113.1", 0, true},
		{"silent ones go first", 9, 2, []held{{here, speaking}, {here, silent}}, false, here, 1, true},
		{"then half a CONNECT", 9, 2, []held{{here, claiming}, {here, speaking}}, false, here, 1, true},
		{"who is being admitted stays", 9, 2, []held{{here, claiming}, {here, claiming}}, false, here, -1, false},
		{"who has just come stays", 9, 2, []held{{here, silent}, {here, silent}}, true, here, -1, false},
		{"one IPv6 /64 is one network", 9, 2, []held{{"2001:db8::1", silent}, {"2001:db8::2", silent}}, false, "2001:db8::3", 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlaces(row.most, row.share)
				conns := []net.Conn{}
				for _, h := range row.held {
					c := &place{conn: &named{from: h.from}, address: h.from}
					p.take(c)
					p.reach(c, h.at)
					conns = append(conns, c.conn)
				}
				if !row.young {
					<-time.After(grace)
				}
				v := p.take(&place{conn: &named{}, address: row.from})
				if v.taken != row.taken {
					t.Errorf("taken %t, want %t", v.taken, row.taken)
				}
				for i, conn := range conns {
					if (v.lost.conn == conn) != (i == row.loses) {
						t.Errorf("connection %d lost its place: %t, want %t", i, v.lost.conn == conn, i == row.loses)
					}
				}
			})
		})
	}
}

// A peer that only opens connections takes no room from devices at other addresses.
func TestSilentSocketsFromOneAddressKeepNobodyOut(t *testing.T) {
	cloud := newCloud()
	b, addr := listening(t, Config{FirstByteTimeout: time.Minute, ConnectTimeout: time.Minute}, cloud)
	for range 2000 {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	elsewhere := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for i := range 20 {
		conn, err := elsewhere.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		newClient(t, conn, mqtt.V311).join(fmt.Sprintf("d%d", i)) // before any of the silent ones times out
	}
	if n := b.Stats().Pending; n > 300 { // 256, and those that are ending
		t.Errorf("%d connections are not admitted, want about 256", n)
	}
	dial(t, addr, mqtt.V311).join("neighbour") // from the address of the silent ones
}

func TestAllPlacesTakenByAdmissionsMakeTheNextOneWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := newCloud()
		hold := make(chan struct{})
		cloud.admit = func(Connect) error { <-hold; return nil }
		b := start(t, Config{MaxPending: 2, MaxPendingPer: 2}, cloud)
		one := func(id, from string) <-chan byte {
			near, far := net.Pipe()
			go b.Attach(named{far, from})
			code := make(chan byte, 1)
			c := newClient(t, near, mqtt.V311)
			go func() { code <- c.connect(hello{id: id, user: id, password: "proof"}).body[1] }()
			synctest.Wait()
			return code
		}
		codes := []<-chan byte{one("d1", "192.0.2.1"), one("d2", "192.0.2.1"), one("d3", "192.0.2.3")}
		if n := b.Stats().Pending; n != 2 {
			t.Errorf("%d pending, want 2", n)
		}
		close(hold)
		for i, code := range codes {
			if got := <-code; got != 0 {
				t.Errorf("d%d: CONNACK %d, want 0", i+1, got)
			}
		}
	})
}
