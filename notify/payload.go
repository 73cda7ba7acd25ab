package notify

import (
	"encoding/json"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// payload is the body of a webhook's request.
type payload struct {
	ID      string         `json:"id"`
	Kind    string         `json:"kind"` // alerts, digest or test
	Team    payloadTeam    `json:"team"`
	Channel string         `json:"channel"`
	Created time.Time      `json:"created_at"`
	Text    string         `json:"text"` // what it says, in a line
	Total   int            `json:"total,omitempty"`
	Counts  map[string]int `json:"counts,omitempty"`
	Alerts  []payloadAlert `json:"alerts,omitempty"`
	Digest  *Summary       `json:"digest,omitempty"`
	Link    string         `json:"link,omitempty"`
}

type payloadTeam struct {
	ID   fleet.TeamID `json:"id"`
	Name string       `json:"name"`
}

type payloadAlert struct {
	Alert

	Value json.RawMessage `json:"value,omitempty"`
}

func (n *Notification) payload(team fleet.TeamID, link string) []byte {
	p := payload{
		ID: n.ID, Kind: n.About, Team: payloadTeam{team, n.Team}, Channel: n.Name, Created: n.Created, Text: n.Subject(),
		Total: n.Total, Counts: n.Counts, Digest: n.Summary,
	}
	if link != "" {
		p.Link = link + "/alerts/kinds"
	}
	for _, a := range n.Alerts {
		p.Alerts = append(p.Alerts, payloadAlert{a, json.RawMessage(a.Value)})
	}
	return []byte(encoded(p))
}
