package browsertest

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// imageSize is the size of uploaded images in bytes: 25 chunks of the default size.
const imageSize = 100 << 10

// world is a running server.
type world struct{ *cloudtest.Server }

func (w *world) address(path string) string { return w.URL("") + path }

// jar is a browser's memory after signing in.
func (w *world) jar(t testing.TB, email string) *http.Client {
	t.Helper()
	return signedIn(t, w.URL(""), email, cloudtest.OwnerPassword)
}

// signedIn is a client with the cookies of a user at the server at base.
func signedIn(t testing.TB, base, email, password string) *http.Client {
	t.Helper()
	client := &http.Client{Jar: cloudtest.Must[*cookiejar.Jar](t)(cookiejar.New(nil)), Timeout: cloudtest.Patience}
	form := url.Values{"email": {email}, "password": {password}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/sign-in", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if len(client.Jar.Cookies(request.URL)) == 0 {
		t.Fatalf("%s is not signed in: status %d", email, answer.StatusCode)
	}
	return client
}

// owner is the team's owner, for calls past the API.
var owner = fleet.Actor{User: 1, Team: 1, Email: cloudtest.OwnerEmail, Role: fleet.Owner}

// serve starts a server for one test. Tests run in parallel.
func serve(t *testing.T, edits ...func(*cloud.Config)) *world {
	t.Helper()
	t.Parallel()
	return &world{cloudtest.Serve(t, edits...)}
}

// widgets runs a fleet of n devices, widget-0001 and so on, with version 1.
func widgets(t *testing.T, w *world, n int) *simulator.Fleet {
	t.Helper()
	w.UploadVersions(imageSize, 1)
	w.ReleaseVersion(1)
	ids := make([]fleet.DeviceID, n)
	for i := range ids {
		ids[i] = fleet.DeviceID(fmt.Sprintf("widget-%04d", i+1))
	}
	var credentials []simulator.Credential
	for len(ids) > 0 {
		some := min(len(ids), 500)
		credentials = append(credentials, w.Enroll(ids[:some]...)...)
		ids = ids[some:]
	}
	f := w.Simulate(simulator.Config{Client: simulator.Light, Devices: credentials})
	cloudtest.WaitOnline(t, f)
	return f
}

// hiddenGroup makes the group secretive with the device widget-0002, which editors and viewers
// must not see.
func hiddenGroup(t *testing.T, w *world) {
	t.Helper()
	widgets(t, w, 3)
	for _, name := range []string{"beta", "secretive"} {
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, name, ""))
	}
	w.EditDevice("widget-0001", api.DeviceUpdate{Groups: api.Some(api.Names{"beta", "secretive"})})
	w.EditDevice("widget-0002", api.DeviceUpdate{Groups: api.Some(api.Names{"secretive"})})
}

// fillTeam makes a team with something on each page: devices in groups and none, versions that
// run and one that never ran, members of all roles, an invitation, a program, an alert.
func fillTeam(t *testing.T, w *world) {
	t.Helper()
	hiddenGroup(t, w)
	w.UploadVersions(imageSize, 2, 3)
	for _, group := range []string{"beta", "secretive"} {
		w.ReleaseVersion(3, func(r *api.Release) {
			plan := api.PlanOf(fleet.CarefulPlan(), nil)
			r.Groups, r.Default, r.Plan = api.Some(append(api.Names{}, group)), nil, &plan
		})
	}
	ctx, r, a := t.Context(), w.Cloud.Registry(), w.Cloud.Accounts()
	for role, groups := range map[fleet.Role][]string{fleet.Admin: nil, fleet.Editor: {"beta"}, fleet.Viewer: {}} {
		cloudtest.Must[fleet.Member](t)(a.AddUser(ctx, owner, role.String()+"@example.com", cloudtest.OwnerPassword, role, groups))
	}
	if _, _, err := a.Invite(ctx, owner, "new@example.com", fleet.Editor, []string{"beta", "secretive"}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := a.AddProgram(ctx, owner, "build server", fleet.Editor, []string{"beta", "secretive"}, 0); err != nil {
		t.Fatal(err)
	}
	cloudtest.Must[api.Job](t)(w.StartJob(ctx, cloudtest.Lamp, api.NewJob{Action: "unlock", Devices: []string{"widget-0001", "widget-0002", "secretive"}}))
	cloudtest.Must[api.SavedFilter](t)(w.SaveFilter(ctx, cloudtest.Lamp, "secretive ones", "group=secretive"))
	cloudtest.Must[fleet.Team](t)(a.CreateTeam(ctx, owner, "Second team"))
	cloudtest.Must[fleet.Product](t)(r.CreateProduct(ctx, owner, fleet.Product{Name: "Street lock with a rather long name", Slug: "lock"}))
}
