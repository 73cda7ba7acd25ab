package console

import (
	"cmp"
	"regexp"
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

// alertKind is what the alerts of a group have in common: what Muster raises about a version is
// about that version, whatever the reason.
type alertKind struct {
	Name  string
	About string // the version that the text names, "" if it names none
	Text  string // "" if it is about a version
	Type  uint64
}

// aboutVersion finds the version in the text of an alert that Muster raised.
var aboutVersion = regexp.MustCompile(`\bversion (\S+)`)

func kindOfAlert(a fleet.Alert) alertKind {
	if found := aboutVersion.FindStringSubmatch(a.Text); a.Name != "" && found != nil {
		if v, err := fleet.ParseVersion(found[1]); err == nil {
			return alertKind{Name: a.Name, About: v.String(), Type: a.Type}
		}
	}
	return alertKind{Name: a.Name, Text: a.Text, Type: a.Type}
}

// alertGroup is the active alerts of one kind.
type alertGroup struct {
	alertKind
	Count   int
	Latest  time.Time
	Reasons []alertText
	Devices []fleet.DeviceID // the first, newest alert first
	Others  int              // devices that are not named
}

// alertText is a text that alerts of a group have, and how many.
type alertText struct {
	Text  string
	Count int
}

const reasonsInGroup = 5

// reason counts a text of the group.
func (g *alertGroup) reason(text string) {
	for i := range g.Reasons {
		if g.Reasons[i].Text == text {
			g.Reasons[i].Count++
			return
		}
	}
	g.Reasons = append(g.Reasons, alertText{text, 1})
}

// alertGroups is the page of active alerts by kind.
type alertGroups struct {
	Groups []alertGroup // the largest first
	Total  int
	More   bool                    // there are older ones
	Known  map[fleet.DeviceID]bool // of the devices that Groups name
}

// active returns the newest active alerts of the team, limit or somewhat more, and whether there
// are others.
func (v *visit) active(limit int) (all []fleet.Alert, more bool, err error) {
	q := fleet.AlertQuery{Team: v.actor.Team, Limit: 100}
	for len(all) < limit {
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
	all, more, err := v.active(maxGrouped)
	if err != nil {
		return err
	}
	b := alertGroups{Groups: groupAlerts(all), Total: len(all), More: more}
	var ids []fleet.DeviceID
	for _, g := range b.Groups {
		ids = append(ids, g.Devices...)
	}
	b.Known = v.known(ids)
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
		g.reason(a.Text)
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
	for i := range groups {
		g := &groups[i]
		slices.SortStableFunc(g.Reasons, func(a, b alertText) int { return cmp.Compare(b.Count, a.Count) })
		g.Reasons = g.Reasons[:min(len(g.Reasons), reasonsInGroup)]
	}
	slices.SortStableFunc(groups, func(a, b alertGroup) int { return cmp.Compare(b.Count, a.Count) })
	return groups
}

// archiveKind archives the active alerts of one kind that the actor may archive.
func (v messagePages) archiveKind(kind alertKind) error {
	all, _, err := v.active(maxGrouped)
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
