package store

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

const benchDevices = 5000

func benchStore(b *testing.B) (*Store, []*fleet.Device) {
	b.Helper()
	s := openServed(b, b.TempDir())
	devices := make([]*fleet.Device, benchDevices)
	for i := range devices {
		d := newDevice(fleet.DeviceID(fmt.Sprintf("nrf-3525%010d", i)))
		d.Groups, d.Secret, d.Running = []fleet.GroupID{1, 2}, fleet.Secret{1}, version("1.4.0")
		d.Update = fleet.Update{ID: fleet.NewUpdateID(), To: version("1.4.0"), State: fleet.Confirmed, Size: 1 << 20, Changed: at(1), Started: at(0)}
		d.LastHandshake, d.LastHeard, d.Address, d.Hardware = at(1), at(1), "192.0.2.7", "rev2"
		devices[i] = d
	}
	for _, err := range s.Devices.CreateMany(context.Background(), devices) {
		must(b, err)
	}
	b.ResetTimer()
	return s, devices
}

// share runs b.N calls of work by callers goroutines; each has devices of its own.
func share(b *testing.B, callers int, work func(i int) error) {
	b.Helper()
	var next atomic.Int64
	done := make(chan error, callers)
	for caller := range callers {
		go func() {
			for i := caller; next.Add(1) <= int64(b.N); i = (i + callers) % (benchDevices / callers * callers) {
				if err := work(i); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		must(b, <-done)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkAdmission(b *testing.B) {
	for _, callers := range []int{64, 1024} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s, devices := benchStore(b)
			share(b, callers, func(i int) error {
				_, err := s.Devices.Device(context.Background(), devices[i].ID)
				return err
			})
		})
	}
}

func BenchmarkSave(b *testing.B) {
	for _, callers := range []int{1, 64, 1024} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s, devices := benchStore(b)
			share(b, callers, func(i int) error {
				_, err := s.Devices.Save(context.Background(), devices[i])
				return err
			})
			b.ReportMetric(float64(s.Stats().Writes)/float64(s.Stats().WriteTrips), "writes/trip")
		})
	}
}

func BenchmarkHandshake(b *testing.B) {
	for _, callers := range []int{64, 1024} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s, devices := benchStore(b)
			share(b, callers, func(i int) error {
				d, err := s.Devices.Device(context.Background(), devices[i].ID)
				if err != nil {
					return err
				}
				_, err = s.Devices.Save(context.Background(), &d)
				return err
			})
		})
	}
}

// BenchmarkFind1M also reports what the index takes per device, names and ids included.
func BenchmarkFind1M(b *testing.B) {
	const devices = 1_000_000
	x := newIndex(&core{})
	before := heap()
	for i := range devices {
		d := newDevice(fleet.DeviceID(fmt.Sprintf("nrf-3525%010d", i*7919%devices)))
		d.Revision, d.Groups, d.Running = 1, []fleet.GroupID{fleet.GroupID(i % 7)}, version(fmt.Sprint(i%5))
		x.put(d)
	}
	close(x.built)
	perDevice := float64(heap()-before) / devices
	admin := fleet.Actor{Team: 1, Role: fleet.Admin}
	for _, row := range []struct {
		name string
		q    fleet.DeviceQuery
	}{
		{"by id", fleet.DeviceQuery{Actor: admin}},
		{"by version", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByVersion}},
		{"page 200", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByName, Skip: MaxSkip, Limit: 50}},
		{"seen by an editor", fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Editor, Groups: []fleet.GroupID{3}}}},
		{"part of the name", fleet.DeviceQuery{Actor: admin, NamePart: "77"}},
	} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Find(row.q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(perDevice, "B/device")
		})
	}
}

// heap is the size of what is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
