package console

import (
	"errors"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// releasePages release a version: targets, plan, confirm.
type releasePages struct{ *visit }

// releaseBody is the pages of a release: targets, plan, confirm.
type releaseBody struct {
	firmwareRow
	Picker  picker
	Problem string            // why the choice is invalid
	Chosen  []fleet.GroupView // after the first page
	Ended   []fleet.GroupView // groups it is withdrawn from
	Default bool              // released as product default then
	Asked   bool              // the product default was requested
	Now     bool
	Before  fleet.Version // the product default until then; zero: none
	Impact  fleet.Impact  // of the release, with a plan at 100 %
	Names   []string      // chosen group names, for the form
	Plan    planForm
	Stages  []stageImpact     // on the last page, with a plan
	Groups  []fleet.GroupView // the product's, to choose a canary from
	Later   string            // what follows a canary group, "" otherwise
}

// stageImpact is what a release does up to a stage of its plan.
type stageImpact struct {
	fleet.ReleaseStage
	Devices int // that have received the version by then
	New     int // of them, in this stage
	Online  int // of Devices, now
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

// Adds is the number of targets that the version is not released to yet.
func (b releaseBody) Adds() (n int) {
	for _, g := range b.Chosen {
		if !slices.ContainsFunc(b.Tags, func(tag fleet.GroupView) bool { return tag.ID == g.ID }) {
			n++
		}
	}
	if b.Default && !b.FirmwareView.Default {
		n++
	}
	return n
}

// Choice is the query of the targets, for the address of another step.
func (b releaseBody) Choice() template.URL { return encoded(b.choice()) }

func (b releaseBody) choice() url.Values {
	q := url.Values{}
	for _, g := range b.Names {
		q.Add("group", g)
	}
	if b.Asked {
		q.Set("default", "yes")
	}
	if b.Now {
		q.Set("now", "yes")
	}
	return q
}

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
// release it: their form lacks the field. The body is filled in as far as the form can be read.
func (v releasePages) order() (order fleet.ReleaseOrder, b releaseBody, err error) {
	rows, groups, err := v.versions()
	if err != nil {
		return order, b, err
	}
	row, err := findVersion(rows, v.r.PathValue("version"))
	if err != nil {
		return order, b, err
	}
	b = releaseBody{firmwareRow: row, Default: row.Default, Now: v.text("now") != "", Names: v.names("group"), Plan: v.planForm(), Groups: groups}
	for _, other := range rows {
		if other.Default {
			b.Before = other.Version
		}
	}
	b.Picker = v.pick(groups, named(b.Names))
	for _, name := range b.Names {
		i := slices.IndexFunc(groups, func(g fleet.GroupView) bool { return g.Name == name })
		if i < 0 {
			return order, b, fleet.FieldErrorf("group", "no such group: %.80s", name)
		}
		b.Chosen = append(b.Chosen, groups[i])
	}
	mayDefault := v.may(fleet.ReleaseDefault) == nil
	if mayDefault {
		b.Default = v.text("default") != ""
	}
	if b.Asked = b.Default; b.Adds() == 0 {
		b.Plan = presetForm(planOnce, "") // nothing is added that could grow
	}
	order = fleet.ReleaseOrder{Version: row.Version, Now: b.Now, If: v.seen()}
	if order.Plan, err = b.Plan.plan(); err != nil {
		return order, b, err
	}
	if b.Plan.Preset == planCanary {
		if err := b.canaryFirst(groups); err != nil {
			return order, b, err
		}
	}
	ids := []fleet.GroupID{}
	for _, g := range b.Chosen {
		ids = append(ids, g.ID)
	}
	order.Groups = &ids
	for _, g := range row.Tags {
		if !slices.Contains(ids, g.ID) {
			b.Ended = append(b.Ended, g)
		}
	}
	if mayDefault {
		order.Default = &b.Default
	}
	return order, b, nil
}

// canaryFirst replaces what was chosen by the canary group, and where the version is released
// already.
func (b *releaseBody) canaryFirst(groups []fleet.GroupView) error {
	i := slices.IndexFunc(groups, func(g fleet.GroupView) bool { return g.Name == b.Plan.Canary })
	if i < 0 {
		return fleet.FieldErrorf("canary", "choose the group that gets the version first")
	}
	var later []string
	for _, g := range b.Chosen {
		if g.ID != groups[i].ID {
			later = append(later, g.Name)
		}
	}
	if b.Default && !b.FirmwareView.Default {
		later = append(later, "product default")
	}
	b.Later, b.Default = strings.Join(later, ", "), b.FirmwareView.Default
	b.Chosen = slices.Clone(b.Tags)
	if !slices.ContainsFunc(b.Tags, func(g fleet.GroupView) bool { return g.ID == groups[i].ID }) {
		b.Chosen = append(b.Chosen, groups[i])
	}
	return nil
}

// planPage asks how the release grows. A release that adds no target has no plan.
func (v releasePages) planPage() error {
	if err := v.mayRelease(); err != nil {
		return err
	}
	_, body, err := v.order()
	if errors.Is(err, fleet.Invalid) && body.Names != nil && len(body.Chosen) == len(body.Names) { // the plan is chosen on this page
		err = nil
	}
	if err != nil {
		return v.again("release", body, err)
	}
	if body.Adds() == 0 && body.Plan.Preset == planOnce {
		return v.redirect(v.at("/firmware/"+body.Version.String()) + "/confirm?" + body.choice().Encode())
	}
	return v.show("plan", "Plan the release of version "+body.Version.String(), body)
}

// again shows a step once more, with what is wrong with it.
func (v releasePages) again(step string, body releaseBody, err error) error {
	if !errors.Is(err, fleet.Invalid) && !errors.Is(err, fleet.Conflict) {
		return err
	}
	body.Problem, v.code = sentence(err), status(err)
	return v.show(step, "Release version "+body.Version.String(), body)
}

func (v releasePages) confirmPage() error {
	order, body, err := v.order()
	step := "release"
	if body.Plan.Staged() {
		step = "plan"
	}
	if err == nil && body.Nothing() && len(body.Ended) == 0 && !body.Takes() {
		err = fleet.Errorf(fleet.Invalid, "choose a group or the product default first")
	}
	if err != nil {
		return v.again(step, body, err)
	}
	if body.Stages, body.Impact, err = v.impacts(order); err != nil {
		return v.again(step, body, err)
	}
	return v.show("confirm", "Confirm the release of version "+body.Version.String(), body)
}

// impacts previews an order: each stage of its plan, and all of it.
func (v releasePages) impacts(order fleet.ReleaseOrder) (stages []stageImpact, whole fleet.Impact, err error) {
	if order.Plan == nil {
		whole, err = v.releases.Impact(v.ctx(), v.actor, v.product.ID, order)
		return nil, whole, err
	}
	before := 0
	for i, stage := range order.Plan.Stages {
		from := order.Plan.Clone()
		from.Stages, from.Start = from.Stages[i:], time.Time{}
		order := order
		order.Plan = &from
		if whole, err = v.releases.Impact(v.ctx(), v.actor, v.product.ID, order); err != nil {
			return nil, whole, err
		}
		stages = append(stages, stageImpact{stage, whole.Total, whole.Total - before, whole.Online})
		before = whole.Total
	}
	return stages, whole, nil
}

func (v releasePages) release() error {
	order, body, err := v.order()
	if err != nil {
		return err
	}
	done, err := v.releases.Release(v.ctx(), v.actor, v.product.ID, order)
	if err != nil {
		return err
	}
	if order.Plan != nil && done.Staged.ID != 0 {
		return v.done(v.at("/releases/"+done.Staged.ID.String()), "Release "+done.Staged.ID.String()+" of version "+body.Version.String()+" has begun.")
	}
	said := "Released version " + body.Version.String() + ". Devices get it at their next handshake."
	switch {
	case body.Nothing():
		said = "Version " + body.Version.String() + " is no longer released."
	case body.Now:
		said = "Released version " + body.Version.String() + ". Online devices get it now, the others at their next handshake."
	}
	if n := done.Cooling.Devices; n > 0 {
		said += " " + cooling(done.Cooling)
	}
	progress := v.at("/firmware/" + body.Version.String())
	return v.doneWith(v.at("/firmware"), notice{said, progress, "Follow its progress"})
}
