package console

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

const (
	maxGrouped     = 2000 // newest active alerts that are grouped, and archived at once
	devicesInGroup = 6    // named of each group
	archivers      = 32   // concurrent changes: the store writes them in batches
)

// alertKind is what the alerts of a group have in common. What Muster raises about an update
// names its versions in the text, so that a group is about one release.
type alertKind struct {
	Name, Text string
	Type       uint64
}

func kindOfAlert(a fleet.Alert) alertKind { return alertKind{a.Name, a.Text, a.Type} }

// alertGroup is the active alerts of one kind.
type alertGroup struct {
	alertKind
	Count   int
	Latest  time.Time
	Devices []fleet.DeviceID // the first, newest alert first
	Others  int              // devices that are not named
}

// alertGroups is the page of active alerts by kind.
type alertGroups struct {
	Groups []alertGroup // the largest first
	Total  int
	More   bool // there are older ones
}

// active returns the newest active alerts of the team, and whether there are more.
func (v messagePages) active() (all []fleet.Alert, more bool, err error) {
	q := fleet.AlertQuery{Team: v.actor.Team, Limit: 100}
	for len(all) < maxGrouped {
		page, next, err := v.registry.Alerts(v.ctx(), v.actor, q)
		if err != nil {
			return nil, false, err
		}
		all = append(all, page...)
		if q.After = next; next == "" {
			return all, false, nil
		}
	}
	return all, true, nil
}

func (v messagePages) alertGroupsPage() error {
	all, more, err := v.active()
	if err != nil {
		return err
	}
	b := alertGroups{Groups: groupAlerts(all), Total: len(all), More: more}
	if v.fragment() {
		return v.fragmentOf("alertgroups", "groups", b)
	}
	return v.show("alertgroups", "Alerts by kind", b)
}

// groupAlerts groups alerts, which are sorted from new to old.
func groupAlerts(all []fleet.Alert) (groups []alertGroup) {
	at, seen := map[alertKind]int{}, map[alertKind]map[fleet.DeviceID]bool{}
	for _, a := range all {
		kind := kindOfAlert(a)
		i, known := at[kind]
		if !known {
			i = len(groups)
			at[kind], seen[kind] = i, map[fleet.DeviceID]bool{}
			groups = append(groups, alertGroup{alertKind: kind, Latest: a.Raised})
		}
		g := &groups[i]
		g.Count++
		if a.Device == "" || seen[kind][a.Device] {
			continue
		}
		seen[kind][a.Device] = true
		if len(g.Devices) < devicesInGroup {
			g.Devices = append(g.Devices, a.Device)
		} else {
			g.Others++
		}
	}
	slices.SortStableFunc(groups, func(a, b alertGroup) int { return cmp.Compare(b.Count, a.Count) })
	return groups
}

// archiveKind archives the active alerts of one kind that the actor may archive.
func (v messagePages) archiveKind(kind alertKind) error {
	all, _, err := v.active()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(a fleet.Alert) bool { return kindOfAlert(a) != kind })
	var archived int
	var failed error
	var mu sync.Mutex // guards archived and failed
	var running sync.WaitGroup
	for part := range slices.Chunk(all, max(1, (len(all)+archivers-1)/archivers)) {
		running.Go(func() {
			for _, a := range part {
				err := v.registry.ArchiveAlert(v.ctx(), v.actor, a.ID, true)
				mu.Lock()
				if err == nil {
					archived++
				} else {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	if archived == 0 && failed != nil {
		return failed
	}
	said := "Archived " + humane.Count(archived, "alert") + "."
	if left := len(all) - archived; left > 0 {
		said += " " + humane.Count(left, "alert") + " could not be archived: " + sentence(failed)
	}
	return v.done("/alerts/kinds", said)
}
