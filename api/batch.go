package api

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// deviceExample is an edit of one device.
const deviceExample = `{"name":"Hall","desired_firmware_version":7,"flash":true}`

// BatchUpdate changes many devices at once. What metadata holds depends on action.
type BatchUpdate struct {
	Action   string        `json:"action" enum:"groups,lock,unlock,development" doc:"groups takes add and remove; lock takes version and flash; development takes development"`
	Devices  []string      `json:"devices" doc:"Device ids, at most 10,000"`
	Metadata BatchMetadata `json:"metadata,omitzero"`
}

// BatchMetadata is what a BatchUpdate does.
type BatchMetadata struct {
	Add         Names    `json:"add,omitempty" doc:"Groups to join"`
	Remove      Names    `json:"remove,omitempty" doc:"Groups to leave"`
	Version     *Version `json:"version,omitempty" doc:"To lock to"`
	Flash       bool     `json:"flash,omitempty" doc:"With a lock: also at once, those that are online"`
	Development *bool    `json:"development,omitempty"`
}

// Done is the answer of a batch: ok, or with dry_run the impact it would have.
type Done struct {
	OK     bool    `json:"ok"`
	Impact *Impact `json:"impact,omitempty"`
}

// removed is the answer of a delete: nothing, or with dry_run the impact it would have.
type removed struct {
	Status int
	Body   *Impact
}

func removal(err error) (*removed, error) {
	if err != nil {
		return nil, err
	}
	return &removed{Status: http.StatusNoContent}, nil
}

func previewed(impact fleet.Impact, err error) (*removed, error) {
	if err != nil {
		return nil, err
	}
	shown := shownImpact(impact)
	return &removed{Status: http.StatusOK, Body: &shown}, nil
}

func (s *server) batch(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	Preview
	Input[BatchUpdate]
}) (*reply[Done], error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return nil, err
	}
	var ids []fleet.DeviceID
	for _, text := range in.In.Devices {
		id, err := fleet.ParseDeviceID(text)
		if err != nil {
			return nil, fleet.FieldErrorf("devices", "%s", err)
		}
		ids = append(ids, id)
	}
	m := in.In.Metadata
	if in.In.Action == "groups" {
		if err := m.checkNames(); err != nil {
			return nil, err
		}
		edit := fleet.GroupsEdit{Product: product.ID, Devices: ids, Add: m.Add, Remove: m.Remove}
		if in.DryRun {
			return foreseen(s.PreviewGroups(ctx, who, edit))
		}
		return answer(Done{OK: true}, about(s.EditGroups(ctx, who, edit), "groups", "metadata"))
	}
	edit, err := batchEdit(in.In.Action, m)
	if err != nil {
		return nil, err
	}
	edit.Product, edit.Devices = product.ID, ids
	if in.DryRun {
		return foreseen(s.PreviewDevices(ctx, who, edit))
	}
	return answer(Done{OK: true}, s.EditDevices(ctx, who, edit))
}

// checkNames names the one of the two lists that holds what no group is called.
func (m BatchMetadata) checkNames() error {
	for field, names := range map[string]Names{"metadata.add": m.Add, "metadata.remove": m.Remove} {
		for _, name := range names {
			if _, err := fleet.ParseGroupName(name); err != nil {
				return fleet.FieldErrorf(field, "%s", err)
			}
		}
	}
	return nil
}

func foreseen(impact fleet.Impact, err error) (*reply[Done], error) {
	shown := shownImpact(impact)
	return answer(Done{OK: true, Impact: &shown}, err)
}

// batchEdit reads what is to be done with the devices of a batch.
func batchEdit(action string, m BatchMetadata) (edit fleet.DevicesEdit, err error) {
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

func (s *server) updateDevice(ctx context.Context, who fleet.Actor, product fleet.ProductID, id fleet.DeviceID, u DeviceUpdate, seen string, dry bool) (*tagged[any], error) {
	if u.Groups.Null {
		return nil, fleet.FieldErrorf("groups", "groups is a list: send [] to take the device out of all groups")
	}
	edit := u.edit()
	edit.If = seen
	if dry {
		impact, err := s.PreviewDevice(ctx, who, product, id, edit)
		return answerTagged[any]("", shownImpact(impact), err)
	}
	v, err := s.EditDevice(ctx, who, product, id, edit)
	return answerTagged[any](v.Tag, Updated{Device: shownDevice(&v), At: time.Now().UTC()}, err)
}

func (s *server) deleteDevice(ctx context.Context, who fleet.Actor, product fleet.ProductID, id fleet.DeviceID, dry bool) (*removed, error) {
	if dry {
		return previewed(s.PreviewDelete(ctx, who, product, id))
	}
	return removal(s.DeleteDevice(ctx, who, product, id))
}
