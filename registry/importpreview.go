package registry

import (
	"context"
	"errors"
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// PreviewImport returns what Import would do, if the actor may call it. It generates no secrets.
// It returns fleet.Unavailable until the index is built.
func (r *Registry) PreviewImport(ctx context.Context, actor fleet.Actor, order fleet.Import) (out fleet.ImportPreview, err error) {
	parts, err := r.importParts(ctx, actor, order)
	if err != nil {
		return out, err
	}
	if order.Gateway != "" {
		s, err := r.visible(ctx, actor, 0, order.Gateway)
		if err := gatewayError(order.Gateway, s, err); err != nil {
			return out, err
		}
	}
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return out, err
	}
	targets := map[fleet.Version]int{}
	for _, p := range parts {
		existing, missing := partition(groups, p.groups)
		if _, err := findFor(groups, p.catalog.Product.ID, existing); err != nil {
			return out, err
		}
		out.NewGroups = union(out.NewGroups, missing)
		if err := r.foresee(p, groupIDs(groups), targets, &out.Imported); err != nil {
			return out, err
		}
	}
	for v, n := range targets {
		out.Targets = append(out.Targets, fleet.VersionCount{Version: v, Devices: n})
	}
	slices.SortFunc(out.Targets, func(a, b fleet.VersionCount) int { return b.Version.Compare(a.Version) })
	return out, nil
}

// foresee sorts the devices of a part by their outcome, and counts what the new ones receive.
func (r *Registry) foresee(p *part, groups func([]string) []fleet.GroupID, targets map[fleet.Version]int, out *fleet.Imported) error {
	for id, n := range p.valid(out) {
		e, err := r.index.Entry(id)
		switch {
		case errors.Is(err, fleet.NotFound):
			out.Updated = append(out.Updated, id)
			if target, _, _ := precedence.Decide(precedence.Facts{Groups: groups(n.Groups)}, p.catalog); target.Valid() {
				targets[target]++
			}
		case err != nil:
			return err
		case e.Product == p.catalog.Product.ID:
			out.Existing = append(out.Existing, id)
		default:
			out.Nonmember = append(out.Nonmember, id)
		}
	}
	return nil
}
