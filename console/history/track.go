package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Series is a product's history as charts take it: a row of times, and for each version a row
// with the number of devices at each time.
type Series struct {
	Times    []int64   `json:"times"` // Unix seconds
	Online   []int     `json:"online"`
	Versions []string  `json:"versions"` // highest first, Unknown and Foreign last
	Colors   []int     `json:"colors"`   // by version: a number it keeps; -1 for Unknown and Foreign
	Runs     [][]int   `json:"runs"`     // by version, then by time
	Rates    []float64 `json:"rates"`    // handshakes per second since the time before; the first is 0
}

// track is one product's history.
type track struct {
	product  fleet.Product
	interval time.Duration
	began    time.Time // of the first sample, which may have been dropped since
	samples  []Sample
	colors   map[string]int // by version, in the order of their first appearance
}

// add adds a sample. When there are maxSamples, it drops every other one.
func (t *track) add(s Sample) {
	if t.samples = append(t.samples, s); t.began.IsZero() {
		t.began = s.At
	}
	t.color(s)
	if len(t.samples) < maxSamples {
		return
	}
	kept := t.samples[:0]
	for i, s := range t.samples {
		if i%2 == 1 {
			kept = append(kept, s)
		}
	}
	t.samples, t.interval = kept, 2*t.interval
}

// color gives each version that is new in s the next color, the lowest version first.
func (t *track) color(s Sample) {
	if t.colors == nil {
		t.colors = make(map[string]int)
	}
	lowestFirst := func(a, b string) int { return -highestFirst(a, b) }
	for _, version := range slices.SortedFunc(maps.Keys(s.Devices), lowestFirst) {
		if _, known := t.colors[version]; !known && s.Devices[version] > 0 && version != Unknown && version != Foreign {
			t.colors[version] = len(t.colors)
		}
	}
}

// highestFirst orders versions; names that are no version come last.
func highestFirst(a, b string) int {
	return cmp.Or(-fleet.ReportedVersion(a).Compare(fleet.ReportedVersion(b)), cmp.Compare(a, b))
}

func (t *track) series() (s Series) {
	for _, sample := range t.samples {
		for version, n := range sample.Devices {
			if n > 0 && !slices.Contains(s.Versions, version) {
				s.Versions = append(s.Versions, version)
			}
		}
	}
	slices.SortFunc(s.Versions, highestFirst)
	for _, version := range s.Versions {
		color, ok := t.colors[version]
		if !ok {
			color = -1
		}
		s.Colors = append(s.Colors, color)
	}
	s.Runs = make([][]int, len(s.Versions))
	for at, sample := range t.samples {
		s.Times, s.Online = append(s.Times, sample.At.Unix()), append(s.Online, sample.Online)
		s.Rates = append(s.Rates, t.rate(at))
		for i, version := range s.Versions {
			s.Runs[i] = append(s.Runs[i], sample.Devices[version])
		}
	}
	return s
}

// rate returns the handshakes per second between a sample and the one before it.
func (t *track) rate(at int) float64 {
	if at == 0 {
		return 0
	}
	now, before := t.samples[at], t.samples[at-1]
	return float64(now.Handshakes-before.Handshakes) / max(now.At.Sub(before.At), time.Second).Seconds()
}
