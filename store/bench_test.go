package store

import (
	"context"
	"fmt"
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
