package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const benchDevices = 5000

func benchStore(b *testing.B) (*Store, []*fleet.Device) {
	b.Helper()
	return filled(b, openServed(b, b.TempDir()))
}

func filled(b *testing.B, s *Store) (*Store, []*fleet.Device) {
	b.Helper()
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

// inScripts returns how many µs s's Redis has spent in scripts.
func inScripts(b *testing.B, s *Store) (us float64) {
	b.Helper()
	stats := got[string](b)(s.core.Masters()[0].Info(context.Background(), "commandstats").Result())
	_, stats, _ = strings.Cut(stats, "cmdstat_evalsha:calls=")
	_, stats, _ = strings.Cut(stats, "usec=")
	stats, _, _ = strings.Cut(stats, ",")
	us, _ = strconv.ParseFloat(stats, 64)
	return us
}

func BenchmarkSave(b *testing.B) {
	for _, callers := range []int{1, 64, 1024} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s, devices := benchStore(b)
			before := inScripts(b, s)
			defer func() { b.ReportMetric((inScripts(b, s)-before)/float64(b.N), "redis-µs/op") }()
			share(b, callers, func(i int) error {
				_, err := s.Devices.Save(context.Background(), devices[i])
				return err
			})
			b.ReportMetric(float64(s.Stats().Writes)/float64(s.Stats().WriteTrips), "writes/trip")
		})
	}
}

// BenchmarkJoinedSave measures saves of a store whose writes another one follows.
func BenchmarkJoinedSave(b *testing.B) {
	one, other, _ := joinTwo(b, 0)
	s, devices := filled(b, one)
	_, _, product := newTeam(b, s)
	for _, d := range devices {
		d.Product = product.ID
	}
	b.ResetTimer()
	before := inScripts(b, s)
	share(b, 64, func(i int) error {
		_, err := s.Devices.Save(context.Background(), devices[i])
		return err
	})
	b.StopTimer()
	b.ReportMetric((inScripts(b, s)-before)/float64(b.N), "redis-µs/op")
	becomesEqual(b, s, other)
}

// BenchmarkFollow measures how long after a save was answered another store has it, at 1,000 saves per
// second.
func BenchmarkFollow(b *testing.B) {
	one, other, _ := joinTwo(b, 0)
	s, devices := filled(b, one)
	becomesEqual(b, s, other)
	type change struct {
		id   fleet.DeviceID
		name string
		at   time.Time
	}
	changes := make(chan change, benchDevices)
	lags := make([]time.Duration, 0, b.N)
	var watching sync.WaitGroup
	watching.Go(func() {
		for c := range changes {
			for {
				if e, err := other.Index.Entry(c.id); err == nil && e.Name == c.name {
					break
				}
				<-time.After(time.Millisecond)
			}
			lags = append(lags, time.Since(c.at))
		}
	})
	b.ResetTimer()
	tick := time.NewTicker(time.Millisecond)
	for i := range b.N {
		<-tick.C
		d := devices[i%benchDevices]
		d.Name = fmt.Sprint("name ", i)
		got[uint64](b)(s.Devices.Save(context.Background(), d))
		changes <- change{d.ID, d.Name, time.Now()}
	}
	close(changes)
	watching.Wait()
	slices.Sort(lags)
	b.ReportMetric(float64(lags[len(lags)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(lags[len(lags)*99/100].Milliseconds()), "p99-ms")
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
