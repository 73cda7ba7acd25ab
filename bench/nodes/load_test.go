package nodes

import (
	"testing"
	"time"
)

func TestUsageIsForEachWithoutWhatIdleServersUse(t *testing.T) {
	before := usage{servers: time.Second, redis: time.Second, reads: 1, writes: 2, operations: 3, calls: 4, in: 5, out: 6}
	after := usage{servers: 5 * time.Second, redis: 3 * time.Second, reads: 11, writes: 32, operations: 53, calls: 74, in: 95, out: 116}
	idle := usage{servers: time.Second, redis: 500 * time.Millisecond, reads: 1, writes: 2, operations: 3, calls: 4, in: 5, out: 6} // each second
	got := after.beyond(before, idle, 2*time.Second).each(2)
	want := usage{servers: time.Second, redis: 500 * time.Millisecond, reads: 4, writes: 13, operations: 22, calls: 31, in: 40, out: 49}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
