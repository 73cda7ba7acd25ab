package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

func (a *API) releases() route.Table {
	const firmware, staged = "/v1/products/{product}/firmware", "/v1/products/{product}/releases"
	return route.Table{Tag: "releases", Routes: []route.Route{
		route.Put("ReleaseFirmware", firmware+"/release", "Release a version to groups or as the product default",
			route.Needs(fleet.ReleaseToGroup), a.release).
			Fails(http.StatusConflict, http.StatusPreconditionFailed).
			Example(`{"version":7,"groups":["beta"],"product_default":false,"plan":{"stages":[{"share":"10%","hold":"24h"},{"share":"100%"}],"gate":{"success":"98%"},"halt":{"failures":"5%"}}}`),
		route.Get("GetProgress", firmware+"/{version}/progress", "How far the release of a version has come", route.Needs(fleet.SeeTeam), a.progress),
		route.Get("ListReleases", staged, "Releases with a plan, newest first: those under way, and the last that ended", route.Needs(fleet.SeeTeam), a.listReleases),
		route.Get("GetRelease", staged+"/{release}", "One release with a plan", route.Needs(fleet.SeeTeam), a.oneRelease),
		route.Post("ActOnRelease", staged+"/{release}/actions", "Approve, pause, resume, halt, revert or finish a release",
			route.Needs(fleet.ReleaseToGroup), a.actOnRelease).
			Fails(http.StatusConflict).Example(`{"action":"halt"}`),
	}}
}

func (a *API) release(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	Preview
	route.IfMatch
	route.Input[api.Release]
}) (*route.Tagged[any], error) {
	if in.In.Groups.Null {
		return nil, fleet.FieldErrorf("groups", "groups is a list: send [] to withdraw the version from all groups")
	}
	order, err := a.Order(ctx, who, in.product.ID, in.In)
	if err != nil {
		return nil, err
	}
	order.If = in.Seen
	if in.DryRun {
		impact, err := a.Releases.Impact(ctx, who, in.product.ID, order)
		return route.AnswerTagged[any]("", ShownImpact(impact), err)
	}
	released, err := a.Releases.Release(ctx, who, in.product.ID, order)
	if err != nil {
		return nil, err
	}
	one, err := a.AnswerFirmware(ctx, who, released, nil)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	one.Body.Intelligent, one.Body.Updated, one.Body.Cooling = order.Now, &now, shownCooling(released.Cooling)
	return route.AnswerTagged[any](released.Tag, one.Body, nil)
}

func (a *API) progress(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*route.Reply[api.Progress], error) {
	p, err := a.Releases.Progress(ctx, who, in.product.ID, in.version)
	out := api.Progress{Version: version(p.Version), Devices: p.Devices, Running: p.Running, States: map[string]int{}}
	for state, n := range p.States {
		if word := state.String(); word != "" {
			out.States[word] = n
		} else {
			out.States["none"] = n
		}
	}
	return route.Answer(out, err)
}

// Order is a release with the ids of its groups.
func (a *API) Order(ctx context.Context, who fleet.Actor, product fleet.ProductID, r api.Release) (fleet.ReleaseOrder, error) {
	order := fleet.ReleaseOrder{Version: r.Version.Version, Default: r.Default, Now: r.Intelligent}
	if r.Plan != nil {
		plan, err := r.Plan.Fleet(func(name string) (fleet.GroupID, error) {
			ids, err := a.exactGroupIDs(ctx, who, product, []string{name})
			if err != nil {
				return 0, err
			}
			return ids[0], nil
		})
		if err != nil {
			return order, err
		}
		order.Plan = &plan
	}
	if order.Version.IsZero() {
		return order, fleet.FieldErrorf("version", "the version is missing")
	}
	if !r.Groups.Set {
		return order, nil
	}
	ids, err := a.exactGroupIDs(ctx, who, product, r.Groups.Value)
	order.Groups = &ids
	return order, err
}

// ShownImpact is an impact in Particle's shape.
func ShownImpact(i fleet.Impact) api.Impact {
	byVersion := make([]api.VersionCount, 0, len(i.ByVersion))
	for _, row := range i.ByVersion {
		byVersion = append(byVersion, api.VersionCount{Version: version(row.Version), Total: row.Devices})
	}
	blocked := make([]api.ReasonCount, 0, len(i.Blocked))
	for _, row := range i.Blocked {
		blocked = append(blocked, api.ReasonCount{Reason: row.Reason, Total: row.Devices})
	}
	moves := make([]api.MoveCount, 0, len(i.Moves))
	for _, row := range i.Moves {
		moves = append(moves, api.MoveCount{From: api.Reported{Version: row.From}, To: version(row.To), Lower: row.Lower(), Total: row.Devices})
	}
	update := api.ImpactUpdate{Total: i.Total, ByVersion: byVersion, Moves: moves, Online: i.Online, Due: i.Due}
	return api.Impact{Devices: api.ImpactDevices{Update: update, Of: i.Of, Ends: i.Ends, Blocked: blocked, Cooling: shownCooling(i.Cooling)}}
}

func shownCooling(c fleet.Cooling) *api.Cooling {
	if c.Devices == 0 {
		return nil
	}
	shown := api.Cooling{Total: c.Devices, AtLeast: c.AtLeast, Until: Moment(c.Until)}
	for _, one := range c.First {
		shown.Devices = append(shown.Devices, api.CoolingOne{ID: one.Device.String(), Until: Moment(one.Until)})
	}
	return &shown
}
