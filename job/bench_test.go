package job

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/otatest"
)

// BenchmarkGroupsOf100000 is a job that adds 100,000 devices to a group, with nobody watching
// (docs/benchmarks.md#jobs). Run it with -benchtime 1x.
func BenchmarkGroupsOf100000(b *testing.B) {
	const devices = 100_000
	w := newWorld(b)
	for from := 0; from < devices; from += 1000 {
		all := make([]*fleet.Device, 1000)
		for i := range all {
			all[i] = &fleet.Device{ID: fleet.DeviceID(fmt.Sprintf("d-%06d", from+i)), Team: team, Product: product, Running: otatest.Version("1"), UpdatesOn: true, Groups: []fleet.GroupID{old}, Secret: fleet.Secret{1}}
		}
		for _, err := range w.Store.Devices.CreateMany(b.Context(), all) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	for b.Loop() {
		cpu, began := cpuTime(b), time.Now()
		j := must[Job](b)(w.Start(b.Context(), owner, groupsOrder()))
		b.ReportMetric(time.Since(began).Seconds(), "s-to-start")
		for !w.job(j.Number).State.Over() {
			<-time.After(20 * time.Millisecond)
		}
		if now := w.job(j.Number); now.Done != devices {
			b.Fatalf("got %+v", now)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-in-all")
		b.ReportMetric((cpuTime(b) - cpu).Seconds(), "s-of-cpu")
		b.ReportMetric(float64(len(w.audited())), "audit-entries")
	}
	cancel()
	<-ended
}

func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
