package simulator

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// BenchmarkLightDevice reports what one idle, greeted device on the light client takes in
// memory, heap and stack, over real sockets. The other side's net.Conn is counted too.
func BenchmarkLightDevice(b *testing.B) {
	const devices = 2000
	for b.Loop() {
		listener := greeter(b)
		config := Config{
			Client: Light, Devices: credentials(devices), Broker: mqttlite.Broker{Scheme: "tcp", Host: listener.Addr().String()},
			Every: 20 * time.Millisecond, Done: func(f *Fleet) bool { return f.Snapshot().Online == devices },
		}
		before := inUse()
		f, err := New(config)
		if err != nil {
			b.Fatal(err)
		}
		var heap, stack uint64
		done := config.Done
		f.config.Done = func(f *Fleet) bool {
			if !done(f) {
				return false
			}
			after := inUse()
			heap, stack = (after.HeapAlloc-before.HeapAlloc)/devices, (after.StackInuse-before.StackInuse)/devices
			return true
		}
		f.Run(context.Background())
		_ = listener.Close()
		b.ReportMetric(float64(heap+stack), "B/device")
		b.ReportMetric(float64(stack), "stack-B/device")
	}
}

func inUse() (m runtime.MemStats) {
	runtime.GC()
	for range 5 { // stacks shrink by half each time, pools empty
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}

// greeter accepts devices, one after the other, without a goroutine or a buffer each.
func greeter(b *testing.B) net.Listener {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		var kept []net.Conn
		defer func() {
			for _, c := range kept {
				_ = c.Close()
			}
		}()
		buf := make([]byte, 1024)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			kept = append(kept, c)
			n, _ := c.Read(buf) // CONNECT
			id := fields(buf[12:n])[0]
			_, _ = c.Write([]byte{mqtt.ConnAck.Head(0), 2, 0, 0})
			_, _ = c.Read(buf) // Hello
			w := wire.Welcome{Time: time.Now()}.Encode()
			_, _ = c.Write(mqtt.AppendPublish(nil, mqtt.V311, "d/"+id+"/down/welcome", 0, 0, w))
		}
	}()
	return listener
}
