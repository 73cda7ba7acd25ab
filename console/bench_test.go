package console

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// benchPages are the pages whose time depends on the size of the fleet.
var benchPages = []string{
	"/p/lamp/attention", "/p/lamp/devices", "/p/lamp/devices?q=0042", "/p/lamp/devices?silent=7&sort=-handshake", "/p/lamp/devices?update=wrong",
	"/p/lamp/devices?by=group", "/devices?q=0042", "/p/lamp/device/lamp-000042", "/p/lamp/groups", "/p/lamp/group?name=region-03", "/p/lamp/firmware",
	"/p/lamp/firmware/2", "/p/lamp/firmware/1/confirm?default=yes&plan=careful&share=1+%25&share=100+%25", "/p/lamp/releases", "/p/lamp/releases/1",
	"/p/lamp/releases/1/confirm?act=revert", "/p/lamp/failing", "/p/lamp/fleet", "/p/lamp/retry?all=yes", "/p/lamp/fleet/history", "/p/lamp/group/history?name=region-03", "/p/lamp/devices/change?all=yes",
	"/p/lamp/devices/change/confirm?act=delete&all=yes", "/p/lamp/devices/groups?all=yes", "/p/lamp/stop", "/p/lamp/device/lamp-000042/confirm?act=delete", "/products",
	"/alerts", "/jobs", "/team", "/alerts/kinds", "/messages", "/team/audit",
}

// BenchmarkPages measures pages of a fleet of 100,000 devices in 20 groups, by median, and how
// much a browser without a cache loads for each.
func BenchmarkPages(b *testing.B) {
	w := withBigFleet(b, 100_000)
	for _, path := range benchPages {
		b.Run(path, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if answer := w.send(http.MethodGet, path, nil, w.signed); answer.StatusCode != http.StatusOK {
					b.Fatalf("got %d", answer.StatusCode)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
			b.ReportMetric(w.coldLoad(path)/1000, "kB-cold")
		})
	}
}

// withBigFleet returns a world with n devices, of which the index has various states.
func withBigFleet(b *testing.B, n int) *world {
	w := withDevices(b)
	const part, groups = 5000, 20
	for i := range groups {
		must[fleet.GroupView](b)(w.registry.CreateGroup(b.Context(), owner, fleet.Group{Team: 1, Product: 1, Name: fmt.Sprintf("region-%02d", i)}))
	}
	for from := 0; from < n; from += part {
		var ids []string
		for i := from; i < from+part; i++ {
			ids = append(ids, fmt.Sprintf("lamp-%06d", i))
		}
		must[fleet.Imported](b)(w.registry.Import(b.Context(), owner, fleet.Import{
			Product: 1, Devices: fleet.NewDevices(ids...), Groups: []string{fmt.Sprintf("region-%02d", from/part%groups)},
		}))
		for i, id := range ids {
			d := must[fleet.Device](b)(w.store.Devices.Device(b.Context(), fleet.DeviceID(id).In(1)))
			d.Revision++
			d.Running, d.UpdatesOn, d.LastHandshake = fleet.WholeVersion(uint32(1+i%2)), i%50 != 0, time.Now().Add(-time.Duration(i)*time.Minute)
			if i%7 == 0 {
				d.Update = fleet.Update{State: fleet.UpdateState(1 + i%9), To: fleet.WholeVersion(2), Reason: wire.ReasonStorage}
			}
			w.store.Index.Put(&d)
		}
	}
	w.beginRelease(1, fleet.CarefulPlan())
	return w
}

var staticFile = regexp.MustCompile(`(?:href|src)="(/static/[^"]*)"`)

// coldLoad returns the bytes of a page and of the files it names, as they are sent.
func (w *world) coldLoad(path string) (total float64) {
	sent := func(path string) int64 {
		n, err := io.Copy(io.Discard, w.send(http.MethodGet, path, nil, w.signed, header("Accept-Encoding", "gzip")).Body)
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	total = float64(sent(path))
	files := map[string]bool{}
	for _, found := range staticFile.FindAllStringSubmatch(body(w.t, w.send(http.MethodGet, path, nil, w.signed)), -1) {
		files[found[1]] = true
	}
	for file := range files {
		total += float64(sent(file))
	}
	return total
}
