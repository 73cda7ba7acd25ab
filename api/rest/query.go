package rest

import (
	"context"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// Preview is the query parameter for a write that only reports its impact.
type Preview struct {
	DryRun bool `query:"dry_run" doc:"Change nothing: answer the impact this call would have"`
}

// DeviceQuery is the query parameters that select and sort a product's devices.
type DeviceQuery struct {
	route.GroupsQuery
	route.FactsQuery
	ID          string `query:"deviceId" doc:"Part of the id"`
	Name        string `query:"deviceName" doc:"Part of the name"`
	Version     string `query:"firmwareVersion" doc:"Runs this version"`
	Online      string `query:"online" enum:"true,false"`
	Development string `query:"development" enum:"true,false"`
	Locked      string `query:"locked" enum:"true,false"`
	SortAttr    string `query:"sortAttr" enum:"deviceName,deviceId,firmwareVersion,lastConnection" default:"lastConnection"`
	SortDir     string `query:"sortDir" enum:"asc,desc" doc:"desc for lastConnection, else asc, when absent"`
}

var deviceSorts = map[string]fleet.DeviceSort{
	"deviceName": fleet.ByName, "firmwareVersion": fleet.ByVersion, "lastConnection": fleet.ByLastHandshake,
}

// Query is what the parameters select, without groups.
func (f DeviceQuery) Query() (fleet.DeviceQuery, error) {
	q := fleet.DeviceQuery{
		IDPart: f.ID, NamePart: f.Name, Online: Choice(f.Online), Development: Choice(f.Development), Locked: Choice(f.Locked),
		Facts: f.Facts, Sort: deviceSorts[f.SortAttr],
	}
	q.Descending = f.SortDir == "desc" || f.SortDir == "" && q.Sort == fleet.ByLastHandshake
	var err error
	q.Version, err = VersionParam("firmwareVersion", f.Version)
	return q, err
}

// UpdateQuery is the query parameters that select updates of a product.
type UpdateQuery struct {
	State   string `query:"state" doc:"States separated by commas" example:"failed,rolled_back"`
	Version string `query:"version" doc:"To this version"`
}

// Query is the updates that f selects of a product.
func (f UpdateQuery) Query(who fleet.Actor, product fleet.ProductID) (q fleet.UpdateQuery, err error) {
	q = fleet.UpdateQuery{Actor: who, Product: product}
	if q.Version, err = VersionParam("version", f.Version); err != nil {
		return q, err
	}
	for _, text := range api.SplitNames(f.State) {
		state, err := fleet.ParseUpdateState(text)
		if err != nil {
			return q, err
		}
		q.States = append(q.States, state)
	}
	return q, nil
}

// AuditQuery is the query parameters that select entries of the audit log.
type AuditQuery struct {
	Search  string    `query:"search" doc:"Part of anything in the entry, in upper or lower case"`
	Email   string    `query:"email" doc:"Who did it"`
	Action  string    `query:"action" doc:"What was done, or its first word" example:"device"`
	Object  string    `query:"object" doc:"What it was done to"`
	Product uint32    `query:"product" doc:"Number of the product that it concerns"`
	From    time.Time `query:"start" doc:"Made at this time or later, in RFC 3339"`
	To      time.Time `query:"end" doc:"Made before this time"`
}

// Query is the entries that f selects.
func (f AuditQuery) Query() fleet.AuditQuery {
	return fleet.AuditQuery{Text: f.Search, Email: f.Email, Action: f.Action, Object: f.Object, Product: fleet.ProductID(f.Product), From: f.From, To: f.To}
}

// FindDevices lists devices in the groups that are named, too. Names of groups the actor
// can't see select nothing.
func (a *API) FindDevices(ctx context.Context, who fleet.Actor, q fleet.DeviceQuery, groups route.GroupsQuery) (fleet.DeviceViews, error) {
	if groups.Given && len(groups.Names) > 0 {
		ids, err := a.groupIDs(ctx, who, q.Product, groups.Names)
		if err != nil {
			return fleet.DeviceViews{}, err
		}
		q.Groups = ids
		if len(ids) == 0 {
			return fleet.DeviceViews{}, nil
		}
	}
	return a.Registry.Devices(ctx, who, q)
}

// Choice returns nil for "", else whether text is true.
func Choice(text string) *bool {
	if text == "" {
		return nil
	}
	on := text == "true"
	return &on
}

// VersionParam parses the query parameter field; "" is the zero Version.
func VersionParam(field, text string) (fleet.Version, error) {
	if text == "" {
		return fleet.Version{}, nil
	}
	v, err := fleet.ParseVersion(text)
	if err != nil {
		return v, fleet.FieldErrorf(field, "%s", err)
	}
	return v, nil
}

// ParticleList is the parameters of Particle's list of devices that Muster ignores. Embedding
// them documents them and lets them through.
type ParticleList struct {
	Serial      string `query:"serialNumber" doc:"Accepted for Particle's clients and ignored: devices have one id"`
	Quarantined string `query:"quarantined" doc:"Accepted for Particle's clients and ignored: no device is quarantined"`
}

// ParticleImport is the parameter of Particle's import that Muster ignores.
type ParticleImport struct {
	ClaimUser string `query:"claim_user" doc:"Accepted for Particle's clients and ignored: devices belong to the team"`
}
