package rest

import (
	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/fleet"
)

// withPast is d with the earlier values of its facts and its last connections, which lists leave out.
func withPast(d api.Device, v *fleet.DeviceView) api.Device {
	for _, f := range devicelog.Values(v.OldFacts) {
		d.EarlierFacts = append(d.EarlierFacts, api.EarlierFact{Fact: f.Fact, Value: f.Text, Until: f.Until})
	}
	for _, c := range devicelog.Connections(v.Contacts, v.Online) {
		shown := api.Connection{Began: c.Began, Ended: Moment(c.Ended), Lasts: c.Lasts}
		if !c.Ended.IsZero() {
			shown.Reason, shown.Code = c.Why(), &c.Code
		}
		d.Connections = append(d.Connections, shown)
	}
	return d
}
