package api

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
)

// PlanWindow is a time of the day, on some days, at which updates may begin.
type PlanWindow struct {
	Days string `json:"days,omitempty" doc:"mon-fri, sat,sun and so on; absent: every day" example:"mon-fri"`
	From string `json:"from" doc:"Local time" example:"01:00"`
	To   string `json:"to" doc:"Local time, up to 24:00; not after from: on the next day" example:"05:00"`
	Zone string `json:"zone,omitempty" doc:"IANA time zone, or device for the zone that each device reports as its fact tz; absent: UTC" example:"Europe/Berlin"`
}

func (w PlanWindow) fleet() (out calendar.Window, err error) {
	if out.Zone = w.Zone; out.Zone == "" {
		out.Zone = "UTC"
	}
	if out.Days, err = calendar.ParseDays(w.Days); err != nil {
		return out, err
	}
	if out.From, err = calendar.ParseClock(w.From); err != nil {
		return out, err
	}
	out.To, err = calendar.ParseClock(w.To)
	return out, err
}

func windowOf(w calendar.Window) PlanWindow {
	return PlanWindow{Days: w.Days.String(), From: calendar.Clock(w.From), To: calendar.Clock(w.To), Zone: w.Zone}
}

// PlanLimits bound how many devices a release updates.
type PlanLimits struct {
	AtOnce   int      `json:"at_once,omitempty" doc:"Devices being updated by this release at the same time; absent: any number"`
	Rate     *Rate    `json:"rate,omitempty" doc:"Devices begun in a minute or an hour, such as 500/min; absent: any number"`
	MaxRate  *Rate    `json:"max_rate,omitempty" doc:"What rate grows to, by half with each batch of devices that are confirmed: as many as begin in a minute, at least the gate's sample. Absent: it does not grow"`
	PerGroup *Percent `json:"per_group,omitempty" doc:"Of the online devices of each group, those being updated at the same time, by whatever; at least one is allowed. Absent: any number"`

	PerGateway int `json:"per_gateway,omitempty" doc:"Devices behind each gateway being updated at the same time, by whatever; absent: any number"`
}

func (l *PlanLimits) fleet() (out fleet.ReleaseLimits) {
	if l == nil {
		return out
	}
	out.AtOnce, out.Behind = l.AtOnce, l.PerGateway
	if l.Rate != nil {
		out.Hourly = l.Rate.Hourly
	}
	if l.MaxRate != nil {
		out.Most = l.MaxRate.Hourly
	}
	if l.PerGroup != nil {
		out.Group = l.PerGroup.Share
	}
	return out
}

func limitsOf(l fleet.ReleaseLimits) *PlanLimits {
	if l == (fleet.ReleaseLimits{}) {
		return nil
	}
	out := &PlanLimits{AtOnce: l.AtOnce, PerGateway: l.Behind}
	if l.Most > 0 {
		out.MaxRate = &Rate{l.Most}
	}
	if l.Hourly > 0 {
		out.Rate = &Rate{l.Hourly}
	}
	if l.Group > 0 {
		out.PerGroup = &Percent{l.Group}
	}
	return out
}

// Rate is devices per hour; in JSON a text such as "500/min" or "100/h".
type Rate struct{ Hourly int }

// ParseRate reads a rate. Errors are fleet.Invalid.
func ParseRate(text string) (r Rate, err error) {
	r.Hourly, err = fleet.ParseRate(text)
	return r, err
}

func (r Rate) String() string { return fleet.RateText(r.Hourly) }

// MarshalJSON writes "500/min".
func (r Rate) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// UnmarshalJSON reads "500/min". Errors are fleet.Invalid.
func (r *Rate) UnmarshalJSON(data []byte) (err error) {
	var text string
	if json.Unmarshal(data, &text) != nil {
		return fleet.Errorf(fleet.Invalid, "expected a rate as a text, such as \"500/min\" or \"100/h\"")
	}
	*r, err = ParseRate(text)
	return err
}

// Schema describes a text.
func (Rate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Description: "Devices per minute or hour", Examples: []any{"500/min", "100/h"}}
}
