package console

import (
	"errors"
	"net/http"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// releasePages release a version: choose, then confirm.
type releasePages struct{ *visit }

// releaseBody is the two pages of a release: choose, then confirm.
type releaseBody struct {
	firmwareRow
	Picker  picker
	Problem string            // why the choice is invalid
	Chosen  []fleet.GroupView // on the second page
	Ended   []fleet.GroupView // groups it is withdrawn from
	Default bool              // requested as product default
	Now     bool
	Before  fleet.Version // the product default until then; zero: none
	Impact  fleet.Impact
	Names   []string // chosen group names, for the form
}

// Replaces names what each of the version's new targets has now.
func (b releaseBody) Replaces() (said []string) {
	for _, g := range b.Chosen {
		if !g.Release.IsZero() && !g.Release.Equal(b.Version) {
			said = append(said, "version "+g.Release.String()+" in "+g.Name)
		}
	}
	if b.Default && b.Before.Valid() && !b.Before.Equal(b.Version) {
		said = append(said, "version "+b.Before.String()+" as product default")
	}
	return said
}

// Takes reports whether the version is withdrawn as product default.
func (b releaseBody) Takes() bool { return b.FirmwareView.Default && !b.Default }

// Nothing reports whether the version is released nowhere afterwards.
func (b releaseBody) Nothing() bool { return len(b.Chosen) == 0 && !b.Default }

func (v releasePages) releasePage() error {
	row, groups, err := v.version()
	if err != nil {
		return err
	}
	if err := v.mayRelease(); err != nil {
		return err
	}
	b := releaseBody{firmwareRow: row, Default: row.Default}
	b.Picker = v.pick(groups, func(g fleet.GroupView) bool { return slices.Contains(row.Groups, g.ID) })
	return v.show("release", "Release version "+row.Version.String(), b)
}

// mayRelease checks the least right that a release requires; each target is checked later.
func (v releasePages) mayRelease() error { return v.may(fleet.UploadFirmware) }

// order reads the form of a release. The product default stays as it is for users who may not
// release it: their form lacks the field.
func (v releasePages) order() (fleet.ReleaseOrder, releaseBody, error) {
	rows, groups, err := v.versions()
	if err != nil {
		return fleet.ReleaseOrder{}, releaseBody{}, err
	}
	row, err := findVersion(rows, v.r.PathValue("version"))
	if err != nil {
		return fleet.ReleaseOrder{}, releaseBody{}, err
	}
	b := releaseBody{firmwareRow: row, Default: row.Default, Now: v.text("now") != ""}
	for _, other := range rows {
		if other.Default {
			b.Before = other.Version
		}
	}
	ids := []fleet.GroupID{}
	b.Names = v.names("group")
	b.Picker = v.pick(groups, named(b.Names))
	for _, name := range b.Names {
		i := slices.IndexFunc(groups, func(g fleet.GroupView) bool { return g.Name == name })
		if i < 0 {
			return fleet.ReleaseOrder{}, b, fleet.FieldErrorf("group", "no such group: %.80s", name)
		}
		ids = append(ids, groups[i].ID)
		b.Chosen = append(b.Chosen, groups[i])
	}
	for _, g := range row.Tags {
		if !slices.Contains(ids, g.ID) {
			b.Ended = append(b.Ended, g)
		}
	}
	order := fleet.ReleaseOrder{Version: row.Version, Groups: &ids, Now: b.Now, If: v.seen()}
	if v.may(fleet.ReleaseDefault) == nil {
		b.Default = v.text("default") != ""
		order.Default = &b.Default
	}
	return order, b, nil
}

func (v releasePages) confirmPage() error {
	order, body, err := v.order()
	if errors.Is(err, fleet.Invalid) {
		body.Problem, v.code = sentence(err), http.StatusUnprocessableEntity
		return v.show("release", "Release version "+body.Version.String(), body)
	}
	if err != nil {
		return err
	}
	if body.Nothing() && len(body.Ended) == 0 && !body.Takes() {
		body.Problem, v.code = "Choose a group or the product default first.", http.StatusUnprocessableEntity
		return v.show("release", "Release version "+body.Version.String(), body)
	}
	if body.Impact, err = v.releases.Impact(v.ctx(), v.actor, v.product.ID, order); err != nil {
		return err
	}
	return v.show("confirm", "Confirm the release of version "+body.Version.String(), body)
}

func (v releasePages) release() error {
	order, body, err := v.order()
	if err != nil {
		return err
	}
	if _, err := v.releases.Release(v.ctx(), v.actor, v.product.ID, order); err != nil {
		return err
	}
	said := "Released version " + body.Version.String() + ". Devices get it at their next handshake."
	switch {
	case body.Nothing():
		said = "Version " + body.Version.String() + " is no longer released."
	case body.Now:
		said = "Released version " + body.Version.String() + ". Online devices get it now, the others at their next handshake."
	}
	progress := v.at("/firmware/" + body.Version.String())
	return v.doneWith(v.at("/firmware"), notice{said, progress, "Follow its progress"})
}
