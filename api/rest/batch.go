package rest

import (
	"context"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// batchInput changes many devices of a product.
type batchInput struct {
	ProductPath
	Preview
	route.Input[api.BatchUpdate]
}

// See previews the edit, which looks at all devices in the body.
func (in *batchInput) See(ctx context.Context, a *API, who fleet.Actor) error {
	preview := *in
	preview.DryRun = true
	_, err := a.updateMany(ctx, who, &preview)
	return err
}

func (a *API) updateMany(ctx context.Context, who fleet.Actor, in *batchInput) (*route.Reply[api.Done], error) {
	var ids []fleet.DeviceID
	for _, text := range in.In.Devices {
		id, err := fleet.ParseDeviceID(text)
		if err != nil {
			return nil, fleet.FieldErrorf("devices", "%s", err)
		}
		ids = append(ids, id)
	}
	if in.In.Action == "groups" {
		return a.updateGroups(ctx, who, in, ids)
	}
	edit, err := batchEdit(in.In.Action, in.In.Metadata)
	if err != nil {
		return nil, err
	}
	edit.Product, edit.Devices = in.product.ID, ids
	if in.DryRun {
		return batchPreview(a.Registry.PreviewDevices(ctx, who, edit))
	}
	return route.Answer(api.Done{OK: true}, a.Registry.EditDevices(ctx, who, edit))
}

func (a *API) updateGroups(ctx context.Context, who fleet.Actor, in *batchInput, ids []fleet.DeviceID) (*route.Reply[api.Done], error) {
	m := in.In.Metadata
	if err := checkNames(m); err != nil {
		return nil, err
	}
	edit := fleet.GroupsEdit{Product: in.product.ID, Devices: ids, Add: m.Add, Remove: m.Remove}
	if in.DryRun {
		return batchPreview(a.Registry.PreviewGroups(ctx, who, edit))
	}
	return route.Answer(api.Done{OK: true}, route.About(a.Registry.EditGroups(ctx, who, edit), "groups", "metadata"))
}

// checkNames returns an error about the list with a name that no group can have.
func checkNames(m api.BatchMetadata) error {
	for field, names := range map[string]api.Names{"metadata.add": m.Add, "metadata.remove": m.Remove} {
		for _, name := range names {
			if _, err := fleet.ParseGroupName(name); err != nil {
				return fleet.FieldErrorf(field, "%s", err)
			}
		}
	}
	return nil
}

func batchPreview(impact fleet.Impact, err error) (*route.Reply[api.Done], error) {
	shown := ShownImpact(impact)
	return route.Answer(api.Done{OK: true, Impact: &shown}, err)
}

// batchEdit is the edit that an action with metadata stands for.
func batchEdit(action string, m api.BatchMetadata) (edit fleet.DevicesEdit, err error) {
	switch action {
	case "lock":
		if m.Version == nil || m.Version.IsZero() {
			return edit, fleet.FieldErrorf("metadata.version", "the version to lock to is missing")
		}
		edit.Lock, edit.Flash = &m.Version.Version, m.Flash
	case "unlock":
		edit.Lock = &fleet.Version{}
	case "development":
		if m.Development == nil {
			return edit, fleet.FieldErrorf("metadata.development", "development is missing: send true or false")
		}
		edit.Development = m.Development
	default:
		return edit, fleet.FieldErrorf("action", "action %.40q: use groups, lock, unlock or development", action)
	}
	return edit, nil
}
