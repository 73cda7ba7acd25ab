package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
)

// TestAReleaseWithAPlan goes from the order to the actions over HTTP: what is absent has the
// documented defaults, and the answers carry the plan back in the keys it came in.
func TestAReleaseWithAPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const order = `{"version":7,"groups":["beta"],"plan":{"stages":[{"share":"12.5%","hold":"36h","approve":true},{"share":"100%"}],
		"gate":{"success":"98%"},"halt":{"failures":"5%","lost":3,"unhealthy":"2%"},"on_halt":"revert",
		"windows":[{"days":"mon-fri","from":"22:00","to":"05:00","zone":"device"},{"from":"12:00","to":"13:30"}],
		"prefer":"representative","limits":{"at_once":200,"rate":"5/min","max_rate":"20/min","per_group":"10%","per_gateway":2}}}`
	status, body := w.do(http.MethodPut, "/v1/products/lamp/firmware/release", "application/json", order)
	if status != http.StatusOK || !strings.Contains(body, `"release":{"id":1,"state":"running","share":"12.5%"}`) {
		t.Fatalf("got %d %s", status, body)
	}
	r := must[api.StagedRelease](t)(w.OneRelease(t.Context(), "lamp", 1))
	plan := must[fleet.ReleasePlan](t)(r.Plan.Fleet(nil))
	want := fleet.ReleasePlan{
		Stages: []fleet.ReleaseStage{{Share: 1250, Hold: 36 * 3600e9, Approve: true}, {Share: fleet.Whole, Hold: 24 * 3600e9}},
		Sample: 20, Gate: 9800, Halt: fleet.ReleaseHalt{Failures: fleet.Bar{Share: 500}, Lost: fleet.Bar{Devices: 3}, Return: 1800e9, Unhealthy: fleet.Bar{Share: 200}, Soak: 3600e9}, Revert: true,
		Windows: []calendar.Window{{Days: 0b0111110, From: 22 * 3600e9, To: 5 * 3600e9, Zone: "device"}, {From: 12 * 3600e9, To: 13*3600e9 + 1800e9, Zone: "UTC"}},
		Limits:  fleet.ReleaseLimits{AtOnce: 200, Hourly: 300, Most: 1200, Group: 1000, Behind: 2},
		Spread:  true,
	}
	if strings.Join(describe(plan), "\n") != strings.Join(describe(want), "\n") {
		t.Errorf("got %+v\nwant %+v", plan, want)
	}
	if r.Group != "beta" || r.Stage != 1 || r.By != ownerEmail || r.Devices == nil || r.Devices.Reach != 1 || r.Gate == nil || r.Gate.Sample != 20 {
		t.Errorf("got %+v, %+v, %+v", r, r.Devices, r.Gate)
	}
	for _, step := range []struct{ action, state string }{{"pause", "paused"}, {"resume", "running"}, {"halt", "halted"}, {"finish", "done"}} {
		acted := must[api.StagedRelease](t)(w.ActOnRelease(t.Context(), "lamp", 1, step.action))
		if acted.State != step.state {
			t.Errorf("%s: it is %s", step.action, acted.State)
		}
	}
	all := must[[]api.StagedRelease](t)(w.Releases(t.Context(), "lamp"))
	if len(all) != 1 || all[0].State != "done" || all[0].Why != "finished by "+ownerEmail {
		t.Errorf("got %+v", all)
	}
	for name, row := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"it has ended":     {`{"action":"halt"}`, http.StatusConflict, "release 1 has ended"},
		"no such action":   {`{"action":"explode"}`, http.StatusConflict, "has ended"},
		"an unknown field": {`{"action":"halt","force":true}`, http.StatusUnprocessableEntity, "unknown field"},
		"no action":        {`{}`, http.StatusConflict, ""},
	} {
		if status, body := w.do(http.MethodPost, "/v1/products/lamp/releases/1/actions", "application/json", row.body); status != row.status || !strings.Contains(body, row.says) {
			t.Errorf("%s: got %d %s", name, status, body)
		}
	}
	if status, body := w.do(http.MethodGet, "/v1/products/lamp/releases/9", "", ""); status != http.StatusNotFound {
		t.Errorf("an unknown release: got %d %s", status, body)
	}
}

// describe makes plans comparable.
func describe(p fleet.ReleasePlan) (lines []string) {
	for _, stage := range p.Stages {
		lines = append(lines, stage.Share.String()+" "+stage.Hold.String()+map[bool]string{true: " approve"}[stage.Approve])
	}
	bar := func(b fleet.Bar) string { return b.Share.String() + "/" + strings.Repeat("I", b.Devices) }
	return append(lines, p.Gate.String(), strings.Repeat("I", p.Sample), bar(p.Halt.Failures), bar(p.Halt.Lost), p.Halt.Return.String(), map[bool]string{true: "revert"}[p.Revert])
}

// TestPlansAreReadStrictly: a plan with a mistake anywhere is an error that names it, and
// nothing is released.
func TestPlansAreReadStrictly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct{ target, plan, says string }{
		"no stages":           {`"groups":["beta"]`, `{}`, "1 to 20 stages"},
		"a misspelled key":    {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"gates":{}}`, "unknown field"},
		"one in a stage":      {`"groups":["beta"]`, `{"stages":[{"share":"100%","hld":"1h"}]}`, "hld"},
		"one in the gate":     {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"gate":{"successes":"98%"}}`, "unknown field"},
		"a share over all":    {`"groups":["beta"]`, `{"stages":[{"share":"120%"}]}`, "not a share"},
		"a share as a number": {`"groups":["beta"]`, `{"stages":[{"share":10}]}`, "percentage"},
		"a hold in words":     {`"groups":["beta"]`, `{"stages":[{"share":"100%","hold":"a day"}]}`, "time span"},
		"a bar of nothing":    {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"halt":{"failures":0}}`, "percentage"},
		"not everyone":        {`"groups":["beta"]`, `{"stages":[{"share":"50%"}]}`, "has to be 100%"},
		"another end":         {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"on_halt":"explode"}`, "stop, revert or ask"},
		"two targets":         {`"groups":["beta","eu"]`, `{"stages":[{"share":"100%"}]}`, "exactly one new target"},
		"no target":           {`"groups":[]`, `{"stages":[{"share":"100%"}]}`, "exactly one new target"},
		"an empty window":     {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"windows":[{"from":"05:00","to":"05:00"}]}`, "window 1: a window from 05:00 to 05:00 is empty"},
		"a zone, abbreviated": {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"windows":[{"from":"01:00","to":"05:00","zone":"CEST"}]}`, "IANA name"},
		"a day of no week":    {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"windows":[{"days":"weekdays","from":"01:00","to":"05:00"}]}`, "mon-fri"},
		"one in a window":     {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"windows":[{"from":"01:00","until":"05:00"}]}`, "until"},
		"a rate by the day":   {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"limits":{"rate":"10/day"}}`, "500/min or 100/h"},
		"a limit of nothing":  {`"groups":["beta"]`, `{"stages":[{"share":"100%"}],"limits":{"at_once":-1}}`, "devices"},
		"two kinds of stage":  {`"groups":["beta"]`, `{"stages":[{"share":"1%","devices":5},{"share":"100%"}]}`, "one of share (above 0%), devices and group"},
		"a stage of a group":  {`"groups":["beta"]`, `{"stages":[{"share":"1%"},{"group":"eu"},{"share":"100%"}]}`, "only the first stage can be a group"},
	} {
		status, body := w.do(http.MethodPut, "/v1/products/lamp/firmware/release", "application/json", `{"version":7,`+row.target+`,"plan":`+row.plan+`}`)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, row.says) {
			t.Errorf("%s: got %d %s, want 422 and %q", name, status, body, row.says)
		}
	}
	if all := must[[]api.StagedRelease](t)(w.Releases(t.Context(), "lamp")); len(all) != 0 {
		t.Errorf("got %+v", all)
	}
}
