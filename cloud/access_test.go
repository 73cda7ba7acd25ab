package cloud_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// The table of docs on who may do what, row by row: owner, admin, editor, viewer.
const (
	all       = "all"       // whatever the groups
	visible   = "visible"   // what groups show
	exception = "exception" // visible, but not in a group with users that one does not hold
	no        = "–"
)

var rights = map[string][4]string{
	"see team":         {all, all, all, all},
	"see devices":      {all, all, visible, visible},
	"edit devices":     {all, all, visible, no},
	"delete a device":  {all, all, exception, no},
	"operate devices":  {all, all, visible, no},
	"administer":       {all, all, no, no},
	"download":         {all, all, all, no},
	"upload":           {all, all, all, no},
	"release to group": {all, all, visible, no},
	"release default":  {all, all, no, no},
	"assign groups":    {all, all, no, no},
	"see groups":       {all, all, visible, visible},
	"manage users":     {all, all, no, no},
	"manage admins":    {all, no, no, no},
	"messages":         {all, all, all, all},
	"own the team":     {all, no, no, no},
}

// How the object of an operation relates to an editor and a viewer who hold group own.
const (
	own     = "own group"
	shared  = "shared group"     // also in a group they don't hold, which has users
	foreign = "foreign group"    // only in such a group
	behind  = "behind a gateway" // in such a group, attached to a gateway of group own
	alien   = "foreign team"
)

var (
	devices = []string{own, shared, foreign, behind, alien}
	groups  = []string{own, foreign, alien}
	things  = []string{own, alien} // products, users, tokens: groups don't matter
	nothing = []string{own}
)

// policy is what one operation, or one variant of it, takes.
type policy struct {
	operation string
	right     string   // a row of rights
	objects   []string // what its path, or its body, names
	body      string   // JSON; {device}, {group} ... stand for the object
	query     string
	allowed   int  // status that says it was allowed, where that is not a success
	known     bool // what groups hide is known all the same: 403 instead of 404
}

// policies is every operation. One that is missing fails the test.
var policies = []policy{
	{operation: "RevokeToken", right: "see team", objects: nothing},
	{operation: "GetUser", right: "see team", objects: nothing},
	{operation: "UpdateUser", right: "see team", objects: nothing, body: `{"password":"another password","current_password":"wrong"}`, allowed: http.StatusUnprocessableEntity},
	{operation: "GetAccount", right: "see team", objects: nothing},
	{operation: "ListTokens", right: "see team", objects: nothing},
	{operation: "ListTokens", right: "administer", objects: things, query: "?user={email}"},
	{operation: "CreateAccessToken", right: "see team", objects: nothing, body: `{"label":"x"}`},
	{operation: "RevokeAccessToken", right: "see team", objects: things},
	{operation: "ListTeams", right: "see team", objects: nothing},
	{operation: "CreateTeam", right: "own the team", objects: nothing, body: `{"name":"Another"}`},
	{operation: "GetTeam", right: "see team", objects: nothing},
	{operation: "UpdateTeam", right: "own the team", objects: nothing, body: `{"name":"Team"}`},
	{operation: "DeleteTeam", right: "own the team", objects: nothing, allowed: http.StatusConflict}, // it has products
	{operation: "LeaveTeam", right: "see team", objects: nothing, allowed: http.StatusConflict},      // the owner stays
	{operation: "HandOverTeam", right: "own the team", objects: things, body: `{"email":"{program}"}`, allowed: http.StatusUnprocessableEntity},
	{operation: "ListAudit", right: "administer", objects: nothing},
	{operation: "GetAuditHead", right: "administer", objects: nothing},
	{operation: "GetQuotas", right: "administer", objects: nothing},
	{operation: "GetTeamHistory", right: "administer", objects: nothing},
	{operation: "GetAuditHead", right: "administer", objects: nothing},
	{operation: "ListRemaining", right: "see team", objects: things},
	{operation: "GetRemaining", right: "see team", objects: things},
	{operation: "RetryUpdates", right: "operate devices", objects: []string{own, alien}, body: `{"states":["stopped"]}`},
	{operation: "ExportDevices", right: "see team", objects: things},
	{operation: "ExportUpdates", right: "see team", objects: things},
	{operation: "ExportMessages", right: "messages", objects: nothing},
	{operation: "ExportAlerts", right: "messages", objects: nothing},
	{operation: "ExportAudit", right: "administer", objects: nothing},
	{operation: "ListChannels", right: "administer", objects: nothing},
	{operation: "CreateChannel", right: "administer", objects: nothing, body: `{"name":"x","kind":"webhook","url":"https://example.com/"}`},
	{operation: "GetChannel", right: "administer", objects: things},
	{operation: "UpdateChannel", right: "administer", objects: things, body: `{"paused":true}`},
	{operation: "DeleteChannel", right: "administer", objects: things},
	{operation: "TestChannel", right: "administer", objects: things},
	{operation: "RotateChannelSecret", right: "administer", objects: things},
	{operation: "GetNotifySettings", right: "administer", objects: nothing},
	{operation: "UpdateNotifySettings", right: "administer", objects: nothing, body: `{"failure_percent":10}`},
	{operation: "ListNotifications", right: "administer", objects: nothing},
	{operation: "SendNotification", right: "administer", objects: things},
	{operation: "ListTeamUsers", right: "see team", objects: nothing},
	{operation: "AddTeamUser", right: "manage users", objects: nothing, body: `{"email":"{fresh}","role":"viewer"}`},
	{operation: "AddTeamUser", right: "manage users", objects: nothing, body: `{"friendly_name":"CI","role":"editor","groups":"*"}`},
	{operation: "AddTeamUser", right: "manage admins", objects: nothing, body: `{"email":"{fresh}","role":"admin"}`},
	{operation: "GetTeamUser", right: "see team", objects: things},
	{operation: "UpdateTeamUser", right: "manage users", objects: things, body: `{"role":"editor"}`},
	{operation: "UpdateTeamUser", right: "assign groups", objects: things, body: `{"groups":["own"]}`},
	{operation: "UpdateTeamUser", right: "manage admins", objects: things, body: `{"role":"admin"}`},
	{operation: "RemoveTeamUser", right: "manage users", objects: things},
	{operation: "RotateTeamUserToken", right: "manage users", objects: things, allowed: http.StatusConflict}, // a person
	{operation: "ListProductTeam", right: "see team", objects: things},
	{operation: "AddProductTeamUser", right: "manage users", objects: things, body: `{"username":"{fresh}"}`},
	{operation: "AddProductTeamUser", right: "manage admins", objects: things, body: `{"username":"{fresh}","role":"Administrator"}`},
	{operation: "UpdateProductTeamUser", right: "manage users", objects: things, body: `{"role":"Developer"}`},
	{operation: "PostProductTeamUser", right: "manage users", objects: things, body: `{"role":"Developer"}`},
	{operation: "RemoveProductTeamUser", right: "manage users", objects: things},
	{operation: "RotateProductTeamToken", right: "manage users", objects: things, allowed: http.StatusConflict},
	{operation: "PostProductTeamToken", right: "manage users", objects: things, allowed: http.StatusConflict},

	{operation: "ListProducts", right: "see team", objects: nothing},
	{operation: "ListUserProducts", right: "see team", objects: nothing},
	{operation: "CreateProduct", right: "administer", objects: nothing, body: `{"name":"New","slug":"{slug}"}`},
	{operation: "CreateUserProduct", right: "administer", objects: nothing, body: `{"name":"New","slug":"{slug}"}`},
	{operation: "GetProduct", right: "see team", objects: things},
	{operation: "UpdateProduct", right: "administer", objects: things, body: `{"description":"x"}`},
	{operation: "DeleteProduct", right: "administer", objects: things, allowed: http.StatusConflict}, // it has devices

	{operation: "ListProductDevices", right: "see team", objects: things},
	{operation: "ImportDevices", right: "administer", objects: things, body: `{"id":"{slug}"}`},
	{operation: "UpdateProductDevices", right: "assign groups", objects: devices, body: `{"action":"groups","devices":["{device}"],"metadata":{"add":["own"]}}`},
	{operation: "UpdateProductDevices", right: "edit devices", objects: devices, body: `{"action":"lock","devices":["{device}"],"metadata":{"version":1}}`},
	{operation: "UpdateProductDevices", right: "edit devices", objects: devices, body: `{"action":"development","devices":["{device}"],"metadata":{"development":true}}`},
	{operation: "UpdateProductDevices", right: "edit devices", objects: devices, body: `{"action":"unlock","devices":["{device}"]}`, query: "?dry_run=true"},
	{operation: "GetProductDevice", right: "see devices", objects: devices},
	{operation: "UpdateProductDevice", right: "edit devices", objects: devices, body: `{"name":"x"}`},
	{operation: "UpdateProductDevice", right: "assign groups", objects: devices, body: `{"groups":["own"]}`},
	{operation: "UpdateProductDevice", right: "edit devices", objects: devices, body: `{"desired_firmware_version":1}`, query: "?dry_run=true"},
	{operation: "DeleteProductDevice", right: "delete a device", objects: devices},
	{operation: "ListDevices", right: "see team", objects: nothing},
	{operation: "FetchDevice", right: "see devices", objects: devices},
	{operation: "UpdateDevice", right: "edit devices", objects: devices, body: `{"development":true}`},
	{operation: "ListDeviceTags", right: "see team", objects: nothing},
	{operation: "UpdateDeviceTags", right: "assign groups", objects: devices, body: `["own"]`},
	{operation: "DeleteDevice", right: "delete a device", objects: devices},
	{operation: "DeleteDevice", right: "delete a device", objects: devices, query: "?dry_run=true"},
	{operation: "WhyDevice", right: "see devices", objects: devices},
	{operation: "RotateSecret", right: "administer", objects: []string{own, shared, foreign, alien}},
	{operation: "FlashDevice", right: "edit devices", objects: devices, body: `{"version":1}`, allowed: http.StatusConflict}, // offline
	{operation: "ListCommands", right: "see devices", objects: devices},
	{operation: "SendCommand", right: "operate devices", objects: devices, body: `{"message":1}`},
	{operation: "SendDeviceMessage", right: "operate devices", objects: devices, body: `{"message":1}`},

	{operation: "ListProductGroups", right: "see team", objects: things},
	{operation: "CreateProductGroup", right: "assign groups", objects: things, body: `{"name":"{slug}"}`},
	{operation: "GetProductGroup", right: "see groups", objects: groups},
	{operation: "UpdateProductGroup", right: "assign groups", objects: groups, body: `{"description":"x"}`},
	{operation: "DeleteProductGroup", right: "assign groups", objects: groups},
	{operation: "DeleteProductGroup", right: "assign groups", objects: groups, query: "?dry_run=true"},

	{operation: "ListFirmware", right: "see team", objects: things},
	{operation: "GetFirmware", right: "see team", objects: things},
	{operation: "UpdateFirmware", right: "administer", objects: things, body: `{"title":"x"}`},
	{operation: "DeleteFirmware", right: "administer", objects: things},
	{operation: "DownloadFirmware", right: "download", objects: things},
	{operation: "UploadFirmware", right: "upload", objects: things},
	{operation: "RehearseRelease", right: "release default", objects: things, body: `{"version":1,"plan":{"stages":[{"share":"100%"}]}}`, allowed: http.StatusConflict},
	{operation: "RehearseRelease", right: "release to group", objects: things, body: `{"version":1,"groups":["own"],"plan":{"stages":[{"share":"100%"}]}}`},
	{operation: "ReleaseFirmware", right: "release default", objects: things, body: `{"version":1}`},
	{operation: "ReleaseFirmware", right: "release to group", objects: things, body: `{"version":1,"groups":["own"]}`},
	{operation: "ReleaseFirmware", right: "release to group", objects: things, body: `{"version":1,"groups":["own"]}`, query: "?dry_run=true"},
	{operation: "GetImpact", right: "release to group", objects: things, query: "?firmware_version=1&groups=own"},
	{operation: "GetProgress", right: "see team", objects: things},
	{operation: "ListReleases", right: "see team", objects: things},
	{operation: "GetReleaseHistory", right: "see groups", objects: groups},
	{operation: "GetHistory", right: "administer", objects: things},
	{operation: "GetGroupHistory", right: "see groups", objects: groups},
	{operation: "GetRelease", right: "see groups", objects: groups},
	{operation: "ActOnRelease", right: "release to group", objects: groups, body: `{"action":"finish"}`},

	{operation: "ListProductUpdates", right: "see team", objects: things},
	{operation: "ListDeviceUpdates", right: "see devices", objects: devices},
	{operation: "StopUpdate", right: "operate devices", objects: devices, allowed: http.StatusConflict}, // none runs
	{operation: "GetRemaining", right: "see team", objects: things},
	{operation: "ListRemaining", right: "see team", objects: things, query: "?cause=offline"},
	{operation: "RetryUpdates", right: "operate devices", objects: things, body: `{"states":["stopped"]}`},
	{operation: "RetryUpdate", right: "operate devices", objects: devices},
	{operation: "StartJob", right: "operate devices", objects: things, body: `{"action":"retry","query":""}`, query: "?dry_run=true"},
	{operation: "StartJob", right: "edit devices", objects: things, body: `{"action":"unlock","query":"q=none"}`, allowed: http.StatusUnprocessableEntity}, // no device
	{operation: "StartJob", right: "assign groups", objects: things, body: `{"action":"groups","query":"","metadata":{"add":["own"]}}`, query: "?dry_run=true"},
	{operation: "ListJobs", right: "see team", objects: nothing},
	{operation: "GetJob", right: "see team", objects: nothing, allowed: http.StatusNotFound},    // there is none
	{operation: "CancelJob", right: "see team", objects: nothing, allowed: http.StatusNotFound}, // there is none
	{operation: "ListFilters", right: "see team", objects: things},
	{operation: "SaveFilter", right: "edit devices", objects: things, body: `{"query":"online=yes"}`},
	{operation: "DeleteFilter", right: "edit devices", objects: things, allowed: http.StatusNotFound}, // the first to ask deletes it
	{operation: "ListMessages", right: "messages", objects: nothing},
	{operation: "ListAlerts", right: "messages", objects: nothing},
	{operation: "ArchiveAlert", right: "operate devices", objects: devices, known: true},
	{operation: "RestoreAlert", right: "operate devices", objects: devices, known: true},

	{operation: "ProductEvents", right: "see team", objects: things},
	{operation: "ProductEventsByPrefix", right: "see team", objects: things},
	{operation: "ProductDeviceEvents", right: "see devices", objects: devices},
	{operation: "ProductDeviceEventsByPrefix", right: "see devices", objects: devices},
	{operation: "DevicesEvents", right: "see team", objects: nothing},
	{operation: "DeviceEvents", right: "see devices", objects: devices},
	{operation: "DeviceEventsByPrefix", right: "see devices", objects: devices},
	{operation: "Events", right: "see team", objects: nothing, allowed: http.StatusBadRequest},
	{operation: "EventsByPrefix", right: "see team", objects: nothing},
}

// open are the operations without a token.
var open = []string{"AcceptInvitation", "CreateToken", "GetVersion", "InvitationPage", "Reference", "ShowInvitation"}

// wanted is the status the documentation promises, 200 for any success.
func (p policy) wanted(role fleet.Role, object string) int {
	may := rights[p.right][fleet.Owner-role]
	limited := role.Restricted()
	switch {
	case object == alien:
		return http.StatusNotFound
	case object == foreign && limited && !p.known:
		return http.StatusNotFound
	case object == foreign && limited, may == no:
		return http.StatusForbidden
	case object == behind && limited && p.right != "see devices":
		return http.StatusForbidden
	case object == shared && may == exception:
		return http.StatusForbidden
	}
	return http.StatusOK
}

// TestEveryRouteForEveryRoleAndObject walks the operations of the OpenAPI document, each
// with every role and with objects of every relation, and compares the answers with the
// documentation.
func TestEveryRouteForEveryRoleAndObject(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subject(own, "{device}") // so that nobody can delete the product
	routes := s.routes()
	for id := range routes {
		if !slices.Contains(open, id) && !slices.ContainsFunc(policies, func(p policy) bool { return p.operation == id }) {
			t.Errorf("%s has no policy: say who may call it", id)
		}
	}
	for _, p := range policies {
		r, ok := routes[p.operation]
		if !ok {
			t.Errorf("%s has a policy and no route", p.operation)
			continue
		}
		for _, object := range p.objects {
			for _, role := range []fleet.Role{fleet.Owner, fleet.Admin, fleet.Editor, fleet.Viewer} {
				want := p.wanted(role, object)
				status, body := s.call(p, r, role, object)
				switch {
				case want == http.StatusOK && (status/100 == 2 || status == p.allowed && p.allowed != 0) && !inner.MatchString(body):
				case status != want:
					t.Errorf("%s%s %s as %s, %s: got %d %s, want %d", p.operation, p.query, p.body, role, object, status, body, want)
				case inner.MatchString(body):
					t.Errorf("%s as %s, %s: the answer has the team of a device: %s", p.operation, role, object, body)
				case strings.Contains(body, "foreign-") && !strings.Contains(r.path, "{group}"): // that would be an echo
					t.Errorf("%s as %s, %s: the refusal names a hidden group: %s", p.operation, role, object, body)
				}
			}
		}
	}
}

// TestAHiddenGroupCanNotBeReleasedTo is about a group that only a body names: it is as if
// it did not exist.
func TestAHiddenGroupCanNotBeReleasedTo(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hidden := s.fill(`{"version":1,"groups":["{group}"]}`, s.subject(foreign, "{group}"))
	unknown := `{"version":1,"groups":["none"]}`
	for _, body := range []string{hidden, unknown} {
		status, answer := s.send(http.MethodPut, "/v1/products/"+cloudtest.Lamp+"/firmware/release", body, s.tokens[fleet.Editor])
		if status != http.StatusUnprocessableEntity || !strings.Contains(answer, "no such group") {
			t.Errorf("%s: got %d %s, want 422 no such group", body, status, answer)
		}
	}
}

// multipartImage is the body of an upload.
func multipartImage(version string) (contentType string, body *bytes.Buffer) {
	body = new(bytes.Buffer)
	parts := multipart.NewWriter(body)
	file, _ := parts.CreateFormFile("file", "lamp.bin") // a buffer takes anything
	_, _ = io.WriteString(file, "image "+version)
	_ = parts.WriteField("version", version)
	_ = parts.Close()
	return parts.FormDataContentType(), body
}

// send asks with a token and returns status and the beginning of the body. An event stream
// is left at once.
func (s *stage) send(method, address, body, token string) (int, string) {
	s.Helper()
	contentType, content := "application/json", bytes.NewBufferString(body)
	if strings.HasPrefix(body, "upload ") {
		contentType, content = multipartImage(strings.TrimPrefix(body, "upload "))
	}
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.URL("")+address, content)
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.Header.Get("Content-Type") == "text/event-stream" {
		return answer.StatusCode, ""
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

// operation is a route of the document.
type operation struct{ method, path string }

// routes are all operations of the OpenAPI document, by id.
func (s *stage) routes() map[string]operation {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.URL("")+"/v1/openapi.json", nil)
	if err != nil {
		s.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	var document struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
		s.Fatal(err)
	}
	routes := map[string]operation{}
	for path, methods := range document.Paths {
		for method, op := range methods {
			routes[op.ID] = operation{strings.ToUpper(method), path}
		}
	}
	if len(routes) < len(open) {
		s.Fatalf("the document has %d operations", len(routes))
	}
	return routes
}
