package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
)

// Each number on the page of a release is the number of devices in the list behind it.
func TestNumbersOfAReleaseLeadToItsDevices(t *testing.T) {
	w := withDevices(t)
	p := fleet.CarefulPlan()
	p.Stages = p.Stages[3:]
	id := w.beginRelease(1, p)
	var ids []string
	for i := range 12 {
		ids = append(ids, fmt.Sprintf("e-%02d", i))
	}
	must[fleet.Imported](t)(w.registry.Import(t.Context(), owner, fleet.Import{Product: 1, Devices: fleet.NewDevices(ids...)}))
	one, other := fleet.WholeVersion(1), fleet.ReportedVersion("0.9.0")
	for i, state := range []fleet.UpdateState{fleet.Confirmed, fleet.Confirmed, fleet.Confirmed, fleet.Failed, fleet.RolledBack, fleet.Downloading, fleet.Applying} {
		w.setDevice(fleet.DeviceID(ids[i]), func(d *fleet.Device) {
			d.Running = other
			d.UpdatesOn = true
			if d.Update = (fleet.Update{State: state, To: one, Release: id, From: other}); state == fleet.Confirmed {
				d.Running = one
			}
			if state == fleet.Failed || state == fleet.RolledBack {
				d.Attempts = fleet.Attempts{Target: one, Spent: 1}
			}
		})
	}
	w.setDevice("e-08", func(d *fleet.Device) { d.Running, d.Disabled = other, true })
	w.setDevice("e-09", func(d *fleet.Device) { d.Running, d.UpdatesOn = other, false })
	view := must[fleet.ReleaseView](t)(w.rollouts.Release(t.Context(), owner, 1, id))
	n := view.Counts
	if n.Confirmed != 3 || n.Failed != 2 || n.Updating[fleet.Downloading] != 1 || n.Waiting["disabled"] != 1 {
		t.Fatalf("the counts are not what the devices are: %+v", n)
	}
	b := rolloutBody{rolloutRow: rolloutRow{ReleaseView: view}}
	links := 0
	for _, part := range b.Burn() {
		if part.Query == "" || part.Devices == 0 {
			continue
		}
		links++
		w.verifyListed(string(part.Query), part.Devices)
	}
	for _, c := range b.Causes() {
		links++
		w.verifyListed(string(c.Query), c.Devices)
	}
	if links < 6 {
		t.Errorf("only %d numbers lead to devices", links)
	}
}

// verifyListed verifies how many devices the list with this filter has.
func (w *world) verifyListed(query string, want int) {
	w.t.Helper()
	page := body(w.t, w.send(http.MethodGet, "/p/lamp/devices?"+query, nil, w.signed))
	if !strings.Contains(page, fmt.Sprintf(`<span class="count">%d</span>`, want)) {
		w.t.Errorf("%s does not list %d devices:\n%s", query, want, page)
	}
}

func weekdays(t *testing.T, text string) calendar.Days {
	days, err := calendar.ParseDays(text)
	if err != nil {
		t.Fatal(err)
	}
	return days
}

func TestAPlanSurvivesItsForm(t *testing.T) {
	w := withLamp(t)
	start := time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)
	for name, p := range map[string]fleet.ReleasePlan{
		"careful": fleet.CarefulPlan(),
		"all of it": {
			Start: start, Stages: []fleet.ReleaseStage{{Share: 50, Hold: 90 * time.Minute, Approve: true}, {Share: 1250}, {Share: fleet.Whole, Hold: 36 * time.Hour, Approve: true}},
			Sample: 7, Gate: 9950, Halt: fleet.ReleaseHalt{Failures: fleet.Bar{Devices: 3}, Lost: fleet.Bar{Share: 25}, Return: time.Hour}, Revert: true,
		},
		"windows and limits": {
			Stages: []fleet.ReleaseStage{{Share: 100}, {Share: fleet.Whole}}, Sample: 20, Ask: true, Spread: true,
			Halt: fleet.ReleaseHalt{Return: time.Hour, Unhealthy: fleet.Bar{Share: 300}, Soak: 2 * time.Hour},
			Windows: []calendar.Window{
				{Days: weekdays(t, "mon-fri"), From: time.Hour, To: 5 * time.Hour, Zone: "Europe/Berlin"}, {Days: weekdays(t, ""), From: 22 * time.Hour, To: 4 * time.Hour, Zone: "device"},
			},
			Limits: fleet.ReleaseLimits{AtOnce: 200, Hourly: 30000, Most: 120000, Group: 1000, Behind: 2},
		},
		"no bars": {Stages: []fleet.ReleaseStage{{Share: fleet.Whole}}, Sample: 20, Halt: fleet.ReleaseHalt{Return: 30 * time.Minute}},
	} {
		form := formOf("careful", "", p)
		if p.Gate == 0 {
			form.Success = ""
		}
		if !p.Start.IsZero() {
			form.Start = p.Start.Format(startLayout)
		}
		again := w.visit("/?" + form.values().Encode()).planForm()
		got, err := again.plan()
		if err != nil || cmp.Diff(*got, p) != "" {
			t.Errorf("%s: %v\n%s", name, err, cmp.Diff(got, &p))
		}
	}
}

func TestAPlanWithAMistakeIsShownAgainWithIt(t *testing.T) {
	w := withDevices(t)
	for name, row := range map[string]struct {
		change url.Values
		want   string
	}{
		"no share":     {url.Values{"share": {"ten %"}}, "is not a share"},
		"it shrinks":   {url.Values{"share": {"50 %", "10 %", "100 %"}}, "has to grow"},
		"never whole":  {url.Values{"share": {"50 %"}}, "last stage has to be 100%"},
		"no time":      {url.Values{"hold": {"a day"}}, "is not a time span"},
		"no bar":       {url.Values{"failures": {"some"}}, "is not a bar"},
		"no number":    {url.Values{"sample": {"many"}}, "whole number"},
		"no window":    {url.Values{"windows": {"at night"}}, "use days, hours and a zone"},
		"no zone":      {url.Values{"windows": {"01:00-05:00 Nowhere/Town"}}, "use days, hours and a zone"},
		"no rate":      {url.Values{"rate": {"fast"}}, "is not a rate"},
		"no devices":   {url.Values{"per_gateway": {"-1"}}, "whole number of devices"},
		"too slow":     {url.Values{"rate": {"500/min"}, "max_rate": {"100/min"}}, "rate above"},
		"no moment":    {url.Values{"start": {"tomorrow"}}, "a date and a time"},
		"no canary":    {url.Values{"plan": {"canary"}}, "Choose the group that gets the version first"},
		"a wrong name": {url.Values{"plan": {"canary"}, "canary": {"nobody"}}, "Choose the group that gets the version first"},
	} {
		q := presetForm(planCareful, "").values()
		q.Set("default", "yes")
		for field, values := range row.change {
			q[field] = values
		}
		answer := w.send(http.MethodGet, "/p/lamp/firmware/1/confirm?"+q.Encode(), nil, w.signed)
		page := body(t, answer)
		if answer.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, row.want) || !strings.Contains(page, `aria-label="Share of stage 1"`) {
			t.Errorf("%s: got %d, want 422 with the form and %q:\n%s", name, answer.StatusCode, row.want, page)
		}
	}
}

// A canary group gets the version alone; the target is left for later.
func TestACanaryGroupGoesFirst(t *testing.T) {
	w := withDevices(t)
	q := presetForm(planCanary, "beta").values()
	q.Set("default", "yes")
	page := body(t, w.send(http.MethodGet, "/p/lamp/firmware/1/confirm?"+q.Encode(), nil, w.signed))
	if !strings.Contains(page, "Afterwards, when you release it to them") || !strings.Contains(page, "product default</dd>") {
		t.Errorf("the page does not say what follows:\n%s", page)
	}
	answer := w.post("/p/lamp/firmware/1/release", q)
	if got := answer.Header.Get("Location"); got != "/p/lamp/releases/1" {
		t.Fatalf("got %d, to %q:\n%s", answer.StatusCode, got, body(t, answer))
	}
	views := must[[]fleet.ReleaseView](t)(w.rollouts.Releases(t.Context(), owner, 1))
	f := must[[]fleet.FirmwareView](t)(w.releases.Firmware(t.Context(), owner, 1))
	if len(views) != 1 || views[0].Group == 0 || views[0].Share != fleet.Whole || views[0].Plan.Gate == 0 || f[1].Default {
		t.Errorf("got %+v, default %t", views, f[1].Default)
	}
}

func TestEveryActionOnAReleaseAsksFirst(t *testing.T) {
	w := withDevices(t)
	w.beginRelease(1, fleet.CarefulPlan())
	for _, step := range []struct {
		act   fleet.ReleaseAction
		want  string
		state string
	}{
		{fleet.ApproveRelease, "It grows to 10 % of its devices", "running"}, // not possible now, and said so
		{fleet.PauseRelease, "No further stage begins", "paused"},
		{fleet.ResumeRelease, "Devices within its share of 1 % get the version again", "running"},
		{fleet.HaltRelease, "stop at once, which costs the devices no attempt", "halted"},
		{fleet.ResumeRelease, "Yes, continue in spite of what halted it", "running"},
		{fleet.FinishRelease, "Yes, release to all of them without the plan", "done"},
		{fleet.RevertRelease, "This is not possible now: the release is done.", "done"},
	} {
		address := "/p/lamp/releases/1/confirm?act=" + string(step.act)
		page := body(t, w.send(http.MethodGet, address, nil, w.signed))
		if !strings.Contains(page, step.want) || !strings.Contains(page, `name="act" value="`+string(step.act)+`"`) {
			t.Errorf("%s: the page does not ask, or lacks %q:\n%s", step.act, step.want, page)
		}
		possible := step.act != fleet.ApproveRelease && step.act != fleet.RevertRelease
		answer := w.post("/p/lamp/releases/1", url.Values{"act": {string(step.act)}})
		if want := map[bool]int{true: http.StatusSeeOther, false: http.StatusConflict}[possible]; answer.StatusCode != want {
			t.Errorf("%s: got %d, want %d", step.act, answer.StatusCode, want)
		}
		if r := must[fleet.ReleaseView](t)(w.rollouts.Release(t.Context(), owner, 1, 1)); r.State.String() != step.state {
			t.Errorf("after %s it is %s, want %s", step.act, r.State, step.state)
		}
	}
	line := body(t, w.send(http.MethodGet, "/p/lamp/releases/1/events", nil, w.signed))
	for _, want := range []string{"pause by " + ownerEmail, "halt by ", "finish by ", "running → paused"} {
		if !strings.Contains(line, want) {
			t.Errorf("the event line lacks %q:\n%s", want, line)
		}
	}
}

func TestTheEndOfAReleaseFollowsItsPlanAndItsPace(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	r := fleet.ReleaseView{Release: fleet.Release{State: fleet.ReleaseRunning, Plan: fleet.CarefulPlan(), Held: 12 * time.Hour, Created: now.Add(-12 * time.Hour)}}
	if got, want := ends(r, now), "2026-12-04 04:00 UTC: by its plan in 3 days"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Counts = fleet.ReleaseCounts{Confirmed: 10, Running: 10, Reach: 1010}
	if got, want := ends(r, now), "2027-01-20 12:00 UTC: by its plan in 3 days; at the pace so far the other 1,000 devices take 50 days"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, state := range []fleet.ReleaseState{fleet.ReleaseHalted, fleet.ReleaseDone, fleet.ReleaseScheduled, fleet.ReleasePaused} {
		if r.State = state; ends(r, now) != "" {
			t.Errorf("%s: it has an end", state)
		}
	}
}
