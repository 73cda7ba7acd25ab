package rest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify"
)

// lowest is the lowest role that may call an operation at all (docs/rules.md#who-sees-what).
var lowest = map[fleet.Role]string{
	fleet.Viewer: `RevokeToken GetUser UpdateUser GetAccount ListTokens CreateAccessToken RevokeAccessToken ListTeams GetTeam LeaveTeam ListTeamUsers
		GetTeamUser ListProductTeam ListProducts ListUserProducts GetProduct ListProductDevices GetProductDevice ListDevices FetchDevice ListDeviceTags
		WhyDevice ListCommands ListProductGroups GetProductGroup GetGroupHistory ListFirmware GetFirmware GetProgress ListReleases GetRelease GetReleaseHistory ListProductUpdates ListDeviceUpdates GetRemaining ListRemaining ListJobs GetJob CancelJob ListFilters ListMessages
		ListAlerts ProductEvents ProductEventsByPrefix ProductDeviceEvents ProductDeviceEventsByPrefix DevicesEvents DeviceEvents DeviceEventsByPrefix
		Events EventsByPrefix ExportDevices ExportUpdates ExportMessages ExportAlerts`,
	fleet.Editor: `UpdateProductDevices UpdateProductDevice DeleteProductDevice UpdateDevice DeleteDevice FlashDevice SendCommand SendDeviceMessage
		DownloadFirmware UploadFirmware RehearseRelease ReleaseFirmware ActOnRelease GetImpact StopUpdate RetryUpdate RetryUpdates StartJob SaveFilter DeleteFilter ArchiveAlert RestoreAlert`,
	fleet.Admin: `GetQuotas GetHistory GetTeamHistory ListAudit GetAuditHead ExportAudit ListChannels CreateChannel GetChannel UpdateChannel DeleteChannel
		TestChannel RotateChannelSecret GetNotifySettings UpdateNotifySettings ListNotifications SendNotification AddTeamUser UpdateTeamUser RemoveTeamUser RotateTeamUserToken AddProductTeamUser UpdateProductTeamUser PostProductTeamUser
		RemoveProductTeamUser RotateProductTeamToken PostProductTeamToken CreateProduct CreateUserProduct UpdateProduct DeleteProduct ImportDevices
		UpdateDeviceTags RotateSecret CreateProductGroup UpdateProductGroup DeleteProductGroup UpdateFirmware DeleteFirmware`,
	fleet.Owner: `CreateTeam UpdateTeam DeleteTeam HandOverTeam`,
}

// lowestOf finds the lowest role of an operation.
func lowestOf(t *testing.T, id string) fleet.Role {
	t.Helper()
	for role, operations := range lowest {
		if slices.Contains(strings.Fields(operations), id) {
			return role
		}
	}
	t.Fatalf("%s: say which role may call it", id)
	return fleet.NoRole
}

// door is a world whose route layer is watched, and may be left open.
type door struct {
	*world
	open    bool
	verdict error // of Admit, on the last request
	handler http.Handler
	tokens  map[fleet.Role]string
	channel string                                               // for notifications
	begin   func(who fleet.Actor, object string) (func(), error) // nil: nothing is noted
}

// newDoor makes a door, with a user of each role in group beta.
func newDoor(t *testing.T) *door {
	d := &door{world: newWorld(t), tokens: map[fleet.Role]string{}}
	admit := func(ctx context.Context, who fleet.Actor, action fleet.Action, in any) error {
		d.verdict = d.operations.Admit(ctx, who, action, in)
		if d.open {
			return d.operations.Lookup(ctx, who, action, in)
		}
		return d.verdict
	}
	d.handler = route.Serve(route.Config{
		Actor: d.domain.Accounts.ActorFrom, Admit: admit, Begin: d.note, Repeats: d.domain.Repeats, Log: slog.New(slog.DiscardHandler),
	}, d.all()...)
	d.tokens[fleet.Owner] = d.token
	if status, answer := d.do(http.MethodPut, "/v1/products/lamp/firmware/release", "application/json", `{"version":7,"groups":["beta"],"plan":{"stages":[{"share":"10%","approve":true},{"share":"100%"}]}}`); status != http.StatusOK {
		t.Fatalf("got %d %s", status, answer)
	}
	d.channel = must[notify.Channel](t)(d.domain.Notify.Create(t.Context(), d.owner, notify.Channel{
		Name: "on call", Kind: notify.Webhook, URL: "https://example.com/hook", Topics: notify.Topics,
	})).ID
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor, fleet.Admin} {
		d.tokens[role], _ = d.join(role.String()+"@example.com", role, "beta")
	}
	return d
}

func (d *door) note(who fleet.Actor, object string) (func(), error) {
	if d.begin == nil {
		return func() {}, nil
	}
	return d.begin(who, object)
}

// call calls an operation about a device and a group, with its example as its body.
func (d *door) call(t *testing.T, r route.Route, example string, role fleet.Role, device, group string) int {
	t.Helper()
	alert := must[fleet.Alert](t)(d.store.Messages.Raise(t.Context(), fleet.Alert{Team: d.owner.Team, Device: fleet.DeviceID(device), Name: "test"}))
	path := strings.NewReplacer(
		"{product}", "lamp", "{device}", device, "{group}", group, "{version}", "7", "{release}", "1", "{alert}", alert.ID,
		"{email}", "viewer@example.com", "{username}", "viewer@example.com", "{token}", "none", "{job}", "1", "{filter}", "none", "{prefix}", "spark",
		"{channel}", d.channel, "{notification}", d.channel,
	).Replace(r.Path)
	if r.ID == "GetImpact" {
		path += "?firmware_version=7&groups=beta"
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	example = strings.NewReplacer("lamp-7", device, `{"email":"ada@example.com"}`, `{"email":"viewer@example.com"}`).Replace(example)
	request := httptest.NewRequestWithContext(ctx, r.Method, path, strings.NewReader(example))
	request.Header.Set("Authorization", "Bearer "+d.tokens[role])
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	d.verdict = nil
	d.handler.ServeHTTP(leaving{answer, cancel}, request)
	return answer.Code
}

// leaving is a client that leaves as soon as it has a status: a stream would not end.
type leaving struct {
	*httptest.ResponseRecorder
	leave func()
}

// WriteHeader notes the status and leaves.
func (l leaving) WriteHeader(status int) {
	l.ResponseRecorder.WriteHeader(status)
	l.leave()
}

// examples are the bodies of the document, by operation.
func (w *world) examples() map[string]string {
	w.t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			ID          string `json:"operationId"`
			RequestBody struct {
				Content map[string]struct {
					Example rawJSON `json:"example"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	w.read("/v1/openapi.json", &document)
	examples := map[string]string{}
	for _, methods := range document.Paths {
		for _, operation := range methods {
			examples[operation.ID] = string(operation.RequestBody.Content["application/json"].Example)
		}
	}
	return examples
}

// rawJSON is JSON as it came.
type rawJSON []byte

// UnmarshalJSON keeps the text.
func (r *rawJSON) UnmarshalJSON(data []byte) error {
	*r = slices.Clone(data)
	return nil
}

func refused(status int) bool { return status == http.StatusForbidden || status == http.StatusNotFound }

// TestTheWalksHaveAllOperations counts the packages next to this one that have tables.
func TestTheWalksHaveAllOperations(t *testing.T) {
	packages := map[string]bool{}
	for _, file := range must[[]string](t)(filepath.Glob("../*/*.go")) {
		if text := must[[]byte](t)(os.ReadFile(file)); bytes.Contains(text, []byte("\nfunc Tables(")) {
			packages[filepath.Dir(file)] = true
		}
	}
	if got := len(newWorld(t).tables()); got != len(packages) {
		t.Errorf("the walks have the tables of %d packages, these are %v", got, slices.Sorted(maps.Keys(packages)))
	}
}

// TestTheRouteLayerRefusesByRole walks every operation with every role, about a device and
// a group that all see. Without the check of the role in Admit, or with another right in a
// table, its verdicts differ from the rules.
func TestTheRouteLayerRefusesByRole(t *testing.T) {
	d := newDoor(t)
	examples := d.examples()
	for _, r := range d.routes() {
		if r.Access.IsPublic() {
			continue
		}
		for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor, fleet.Admin} { // the owner's calls would change the team
			if role >= lowestOf(t, r.ID) {
				continue
			}
			status := d.call(t, r, examples[r.ID], role, "lamp-7", "beta")
			if !errors.Is(d.verdict, fleet.Denied) || status != http.StatusForbidden {
				t.Errorf("%s as %s: admitted with %v, answered %d, want that the role is refused", r.ID, role, d.verdict, status)
			}
		}
		if lowestOf(t, r.ID) == fleet.Viewer && !slices.Contains([]string{"LeaveTeam", "RevokeToken"}, r.ID) { // they would end the walk
			if status := d.call(t, r, examples[r.ID], fleet.Viewer, "lamp-7", "beta"); d.verdict != nil || status == http.StatusForbidden {
				t.Errorf("%s as viewer: admitted with %v, answered %d, want that the role is enough", r.ID, d.verdict, status)
			}
		}
	}
}

// TestTheDomainRefusesByItself walks the same with the route layer's check switched off:
// what the console calls is refused as well. Without the domain's fleet.May it is not.
func TestTheDomainRefusesByItself(t *testing.T) {
	d := newDoor(t)
	d.open = true
	examples := d.examples()
	for _, r := range d.routes() {
		if r.Access.IsPublic() || r.ID == "UploadFirmware" { // its body is a form; the domain's own tests have it
			continue
		}
		for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor, fleet.Admin} {
			if role >= lowestOf(t, r.ID) {
				continue
			}
			if status := d.call(t, r, examples[r.ID], role, "lamp-7", "beta"); !refused(status) {
				t.Errorf("%s as %s: got %d, want 403 or 404", r.ID, role, status)
			}
		}
	}
}

// TestObjectsAreTheDomainsToRefuse walks every operation about a device and a group that an
// editor and a viewer don't see: the role suffices, so Admit lets them through, and the
// domain answers 404.
func TestObjectsAreTheDomainsToRefuse(t *testing.T) {
	d := newDoor(t)
	examples := d.examples()
	walked := 0
	for _, r := range d.routes() {
		hidden := strings.Contains(r.Path, "{device}") || strings.Contains(r.Path, "{group}") || r.ID == "UpdateProductDevices"
		if r.Access.IsPublic() || !hidden {
			continue
		}
		example := strings.ReplaceAll(examples[r.ID], `,"lamp-8"`, "")
		if strings.Contains(example, `"groups"`) && r.ID == "UpdateProductDevices" {
			example = `{"action":"unlock","devices":["lamp-7"]}`
		}
		for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
			walked++
			status := d.call(t, r, example, role, "lamp-9", "hidden")
			if admitted := d.verdict == nil; admitted != (role >= lowestOf(t, r.ID)) || status != http.StatusNotFound {
				t.Errorf("%s as %s: admitted with %v, answered %d, want 404", r.ID, role, d.verdict, status)
			}
		}
	}
	if walked < 40 {
		t.Errorf("%d calls: are the objects still named by paths?", walked)
	}
}

// TestNothingIsChangedThatCantBeNoted walks the operations on a server that can't note what is begun:
// each that could change something refuses (docs/adr/0019). Reading works.
func TestNothingIsChangedThatCantBeNoted(t *testing.T) {
	d := newDoor(t)
	d.begin = func(who fleet.Actor, object string) (func(), error) {
		if who.Team != d.owner.Team || who.Email == "" || !strings.Contains(object, " /v1/") {
			t.Errorf("got actor %+v, object %q", who, object)
		}
		return nil, fleet.Errorf(fleet.Unavailable, "no room")
	}
	examples := d.examples()
	for _, r := range d.routes() {
		if r.Access.IsPublic() || r.ID == "UploadFirmware" { // its body is a form
			continue
		}
		status := d.call(t, r, examples[r.ID], fleet.Owner, "lamp-7", "beta")
		if changes := r.Method != http.MethodGet; changes != (status == http.StatusServiceUnavailable) {
			t.Errorf("%s: got %d", r.ID, status)
		}
	}
}
