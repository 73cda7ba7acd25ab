package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Mark is something that was done about a product's firmware.
type Mark struct {
	At      time.Time
	What    string // "released", "withdrawn", or the state that a release with a plan changed to
	Version string
	Group   fleet.GroupID   // 0: the product default
	Release fleet.ReleaseID // 0: without a plan
}

// target is what is released at one target.
type target struct {
	version fleet.Version
	release fleet.ReleaseID
	state   fleet.ReleaseState
}

func targetsOf(c *fleet.Catalog) map[fleet.GroupID]target {
	targets := map[fleet.GroupID]target{0: {version: c.Default}}
	for g, v := range c.Groups {
		targets[g] = target{version: v}
	}
	for g, r := range c.Staged {
		targets[g] = target{r.Version, r.ID, r.State}
	}
	return targets
}

// moves returns what was released and withdrawn since it was called last. At first that is all of
// a product which is younger than this process, and nothing of an older one.
func (t *track) moves(c *fleet.Catalog, began, now time.Time) (marks []string) {
	before, after := t.targets, targetsOf(c)
	if t.targets = after; before == nil && c.Product.Created.Before(began) {
		return nil
	}
	for _, g := range slices.Sorted(maps.Keys(joined(before, after))) {
		if m := moved(c, before[g], after[g]); m.What != "" {
			m.At, m.Group = now, g
			marks = append(marks, m.String())
		}
	}
	return marks
}

func joined(a, b map[fleet.GroupID]target) map[fleet.GroupID]target {
	all := maps.Clone(b)
	maps.Copy(all, a)
	return all
}

// moved is what happened at one target; What is "" if nothing did.
func moved(c *fleet.Catalog, before, after target) Mark {
	switch {
	case before == after:
		return Mark{}
	case after.release != before.release && after.release != 0 && after.release > before.release: // also one below it that stands there again has a lower number
		return Mark{What: "released", Version: after.version.String(), Release: after.release}
	case after.release == before.release && after.release != 0:
		return Mark{What: after.state.String(), Version: after.version.String(), Release: after.release}
	case before.release != 0:
		ended := c.Ended[before.release]
		if ended.State == fleet.ReleaseReplaced && !after.version.IsZero() {
			return Mark{What: "released", Version: after.version.String(), Release: after.release}
		}
		return Mark{What: ended.State.String(), Version: before.version.String(), Release: before.release}
	case after.version.IsZero():
		return Mark{What: "withdrawn", Version: before.version.String()}
	}
	return Mark{What: "released", Version: after.version.String()}
}

// takeover is the longest time until another server leads in place of one that has died.
const takeover = time.Minute

// recent are the marks that a server which died since may not have written.
func recent(marks []string, now time.Time) []string {
	return slices.DeleteFunc(marks, func(text string) bool {
		m, _ := parseMark(text)
		return now.Sub(m.At) > takeover
	})
}

// once leaves out what a second server has marked, too: nothing happens twice to a target without something else
// in between. marks are by time.
func once(marks []Mark) []Mark {
	last := make(map[fleet.GroupID]Mark)
	return slices.DeleteFunc(marks, func(m Mark) bool {
		before, known := last[m.Group]
		last[m.Group] = m
		again := m.At.Sub(before.At) <= 2*takeover
		before.At = m.At
		return known && again && before == m
	})
}

// String is how m is kept.
func (m Mark) String() string {
	return fmt.Sprintf("%d %s %s %d %d", m.At.Unix(), m.What, m.Version, m.Group, m.Release)
}

// parseMark is the inverse of Mark.String.
func parseMark(text string) (m Mark, ok bool) {
	var at int64
	n, err := fmt.Fscan(strings.NewReader(text), &at, &m.What, &m.Version, &m.Group, &m.Release)
	m.At = time.Unix(at, 0).UTC()
	return m, err == nil && n == 5
}
