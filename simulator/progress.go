package simulator

import (
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Snapshot is a fleet at one moment.
type Snapshot struct {
	At       time.Time      `json:"at"`
	Devices  int            `json:"devices"`
	Online   int            `json:"online"`   // connected and greeted
	Versions map[string]int `json:"versions"` // devices by what they run
	States   map[string]int `json:"states"`   // devices by what they do: idle, downloading, stored, applying
	Bytes    int64          `json:"bytes"`    // of image data received so far
	Rate     float64        `json:"bytesPerSecond"`
	Totals   Stats          `json:"totals"`
	Trouble  string         `json:"trouble,omitempty"`  // the commonest reason why devices are not connected
	Troubled int            `json:"troubled,omitempty"` // devices with that reason
}

// Snapshot counts the fleet. Rate is set in those given to Config.Progress only.
func (f *Fleet) Snapshot() Snapshot {
	s := Snapshot{At: time.Now(), Devices: len(f.devices), Versions: map[string]int{}, States: map[string]int{}}
	troubles := map[string]int{}
	for _, d := range f.devices {
		d.mu.Lock()
		m := d.model
		switch {
		case d.client != nil && m.greeted:
			s.Online++
		case d.hindered():
			troubles[d.trouble]++
		}
		s.Versions[m.running.String()]++
		s.States[m.state.String()]++
		s.Totals.add(&m.stats)
		d.mu.Unlock()
	}
	s.Bytes = s.Totals.Bytes
	for trouble, n := range troubles {
		if n > s.Troubled || n == s.Troubled && trouble < s.Trouble {
			s.Trouble, s.Troubled = trouble, n
		}
	}
	return s
}

// DeviceStatus is one device at one moment.
type DeviceStatus struct {
	Running fleet.Version
	Digest  fleet.Digest  // of the image it received and runs; zero: it runs its first version still
	Image   []byte        // the bytes, with Profile.Keep
	Target  fleet.Version // of its last Welcome
	State   State
	Online  bool
	Tried   []fleet.Version // of the updates it has begun, each once, the first first; the last 32
	Ended   string          // how its last update ended, "" when none did
	Trouble string          // why its last connection ended
	Stats   Stats
}

// Device is the status of one device, false when there is none with that id.
func (f *Fleet) Device(id fleet.DeviceID) (DeviceStatus, bool) {
	d := f.byID[id]
	if d == nil {
		return DeviceStatus{}, false
	}
	return d.status(), true
}

func (d *device) status() DeviceStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.model
	return DeviceStatus{
		Running: m.running, Digest: m.digest, Tried: slices.Clone(m.tried), Image: m.image, Target: m.target, State: m.state,
		Online: d.client != nil && m.greeted, Ended: m.ended, Trouble: d.trouble, Stats: m.stats,
	}
}

func (s *Stats) add(o *Stats) {
	s.Connects += o.Connects
	s.Handshakes += o.Handshakes
	s.Boots += o.Boots
	s.Chunks += o.Chunks
	s.Bytes += o.Bytes
	s.Duplicates += o.Duplicates
	s.Gaps += o.Gaps
	s.Strays += o.Strays
	s.Malformed += o.Malformed
	s.Wants += o.Wants
	s.Repeats += o.Repeats
	s.Stops += o.Stops
	s.Updates += o.Updates
	s.Confirmed += o.Confirmed
	s.RolledBack += o.RolledBack
	s.Failed += o.Failed
	s.Commands += o.Commands
	s.Repeated += o.Repeated
	s.Messages += o.Messages
}
