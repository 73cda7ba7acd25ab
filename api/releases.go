package api

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Release decides where a version is released. Groups and Default are absolute for the
// version when present and leave as it is when absent; a bare version makes it default.
type Release struct {
	Version     Version         `json:"version"`
	Groups      Optional[Names] `json:"groups,omitzero" doc:"Released to these groups and no others"`
	Default     *bool           `json:"product_default,omitempty"`
	Intelligent bool            `json:"intelligent,omitempty" doc:"Online devices get it at once; the others at their next handshake"`
}

// Impact is how many devices receive an update as a direct result of an action.
type Impact struct {
	Devices ImpactDevices `json:"devices"`
}

// ImpactDevices is Particle's wrapper.
type ImpactDevices struct {
	Update  ImpactUpdate  `json:"firmware_update"`
	Of      int           `json:"of" doc:"Devices looked at"`
	Blocked []ReasonCount `json:"blocked" doc:"Devices whose target changes but that can't get it now, and why"`
}

// ImpactUpdate is the devices that will get an update.
type ImpactUpdate struct {
	Total     int            `json:"total"`
	ByVersion []VersionCount `json:"by_version" doc:"By the version they will receive"`
	Due       int            `json:"due" doc:"Of a release: devices beside the total whose target it is already and that don't run it yet; an immediate release sends it to them, too"`
}

// VersionCount counts devices by a version.
type VersionCount struct {
	Version Version `json:"version"`
	Total   int     `json:"total"`
}

// ReasonCount counts devices by a word.
type ReasonCount struct {
	Reason string `json:"reason"`
	Total  int    `json:"total"`
}

// Progress is how far a release has come.
type Progress struct {
	Version Version        `json:"version"`
	Devices int            `json:"devices" doc:"Devices whose target it is"`
	Running int            `json:"running" doc:"Of them, those that run it"`
	States  map[string]int `json:"states" doc:"Of the rest, by the state of their last update to it; none: not tried yet"`
}

func (s *server) releases() {
	add(s, route{id: "ReleaseFirmware", method: http.MethodPut, path: "/v1/products/{product}/firmware/release", summary: "Release a version to groups or as the product default", tag: "releases", access: needs(fleet.ReleaseToGroup),
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed}, example: `{"version":7,"groups":["beta"],"product_default":false,"intelligent":true}`}, s.release)
	add(s, route{id: "GetImpact", method: http.MethodGet, path: "/v1/products/{product}/impact", summary: "What a release would do", tag: "releases", access: needs(fleet.ReleaseToGroup)}, s.impact)
	add(s, route{id: "GetProgress", method: http.MethodGet, path: "/v1/products/{product}/firmware/{version}/progress", summary: "How far the release of a version has come", tag: "releases", access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *FirmwarePath) (*reply[Progress], error) {
			product, v, err := s.firmwareOf(ctx, who, *in)
			if err != nil {
				return nil, err
			}
			p, err := s.ota.Progress(ctx, who, product, v)
			out := Progress{Version: Version{p.Version}, Devices: p.Devices, Running: p.Running, States: map[string]int{}}
			for state, n := range p.States {
				if word := state.String(); word != "" {
					out.States[word] = n
				} else {
					out.States["none"] = n
				}
			}
			return answer(out, err)
		})
}

func (s *server) release(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	Preview
	IfMatch
	Input[Release]
}) (*tagged[any], error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return nil, err
	}
	if in.In.Groups.Null {
		return nil, fleet.FieldErrorf("groups", "groups is a list: send [] to take the version back from all groups")
	}
	order, err := s.order(ctx, who, product.ID, in.In)
	if err != nil {
		return nil, err
	}
	order.If = in.seen
	if in.DryRun {
		impact, err := s.ota.Impact(ctx, who, product.ID, order)
		return answerTagged[any]("", shownImpact(impact), err)
	}
	released, err := s.ota.Release(ctx, who, product.ID, order)
	if err != nil {
		return nil, err
	}
	one, err := s.oneFirmware(ctx, who, released, nil)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	one.Body.Intelligent, one.Body.Updated = order.Now, &now
	return answerTagged[any](released.Tag, one.Body, nil)
}

// impact takes Particle's query. There, an absent groups means no groups.
func (s *server) impact(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	GroupsQuery
	Action  string `query:"action" enum:"edit_groups_for_firmware" default:"edit_groups_for_firmware"`
	Version string `query:"firmware_version" required:"true" example:"7"`
	Default string `query:"product_default" enum:"true,false" doc:"Absent: as it is"`
}) (*reply[Impact], error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return nil, err
	}
	v, err := versionParam("firmware_version", in.Version)
	if err != nil {
		return nil, err
	}
	order, err := s.order(ctx, who, product.ID, Release{Version: Version{v}, Groups: Some(in.names), Default: choice(in.Default)})
	if err != nil {
		return nil, err
	}
	impact, err := s.ota.Impact(ctx, who, product.ID, order)
	return answer(shownImpact(impact), err)
}

func (s *server) order(ctx context.Context, who fleet.Actor, product fleet.ProductID, r Release) (fleet.ReleaseOrder, error) {
	order := fleet.ReleaseOrder{Version: r.Version.Version, Default: r.Default, Now: r.Intelligent}
	if order.Version.IsZero() {
		return order, fleet.FieldErrorf("version", "the version is missing")
	}
	if !r.Groups.Set {
		return order, nil
	}
	ids, err := s.exactGroupIDs(ctx, who, product, r.Groups.Value)
	order.Groups = &ids
	return order, err
}

func shownImpact(i fleet.Impact) Impact {
	out := Impact{Devices: ImpactDevices{Of: i.Of, Update: ImpactUpdate{Total: i.Total, ByVersion: []VersionCount{}, Due: i.Due}, Blocked: []ReasonCount{}}}
	for _, row := range i.ByVersion {
		out.Devices.Update.ByVersion = append(out.Devices.Update.ByVersion, VersionCount{Version{row.Version}, row.Devices})
	}
	for _, row := range i.Blocked {
		out.Devices.Blocked = append(out.Devices.Blocked, ReasonCount{row.Reason, row.Devices})
	}
	return out
}
