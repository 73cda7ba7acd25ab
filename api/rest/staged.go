package rest

import (
	"context"
	"strconv"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// ReleasePath names a release with a plan.
type ReleasePath struct {
	ProductPath
	Release string `path:"release" doc:"Number of the release in its product" example:"3"`
	id      fleet.ReleaseID
}

// Find looks the product up and parses the number. A text that is not a number names no release.
func (p *ReleasePath) Find(ctx context.Context, a *API, who fleet.Actor) error {
	if err := p.ProductPath.Find(ctx, a, who); err != nil {
		return err
	}
	n, err := strconv.ParseUint(p.Release, 10, 32)
	if err != nil {
		return fleet.Errorf(fleet.NotFound, "no such release: %.40s", p.Release)
	}
	p.id = fleet.ReleaseID(n)
	return nil
}

// See looks the release up.
func (p *ReleasePath) See(ctx context.Context, a *API, who fleet.Actor) error {
	return a.Rollouts.See(ctx, who, p.product.ID, p.id)
}

func (a *API) listReleases(ctx context.Context, who fleet.Actor, in *ProductPath) (*route.Reply[[]api.StagedRelease], error) {
	releases, err := a.Rollouts.Releases(ctx, who, in.product.ID)
	if err != nil {
		return nil, err
	}
	names, err := a.Registry.GroupNames(ctx, who, in.product.ID)
	shown := make([]api.StagedRelease, 0, len(releases))
	for i := range releases {
		shown = append(shown, shownRelease(&releases[i], names))
	}
	return route.Answer(shown, err)
}

func (a *API) oneRelease(ctx context.Context, who fleet.Actor, in *ReleasePath) (*route.Reply[api.StagedRelease], error) {
	r, err := a.Rollouts.Release(ctx, who, in.product.ID, in.id)
	return a.answerRelease(ctx, who, in.product.ID, r, err)
}

func (a *API) actOnRelease(ctx context.Context, who fleet.Actor, in *struct {
	ReleasePath
	route.Input[api.ReleaseAction]
}) (*route.Reply[api.StagedRelease], error) {
	r, err := a.Rollouts.Act(ctx, who, in.product.ID, in.id, fleet.ReleaseAction(in.In.Action))
	return a.answerRelease(ctx, who, in.product.ID, r, err)
}

func (a *API) answerRelease(ctx context.Context, who fleet.Actor, product fleet.ProductID, r fleet.ReleaseView, err error) (*route.Reply[api.StagedRelease], error) {
	if err != nil {
		return nil, err
	}
	names, err := a.Registry.GroupNames(ctx, who, product)
	return route.Answer(shownRelease(&r, names), err)
}

// underWay is a firmware's release with a plan, nil for none.
func underWay(r fleet.Release) *api.ReleaseBrief {
	if r.ID == 0 {
		return nil
	}
	shown := brief(r)
	return &shown
}

func brief(r fleet.Release) api.ReleaseBrief {
	return api.ReleaseBrief{ID: uint32(r.ID), State: r.State.String(), Share: api.Percent{Share: r.Share}}
}

func shownRelease(r *fleet.ReleaseView, names map[fleet.GroupID]string) api.StagedRelease {
	out := api.StagedRelease{
		ReleaseBrief: brief(r.Release), Version: version(r.Version), Group: names[r.Group], Base: version(r.Base),
		Stage: r.Stage + 1, Held: api.Span{Duration: r.Held}, Why: r.Reason, Over: uint32(r.Over), Plan: api.PlanOf(r.Plan, names),
		By: r.By, Created: Moment(r.Created), Changed: Moment(r.Changed),
	}
	if r.State.Over() || r.Over != 0 {
		return out
	}
	n := r.Counts
	out.Devices = &api.ReleaseCounts{
		Targets: n.Targets, Reach: n.Reach, Running: n.Running, Confirmed: n.Confirmed, Failed: n.Failed, Lost: n.Lost, Unhealthy: n.Unhealthy,
		Updating: map[string]int{}, Waiting: map[string]int{}, Return: n.Return,
	}
	for state, devices := range n.Updating {
		if devices > 0 {
			out.Devices.Updating[state.String()] = devices
		}
	}
	for cause, devices := range n.Waiting {
		out.Devices.Waiting[cause] = devices
	}
	if r.Plan.Gate > 0 && r.Whole {
		out.Gate = &api.ReleaseGate{
			Ended: n.Ended(), Sample: r.Plan.Sample, Confirmed: n.Confirmed, Needed: api.Percent{Share: r.Plan.Gate},
		}
		if n.Ended() > 0 {
			out.Gate.Success = api.Percent{Share: fleet.Share(n.Confirmed * int(fleet.Whole) / n.Ended())} //nolint:gosec // at most Whole
		}
	}
	return out
}
