package slots

import (
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestSlotsAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{ // CLUSTER KEYSLOT of redis-server 7.0.15
		"123456789":     12739,
		"d:{1}":         9842,
		"{1}":           9842,
		"id:{store}":    7858,
		"foo{}{bar}":    8363,
		"foo{{bar}}zap": 4015,
		"":              0,
	} {
		if got := Of(key); got != want {
			t.Errorf("%q: got slot %d, want %d", key, got, want)
		}
	}
}

func TestTheMapNamesAddressesThatCanBeReached(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ addr, origin, want string }{
		"as stated":                     {"10.0.0.2:7001", "10.0.0.1:7000", "10.0.0.2:7001"},
		"a name":                        {"b.example:7001", "a.example:7000", "b.example:7001"},
		"no host":                       {":7000", "10.0.0.1:7000", "10.0.0.1:7000"},
		"an unknown host":               {"?:7000", "10.0.0.1:7000", "10.0.0.1:7000"},
		"only TLS":                      {"10.0.0.2:0", "10.0.0.1:7000", "10.0.0.2:7000"},
		"a loopback address, forwarded": {"127.0.0.1:7001", "redis.example:7000", "redis.example:7001"},
		"a loopback address":            {"127.0.0.1:7001", "127.0.0.1:7000", "127.0.0.1:7001"},
		"IPv6":                          {"[fd00::2]:7001", "[fd00::1]:7000", "[fd00::2]:7001"},
	} {
		if got := reachable(row.addr, row.origin); got != row.want {
			t.Errorf("%s: got %s, want %s", name, got, row.want)
		}
	}
}

func TestEverySlotHasTheMasterOfItsRange(t *testing.T) {
	t.Parallel()
	node := func(addrs ...string) (nodes []redis.ClusterNode) {
		for _, addr := range addrs {
			nodes = append(nodes, redis.ClusterNode{Addr: addr})
		}
		return nodes
	}
	m := newMap([]redis.ClusterSlot{
		{Start: 100, End: 200, Nodes: node("b:1", "c:1")},
		{Start: 0, End: 99, Nodes: node("a:1")},
		{Start: 16000, End: 16383, Nodes: node("b:1", "c:1")},
	}, "a:1")
	if !slices.Equal(m.Masters, []string{"a:1", "b:1"}) || !slices.Equal(m.nodes, []string{"a:1", "b:1", "c:1"}) {
		t.Errorf("got masters %v of nodes %v", m.Masters, m.nodes)
	}
	for slot, want := range map[int]int{0: 0, 99: 0, 100: 1, 200: 1, 201: -1, 15999: -1, 16383: 1} {
		if got := m.Owner(slot); got != want {
			t.Errorf("slot %d: got master %d, want %d", slot, got, want)
		}
	}
	if !m.Same(m) || m.Same(nil) || m.Same(newMap(nil, "a:1")) {
		t.Error("maps are compared wrongly")
	}
}
