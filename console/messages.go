package console

import (
	"html/template"
	"net/url"
	"strconv"

	"github.com/muster-iot/muster/fleet"
)

// messagePages show messages and alerts.
type messagePages struct{ *visit }

// messageList is the page of messages.
type messageList struct {
	Device, Topic, Part, After string
	Messages                   []fleet.Message
	Known                      map[fleet.DeviceID]bool // of Messages
	Next                       template.URL            // query of the next page, "" if there is none
}

func (v messagePages) messagesPage() error {
	q := v.messageQuery()
	list := messageList{Device: q.Device.String(), Topic: q.Topic, Part: q.Part, After: q.After}
	messages, next, err := v.registry.Messages(v.ctx(), v.actor, q)
	if err != nil {
		return err
	}
	var ids []fleet.DeviceID
	for _, m := range messages {
		ids = append(ids, m.Device)
	}
	list.Messages, list.Known = messages, v.known(ids)
	if next != "" {
		list.Next = encoded(url.Values{"device": {list.Device}, "topic": {list.Topic}, "q": {list.Part}, "after": {next}})
	}
	if v.fragment() {
		return v.fragmentOf("messages", "rows", list)
	}
	return v.show("messages", "Messages", list)
}

// messageQuery is what the page's filter selects.
func (v messagePages) messageQuery() fleet.MessageQuery {
	return fleet.MessageQuery{
		Team: v.actor.Team, Device: fleet.DeviceNamed(v.text("device")), Topic: v.text("topic"), Part: v.text("q"), After: v.text("after"), Limit: rowsPerPage,
	}
}

// alertList is the page of alerts.
type alertList struct {
	Device   string
	After    string
	Archived bool
	Alerts   []fleet.Alert
	Known    map[fleet.DeviceID]bool // of Alerts
	Next     template.URL
}

func (v messagePages) alertsPage() error {
	list := alertList{Device: v.text("device"), After: v.text("after"), Archived: v.text("archived") != ""}
	alerts, next, err := v.registry.Alerts(v.ctx(), v.actor, fleet.AlertQuery{
		Team: v.actor.Team, Device: fleet.DeviceNamed(list.Device), Archived: list.Archived, After: list.After, Limit: rowsPerPage,
	})
	if err != nil {
		return err
	}
	var ids []fleet.DeviceID
	for _, a := range alerts {
		if a.Device != "" {
			ids = append(ids, a.Device)
		}
	}
	list.Alerts, list.Known = alerts, v.known(ids)
	if next != "" {
		list.Next = encoded(url.Values{"device": {list.Device}, "archived": {v.text("archived")}, "after": {next}})
	}
	if v.fragment() {
		return v.fragmentOf("alerts", "rows", list)
	}
	return v.show("alerts", "Alerts", list)
}

func (v messagePages) archiveAlert() error {
	if v.text("act") == "archive-kind" {
		number, _ := strconv.ParseUint(v.text("type"), 10, 64) // 0 if Muster raised it
		return v.archiveKind(alertKind{v.value("name"), v.value("about"), v.value("text"), number})
	}
	archived := v.text("act") != "restore"
	back, said := url.Values{"device": {v.text("device")}}, "Archived."
	if !archived {
		back.Set("archived", "1")
		said = "Restored."
	}
	return v.after(v.registry.ArchiveAlert(v.ctx(), v.actor, v.text("id"), archived), "/alerts?"+back.Encode(), said)
}
