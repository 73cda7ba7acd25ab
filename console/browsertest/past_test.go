//go:build browser && !race

package browsertest

import (
	"math"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/store/timeline"
)

// A finger on a chart does what a mouse does: the legend shows the numbers of that moment, and a
// line of the legend hides its line.
func TestChartsAnswerToAFinger(t *testing.T) {
	w := serve(t)
	f := widgets(t, w, 3)
	w.UploadVersions(imageSize, 2)
	for i := range 3 { // a chart has lines from three moments on
		past := timeline.Write{Writer: "past", Number: uint64(i + 1), At: time.Now().Add(time.Duration(i-4) * time.Minute), Sums: []timeline.Sum{
			{Name: "s", Number: 10}, {Name: "o", Number: 30}, {Name: "h", Number: 1}, {Name: "d:1", Number: 30},
		}}
		if err := w.Cloud.Store().Timelines.Add(t.Context(), timeline.Line{Product: 1}, past); err != nil {
			t.Fatal(err)
		}
	}
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.phone(true)
	b.visitLive("/p/lamp/fleet")
	b.waitVisible("#chart canvas")
	f.Rehello()
	b.waitText("1 released to the product default")
	b.await(`drawn.chart && drawn.chart.times.length > 2`, "the chart has three moments")
	evaluate[bool](b, `(() => {
		const over = document.querySelector("#chart .u-over"), box = over.getBoundingClientRect();
		const finger = new Touch({ identifier: 1, target: over, clientX: box.left + 1, clientY: box.top + 20 });
		return over.dispatchEvent(new TouchEvent("touchstart", { touches: [finger], bubbles: true }));
	})()`)
	b.await(`drawn.chart.chart.cursor.idx === 0`, "the legend shows the first moment")
	b.await(`document.querySelector("#chart .u-legend .u-value").textContent === new Date(drawn.chart.times[0] * 1000).toISOString().slice(0, 19).replace("T", " ")`, "the legend names it")
	b.click("#chart .u-legend .u-series:nth-child(2) .u-label")
	b.await(`drawn.chart.shown[0] === false && drawn.chart.top === 1`, "the version is hidden")
	b.phone(false)
	b.press("30 days")
	b.waitText("has failed in the last 30 days")
	b.waitVisible("#chart canvas")
	b.verifyNotScrolled()
}

// verifyNotScrolled checks that the page is not wider than its window.
func (b *browser) verifyNotScrolled() {
	b.Helper()
	if px := evaluate[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); px > 0 {
		b.Errorf("the page is %d px wider than the window", px)
	}
}

// For people to look at: two years of a fleet that grows, in every range.
func TestChartsHaveTheirPicturesTaken(t *testing.T) {
	if !pictures {
		t.Skip("set MUSTER_SCREENSHOTS=1 to take pictures")
	}
	w := serve(t)
	widgets(t, w, 30)
	w.UploadVersions(imageSize, 2, 3)
	now, number := time.Now(), uint64(0)
	add := func(at time.Time) {
		number++
		age := now.Sub(at).Hours() / 24
		devices := 30 * (1 - age/900)
		part := func(since float64) float64 { return 1 / (1 + math.Exp((age-since)/(since/20+0.02))) }
		online := devices * (0.8 + 0.1*math.Sin(age*2*math.Pi))
		fleetAt := timeline.Write{Writer: "picture", Number: number, At: at, Sums: []timeline.Sum{
			{Name: "s", Number: 10}, {Name: "o", Number: int64(10 * online)}, {Name: "h", Number: int64(5 + 5*math.Abs(math.Sin(age*50)))},
			{Name: "d:3", Number: int64(10 * devices * part(1))}, {Name: "d:2", Number: int64(10 * devices * (part(200) - part(1)))},
			{Name: "d:1", Number: int64(10 * devices * (1 - part(200)))}, {Name: "d:?", Number: int64(10 * 1)},
		}}
		if number%7 == 0 {
			fleetAt.Sums = append(fleetAt.Sums, timeline.Sum{Name: "f:3", Number: int64(number % 5)}, timeline.Sum{Name: "f:4", Number: int64(number % 3)})
		}
		if err := w.Cloud.Store().Timelines.Add(t.Context(), timeline.Line{Product: 1}, fleetAt); err != nil {
			t.Fatal(err)
		}
	}
	for _, span := range []struct{ from, step time.Duration }{{730 * 24 * time.Hour, 24 * time.Hour}, {30 * 24 * time.Hour, time.Hour}, {48 * time.Hour, 2 * time.Minute}, {time.Hour, 10 * time.Second}} {
		for at := now.Add(-span.from); at.Before(now.Add(-span.from / 15)); at = at.Add(span.step) {
			add(at)
		}
	}
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	for _, r := range []string{"1h", "24h", "30d", "2y"} {
		b.visitLive("/p/lamp/fleet?range=" + r)
		b.waitVisible("#chart canvas")
		b.shot("fleet-past-" + r)
	}
	b.phone(true)
	b.visitLive("/p/lamp/fleet?range=24h")
	b.waitVisible("#chart canvas")
	b.shot("fleet-past-phone")
	b.phone(false)
	b.prefers("dark")
	b.visitLive("/p/lamp/fleet?range=30d")
	b.waitVisible("#chart canvas")
	b.shot("fleet-past-dark")
}
