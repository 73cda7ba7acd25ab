package console

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/rehearsal"
)

// rehearsalBody is the page of a rehearsed release.
type rehearsalBody struct {
	releaseBody
	*rehearsal.Report
	Phases      []phaseChoice
	Phase, Part string // of the fault that is assumed; "": none
}

// phaseChoice is where updates may be assumed to fail.
type phaseChoice struct {
	Name rehearsal.Phase
	Text string
}

var phaseChoices = []phaseChoice{
	{rehearsal.AtDownload, "while they download"}, {rehearsal.AtVerify, "when they verify the image"},
	{rehearsal.AtApply, "after the restart: they fall back"}, {rehearsal.AtReturn, "after the restart: they are not heard of"},
}

// rehearsalPage runs the release that the form describes on a copy of the fleet.
func (v releasePages) rehearsalPage() error {
	order, body, err := v.order()
	if err != nil {
		return v.again("plan", body, err)
	}
	b := rehearsalBody{releaseBody: body, Phases: phaseChoices, Phase: v.text("phase"), Part: v.text("part")}
	var faults []rehearsal.Fault
	if b.Part != "" {
		part, err := share(b.Part)
		if err != nil {
			return v.again("plan", body, err)
		}
		faults = []rehearsal.Fault{{Phase: rehearsal.Phase(b.Phase), Share: part}}
	}
	order.If = ""
	if b.Report, err = v.rehearsals.Rehearse(v.ctx(), v.actor, v.product.ID, order, faults); err != nil {
		return v.again("plan", body, err)
	}
	return v.show("rehearsal", "Rehearsal of the release of version "+body.Version.String(), b)
}

// Ends is the state of the release at the end, as a fleet.ReleaseState.
func (b rehearsalBody) Ends() fleet.ReleaseState { return b.State }

// Done are when parts of the devices were confirmed.
func (b rehearsalBody) Done() []rehearsedPart {
	return []rehearsedPart{{"50 %", b.Half}, {"90 %", b.Most}, {"99 %", b.Nearly}}
}

// rehearsedPart is when a part of the devices was confirmed; 0: never.
type rehearsedPart struct {
	Name string
	At   time.Duration
}
