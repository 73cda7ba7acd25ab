package console

import (
	"cmp"
	"html/template"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
)

// attentionPages show what needs attention.
type attentionPages struct{ *visit }

// attentionBody is the page of a product that one starts with.
type attentionBody struct {
	Concerns []concernCount
	Devices  int // that need attention
	All      int
	Online   int
	UnderWay int // updates in progress
	Reasons  []reasonCount
	Alerts   []fleet.Alert // the newest active ones of the team
	More     bool          // there are more
	Others   []attentionCount
	Live     string
}

// attentionCount is a number of devices behind a filter that needs no attention.
type attentionCount struct {
	Text    string
	Devices int
	Query   template.URL
}

// concernCount is the number of devices with a concern.
type concernCount struct {
	Concern fleet.Concern
	Devices int
}

const alertsShown = 5

func (v attentionPages) attentionPage() error {
	body, err := v.body()
	if err != nil {
		return err
	}
	return v.show("attention", "Needs attention", body)
}

func (v attentionPages) attentionLive() error {
	body, err := v.body()
	if err != nil {
		return err
	}
	return v.fragmentOf("attention", "live", body)
}

func (v attentionPages) body() (b attentionBody, err error) {
	b.Live = v.at("/attention/live")
	counts, err := v.releases.Attention(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return b, err
	}
	for _, concern := range fleet.Concerns {
		if n := counts[concern]; n > 0 {
			b.Concerns = append(b.Concerns, concernCount{concern, n})
			b.Devices += n
		}
	}
	if b.All, b.Online, err = fleetPages(v).devices(); err != nil {
		return b, err
	}
	var states fleetBody
	if err := fleetPages(v).standing(&states); err != nil {
		return b, err
	}
	b.UnderWay, b.Reasons = states.UnderWay(), states.Reasons
	if b.Others, err = v.others(); err != nil {
		return b, err
	}
	var next string
	b.Alerts, next, err = v.registry.Alerts(v.ctx(), v.actor, fleet.AlertQuery{Team: v.actor.Team, Limit: alertsShown})
	b.More = next != ""
	return b, err
}

// concernText explains a concern, as a filter of the list of devices.
func concernText(c fleet.Concern) string {
	return map[fleet.Concern]string{
		fleet.NeverConnected: "never connected",
		fleet.Cut:            "disabled, with another target than they run",
		fleet.HeldBack:       "held since an operator stopped their update",
		fleet.Exhausted:      "all attempts to update failed",
		fleet.Declines:       "an update is due, and they decline it (“not now”)",
		fleet.Retrying:       "the last attempt failed, another follows",
		fleet.Behind:         "an update waits for their next handshake",
	}[c]
}

// silentDays are the spans of silence that need attention.
var silentDays = []string{"7", "30"}

// others counts devices that are silent, that run other bytes than were uploaded, and that run a
// firmware whose image states another version.
func (v attentionPages) others() (list []attentionCount, err error) {
	add := func(text string, f deviceFilter) {
		if err != nil {
			return
		}
		var q fleet.DeviceQuery
		if q, err = listPages(v).query(f); err != nil {
			return
		}
		q.Limit = 1
		var page fleet.DeviceViews
		if page, err = v.registry.Devices(v.ctx(), v.actor, q); page.Total > 0 {
			list = append(list, attentionCount{text, page.Total, encoded(f.values())})
		}
	}
	for _, days := range silentDays {
		add("silent for "+days+" days or more", deviceFilter{Fields: filter.Fields{Silent: days}})
	}
	add("report a version with other bytes than were uploaded", deviceFilter{Fields: filter.Fields{Alert: "digest_differs"}})
	rows, _, wrong := v.versions()
	for _, f := range rows {
		if f.Forced {
			add("run version "+f.Version.String()+", whose image states "+f.Metadata.Version, deviceFilter{Fields: filter.Fields{Version: f.Version.String()}})
		}
	}
	return list, cmp.Or(err, wrong)
}
