package cable

import (
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// TestBadLinksEndAfterTheirBudget sends bytes over links with a budget of one byte to ten.
func TestBadLinksEndAfterTheirBudget(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l := NewLinks(rand.New(rand.NewPCG(1, 2)), listener.Addr().String())
	for budget := int64(0); budget <= 10; budget++ {
		l.Spoil(budget)
		device, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		left := device.(*link).left.Load()
		n, err := device.Write(make([]byte, 10))
		switch {
		case budget == 0 && (n != 10 || err != nil):
			t.Errorf("a good link took %d of 10 bytes, %v", n, err)
		case budget > 0 && (left < 1 || left > budget || int64(n) != left || err == nil && left < 10):
			t.Errorf("a link with %d bytes left took %d of 10, %v", left, n, err)
		}
		_ = device.Close()
		if got, _ := io.ReadAll(server); int64(len(got)) > int64(n) {
			t.Errorf("%d bytes arrived, %d were sent", len(got), n)
		}
		_ = server.Close()
	}
}
