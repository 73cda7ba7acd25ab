package console

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// firmwareRow is a version with the groups it is released to.
type firmwareRow struct {
	fleet.FirmwareView
	Tags []fleet.GroupView // of the groups that the actor sees
}

// versions returns the product's firmware and its groups.
func (v *visit) versions() ([]firmwareRow, []fleet.GroupView, error) {
	released, err := v.releases.Firmware(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return nil, nil, err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]firmwareRow, len(released))
	for i, f := range released {
		rows[i].FirmwareView = f
		for _, g := range groups {
			if slices.Contains(f.Groups, g.ID) {
				rows[i].Tags = append(rows[i].Tags, g)
			}
		}
	}
	return rows, groups, nil
}

// version returns the version in the path.
func (v *visit) version() (firmwareRow, []fleet.GroupView, error) {
	return v.versionNamed(v.r.PathValue("version"))
}

func (v *visit) versionNamed(text string) (firmwareRow, []fleet.GroupView, error) {
	rows, groups, err := v.versions()
	if err != nil {
		return firmwareRow{}, nil, err
	}
	row, err := findVersion(rows, text)
	return row, groups, err
}

func findVersion(rows []firmwareRow, text string) (firmwareRow, error) {
	wanted, err := fleet.ParseVersion(text)
	if err != nil {
		return firmwareRow{}, fleet.Errorf(fleet.NotFound, "no such version: %.80s", text)
	}
	for _, row := range rows {
		if row.Version.Equal(wanted) {
			return row, nil
		}
	}
	return firmwareRow{}, fleet.Errorf(fleet.NotFound, "no such version: %s", wanted)
}
