package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// State is how far a notification has come.
type State string

// The states.
const (
	Waiting State = "waiting" // for its time, or for another attempt
	Sent    State = "sent"
	Failed  State = "failed" // no attempt is left
)

// What a notification is about.
const (
	ofAlerts = "alerts"
	ofDigest = "digest"
	ofTest   = "test"
)

// Notification is one message to one channel. What it says never changes once the first attempt has
// begun, so that a receiver that gets it twice, under one id, may ignore either.
type Notification struct {
	ID      string    `json:"id"`
	Channel string    `json:"channel"`
	Name    string    `json:"name"` // of the channel then
	About   string    `json:"about"`
	Team    string    `json:"team"` // its name then
	Created time.Time `json:"created"`

	State State     `json:"state"`
	Due   time.Time `json:"due,omitzero"`
	Begun time.Time `json:"begun,omitzero"` // the first attempt; zero: it still gathers alerts
	Spent int       `json:"spent,omitempty"`
	Tries []Try     `json:"tries,omitempty"` // the newest maxTries

	Alerts  []Alert        `json:"alerts,omitempty"` // the first maxAlerts
	Total   int            `json:"total,omitempty"`  // of alerts
	Counts  map[string]int `json:"counts,omitempty"` // of alerts by name
	Summary *Summary       `json:"report,omitempty"` // of a digest
}

// Try is one attempt to deliver a notification.
type Try struct {
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took"`
	Status int           `json:"status,omitempty"` // of HTTP; 0: there was no answer
	Error  string        `json:"error,omitempty"`  // "": it arrived
}

// Alert is an alert as receivers see it.
type Alert struct {
	ID     string         `json:"id"`
	Topic  Topic          `json:"topic"`
	Device fleet.DeviceID `json:"device_id,omitempty"`
	Name   string         `json:"name"` // device_alert for one that a device raised
	Type   uint64         `json:"type,omitempty"`
	Text   string         `json:"description"`
	Value  string         `json:"value,omitempty"` // JSON
	Raised time.Time      `json:"raised_at"`
}

// Summary is what a digest says.
type Summary struct {
	Period   Digest          `json:"period"`
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"`
	Alerts   map[string]int  `json:"alerts"`             // raised in the time, by name
	Least    bool            `json:"at_least,omitempty"` // there were more alerts than were counted
	Products []ProductReport `json:"products"`
}

// ProductReport is a product in a digest.
type ProductReport struct {
	Product   string         `json:"product"` // its slug
	Devices   int            `json:"devices"`
	Online    int            `json:"online"`
	Silent    int            `json:"silent"`    // for a week
	Attention map[string]int `json:"attention"` // devices that don't run their target, by why
	Releases  []string       `json:"releases"`  // under way, a sentence each
}

const (
	maxAlerts = 50 // listed in one notification
	maxCounts = 50 // names counted in one notification
	maxTries  = 12
	maxText   = 500 // letters of an alert's text
	maxValue  = 1000
)

// nameOf is the name under which an alert is counted and shown.
func nameOf(a fleet.Alert) string { return cmp.Or(a.Name, "device_alert") }

// add adds an alert.
func (n *Notification) add(a fleet.Alert) {
	name := nameOf(a)
	n.Total++
	if n.Counts == nil {
		n.Counts = map[string]int{}
	}
	if _, counted := n.Counts[name]; !counted && len(n.Counts) >= maxCounts {
		n.Counts["other"]++
	} else {
		n.Counts[name]++
	}
	if len(n.Alerts) >= maxAlerts {
		return
	}
	shown := Alert{ID: a.ID, Topic: TopicOf(a.Name), Device: a.Device, Name: name, Type: a.Type, Text: clipped(a.Text, maxText), Raised: a.Raised.UTC()}
	if len(a.Value) <= maxValue && json.Valid([]byte(a.Value)) {
		shown.Value = a.Value
	}
	n.Alerts = append(n.Alerts, shown)
}

func clipped(text string, most int) string {
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	return string(letters[:most-1]) + "…"
}

// Subject is what the notification says, in a line.
func (n *Notification) Subject() string {
	subject := "[Muster] " + n.Team + ": "
	switch {
	case n.About == ofTest:
		return subject + "a test of channel " + n.Name
	case n.About == ofDigest:
		return subject + string(n.Summary.Period) + " digest, " + n.Summary.To.Format("2006-01-02")
	case n.Total == 1 && n.Alerts[0].Device != "":
		return subject + n.Alerts[0].Name + " on " + n.Alerts[0].Device.String()
	case n.Total == 1:
		return subject + n.Alerts[0].Name
	}
	return subject + humane.Count(n.Total, "alert") + " (" + counts(n.Counts) + ")"
}

// counts lists numbers, the largest first.
func counts(of map[string]int) string {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		if of[a] != of[b] {
			return of[b] - of[a]
		}
		return strings.Compare(a, b)
	})
	var words []string
	for _, name := range names {
		words = append(words, humane.Number(of[name])+" "+name)
	}
	return strings.Join(words, ", ")
}

// Text is the notification for people.
func (n *Notification) Text(link string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	switch n.About {
	case ofTest:
		line("This is a test of channel %q of team %q. It works.", n.Name, n.Team)
	case ofDigest:
		n.Summary.write(line)
	default:
		line("%s in team %s:\n", humane.Count(n.Total, "alert"), n.Team)
		for _, a := range n.Alerts {
			line("%s  %s  %s", a.Raised.Format(stamp), a.Device, a.Name)
			if text := strings.TrimSpace(a.Text + " " + a.Value); text != "" {
				line("    %s", text)
			}
		}
		if more := n.Total - len(n.Alerts); more > 0 {
			line("\nand %s more. All of them: %s", humane.Number(more), counts(n.Counts))
		}
	}
	line("\n--\nSent by channel %q of team %q.", n.Name, n.Team)
	if link != "" {
		line("Alerts: %s/alerts/kinds\nChange what is sent: %s/team/notifications", link, link)
	}
	return b.String()
}

const stamp = "2006-01-02 15:04:05 UTC"

func (r *Summary) write(line func(format string, args ...any)) {
	line("From %s to %s.\n", r.From.UTC().Format(stamp), r.To.UTC().Format(stamp))
	switch least := ""; {
	case len(r.Alerts) == 0:
		line("No alerts.")
	default:
		if r.Least {
			least = "at least "
		}
		line("Alerts: %s%s", least, counts(r.Alerts))
	}
	for _, p := range r.Products {
		line("\n%s: %s, %s online", p.Product, humane.Count(p.Devices, "device"), humane.Number(p.Online))
		if p.Silent > 0 {
			line("    silent for a week or more: %s", humane.Number(p.Silent))
		}
		if len(p.Attention) > 0 {
			line("    not at their target: %s", counts(p.Attention))
		}
		for _, release := range p.Releases {
			line("    %s", release)
		}
	}
}
