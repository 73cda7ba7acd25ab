package limit

import "time"

// Meter is a Limiter for one key, which is not safe for concurrent use. The zero value has
// used up nothing.
type Meter struct{ paid time.Time }

// Take uses up one event of burst, then one per every, and reports whether one was left. If
// none was, nothing changes. All calls name the same burst and every.
func (m *Meter) Take(burst int, every time.Duration) bool {
	now := time.Now()
	if m.paid.Sub(now) > time.Duration(burst-1)*every {
		return false
	}
	if m.paid.Before(now) {
		m.paid = now
	}
	m.paid = m.paid.Add(every)
	return true
}
