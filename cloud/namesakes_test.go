package cloud_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// neighbour makes another team with a product lamp of its own, and returns its owner's client and token.
func (w *world) neighbour(name string) (*client.Client, string) {
	w.Helper()
	team := cloudtest.Must[api.Team](w)(w.CreateTeam(w.Context(), name))
	token, _, err := w.Cloud.Accounts().SignIn(w.Context(), fleet.SignIn{
		Email: cloudtest.OwnerEmail, Password: cloudtest.OwnerPassword, Team: fleet.TeamID(team.ID), Address: "127.0.0.1",
	})
	if err != nil {
		w.Fatal(err)
	}
	c := client.New(w.URL(""), token)
	cloudtest.Must[api.Product](w)(c.CreateProduct(w.Context(), "Lamp", cloudtest.Lamp))
	return c, token
}

// TestTwoTeamsUseTheSameIDsAndSlugs: their devices are connected at once, and each gets the firmware, the
// commands and the end of its own team's.
func TestTwoTeamsUseTheSameIDsAndSlugs(t *testing.T) {
	t.Parallel()
	w := serve(t)
	ctx := t.Context()
	other, _ := w.neighbour("Other")
	ids := []fleet.DeviceID{"a", "b", "c"}
	fleets := map[*client.Client]*simulator.Fleet{}
	credentials := map[*client.Client][]simulator.Credential{}
	versions := map[*client.Client]uint32{w.Client: 2, other: 3}
	for team, version := range versions {
		cloudtest.UploadVersions(t, team, imageSize, 1, version)
		credentials[team] = cloudtest.Enroll(t, team, append(ids, "x")...)
		fleets[team] = w.Simulate(simulator.Config{Devices: credentials[team][:len(ids)]})
	}
	for _, f := range fleets {
		cloudtest.WaitOnline(t, f)
	}
	for team, version := range versions {
		cloudtest.Must[api.Firmware](t)(team.Release(ctx, cloudtest.Lamp, api.Release{Version: cloudtest.Whole(version), Intelligent: true}))
	}
	for team, version := range versions {
		cloudtest.WaitForVersion(t, fleets[team], version)
		cloudtest.VerifyExact(t, fleets[team], version, imageSize)
		for _, id := range ids {
			if d := cloudtest.Must[api.Device](t)(team.Device(ctx, id.String())); d.ID != id.String() || !d.Running.Equal(fleet.WholeVersion(version)) || !d.Online || d.User != "" {
				t.Errorf("%s: got %+v, want version %d", id, d, version)
			}
		}
	}

	one, two := w.Dial(credentials[w.Client][3]), w.Dial(credentials[other][3])
	one.Hello(2)
	two.Hello(3)
	one.SendMessage("n", "of the first")
	two.SendMessage("n", "of the second")
	for team, want := range map[*client.Client]string{w.Client: "of the first", other: "of the second"} {
		got := cloudtest.Must[api.Page[api.Message]](t)(team.Messages(ctx, api.MessageFilter{Device: "x"})).Items
		if len(got) != 1 || !strings.Contains(string(got[0].Message), want) {
			t.Errorf("got messages %+v, want the one %q", got, want)
		}
	}
	cloudtest.Must[api.Command](t)(other.SendCommand(ctx, "x", api.NewCommand{Name: "blink", Message: []byte("1")}))
	if m := two.Receive(wire.TopicCommand); m.Topic.Name != "blink" {
		t.Errorf("got %+v", m)
	}
	one.VerifyAlive() // fails if the command came here
	if err := other.DeleteDevice(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	two.WaitClosed()
	one.VerifyAlive()
	if d := cloudtest.Must[api.Device](t)(w.Device(ctx, "x")); !d.Online {
		t.Error("the device of the first team is offline")
	}

	third, _ := w.neighbour("Third")
	c := cloudtest.Enroll(t, third, "a")[0]
	wrong := map[string]simulator.Credential{
		"a secret of nobody":                          {ID: "a", Secret: strings.Repeat("x", 43)},
		"the secret of another id":                    {ID: "a", Secret: credentials[w.Client][1].Secret},
		"the secret of another team's device":         {ID: "a", User: "a@1", Secret: c.Secret},
		"a user name of a team that has no such id":   {ID: "a", User: "a@99", Secret: c.Secret},
		"a user name with another id than the client": {ID: "b", User: "a@3", Secret: c.Secret},
	}
	for name, credential := range wrong {
		if _, err := cloudtest.TryDial(t, w.Broker(), credential); err == nil {
			t.Errorf("%s: connected", name)
		}
	}
	for _, user := range []string{"", "a@3"} {
		c.User = user
		_ = w.Dial(c).Close()
	}
}

// TestTheFifthTeamWithAnIDConnectsWithAUserName (docs/protocol.md, "Credentials"): everything that shows
// what to put into a device has it.
func TestTheFifthTeamWithAnIDConnectsWithAUserName(t *testing.T) {
	t.Parallel()
	w := serve(t)
	ctx := t.Context()
	teams := []*client.Client{w.Client}
	for n := range 4 {
		c, _ := w.neighbour(fmt.Sprint("Team ", n+2))
		teams = append(teams, c)
	}
	var last api.Imported
	for n, team := range teams {
		last = cloudtest.Must[api.Imported](t)(team.Import(ctx, cloudtest.Lamp, api.NewDevices{IDs: []string{"a", fmt.Sprint("only-", n)}}))
		if n < 4 && len(last.Users) != 0 {
			t.Errorf("team %d: got user names %v", n+1, last.Users)
		}
	}
	user := "a@5"
	if len(last.Users) != 1 || last.Users["a"] != user {
		t.Fatalf("the fifth team: got user names %v, want %s", last.Users, user)
	}
	fifth := teams[4]
	if d := cloudtest.Must[api.Device](t)(fifth.Device(ctx, "a")); d.User != user || d.ID != "a" {
		t.Errorf("got %s with user name %q", d.ID, d.User)
	}
	credential := simulator.Credential{ID: "a", Secret: last.Secrets["a"]}
	if _, err := cloudtest.TryDial(t, w.Broker(), credential); err == nil {
		t.Error("it connects without its team")
	}
	credential.User = user
	d := w.Dial(credential)
	d.Hello(1)
	if !cloudtest.Must[api.Device](t)(fifth.Device(ctx, "a")).Online || w.Online("a") {
		t.Error("another team's device is online in its place")
	}
	_ = d.Close()
	if err := teams[1].DeleteDevice(ctx, "a"); err != nil { // the fifth is one of four now
		t.Fatal(err)
	}
	if d := cloudtest.Must[api.Device](t)(fifth.Device(ctx, "a")); d.User != "" {
		t.Errorf("got user name %q of one of four", d.User)
	}
	credential.User = ""
	w.Dial(credential).Hello(1)
}

// TestAnIDOfAnotherTeamIsAsOneThatDoesNotExist asks every operation on a device, the lists, the import and
// an attach for both: nothing tells them apart.
func TestAnIDOfAnotherTeamIsAsOneThatDoesNotExist(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other, _ := s.neighbour("Neighbour")
	taken, free := "taken-1", "taken-2" // of one length
	cloudtest.Enroll(t, other, fleet.DeviceID(taken))
	token := s.tokens[fleet.Owner]
	asked := 0
	same := func(what string, ask func(id string) (int, string)) {
		t.Helper()
		status1, body1 := ask(taken)
		status2, body2 := ask(free)
		asked++
		if status1 != status2 || strings.ReplaceAll(body1, taken, free) != body2 {
			t.Errorf("%s: got %d %s for another team's, %d %s for one that does not exist", what, status1, body1, status2, body2)
		}
	}
	routes := s.routes()
	for _, p := range policies {
		r := routes[p.operation]
		if !strings.Contains(r.path+p.query+p.body, "{device}") {
			continue
		}
		same(p.operation+p.query, func(id string) (int, string) {
			about := s.subject(own, r.path+p.query+p.body)
			about["device"] = id
			status, body := s.send(r.method, s.fill(r.path+p.query, about), s.fill(p.body, about), token)
			for _, made := range []string{"version", "group", "fresh", "alert"} { // what each call has of its own
				if len(about[made]) > 1 { // "1" is nobody's
					body = strings.ReplaceAll(body, about[made], "*")
				}
			}
			return status, varying.ReplaceAllString(body, "*")
		})
	}
	for _, path := range []string{"/v1/devices?deviceIds=%s", "/v1/messages?deviceId=%s", "/v1/alerts?deviceIds=%s", "/v1/devices?deviceNameFuzzy=%s"} {
		same(path, func(id string) (int, string) { return s.send(http.MethodGet, fmt.Sprintf(path, id), "", token) })
	}
	for _, path := range []string{"/v1/devices?deviceIds=", "/v1/messages?deviceId=", "/v1/alerts?deviceIds=", "/v1/devices/"} { // what a DeviceID has inside names nothing
		for _, id := range []string{"1%2F" + s.subject(own, "{device}")["device"], "2%2F" + taken} {
			if status, body := s.send(http.MethodGet, path+id, "", token); status/100 == 2 && !strings.Contains(body, `"items":[]`) || strings.HasSuffix(path, "/") && status/100 != 4 {
				t.Errorf("%s%s: got %d %s", path, id, status, body)
			}
		}
	}
	same("attach to a gateway", func(id string) (int, string) {
		return s.send(http.MethodPost, "/v1/products/lamp/devices", fmt.Sprintf(`{"id":"b","gateway":%q}`, id), token)
	})
	gateway := s.Dial(s.EnrollGateways("g")[0])
	if got := gateway.Attach(wire.TopicAttach, fleet.DeviceID(taken), fleet.DeviceID(free)); got[fleet.DeviceID(taken)] != got[fleet.DeviceID(free)] {
		t.Errorf("a gateway: got %v", got)
	}
	for _, dry := range []string{"?dry_run=true", ""} { // the import comes last: then it has them
		same("import"+dry, func(id string) (int, string) {
			status, body := s.send(http.MethodPost, "/v1/products/lamp/devices"+dry, fmt.Sprintf(`{"id":%q}`, id), token)
			return status, secrets.ReplaceAllString(body, "*")
		})
	}
	if asked < 30 {
		t.Errorf("compared %d answers only", asked)
	}
}

var (
	varying = regexp.MustCompile(`[0-9a-f]{16,}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*|release [0-9]+`)
	secrets = regexp.MustCompile(`[A-Za-z0-9_-]{43}`)
)

// inner is a device id of the tests with its team, as the server's parts have it (docs/adr/0040).
var inner = regexp.MustCompile(`(^|[^0-9A-Za-z.])[12](/|%2F|\\/)(d|gw|free|in|ble)-`)

// TestNoAnswerHasTheTeamInADeviceID reads the answers to every GET of the document, and the events, of a
// team with devices, messages, alerts and updates. TestEveryRouteForEveryRoleAndObject looks at the
// answers to writes.
func TestNoAnswerHasTheTeamInADeviceID(t *testing.T) {
	t.Parallel()
	s := newSight(t)
	if inner.MatchString(`"lamp/in-ab"`) || !inner.MatchString(`"1/in-ab"`) {
		t.Fatal("the expression is wrong")
	}
	next := (&stage{world: s.world}).listen("/v1/products/lamp/events", s.owner)
	s.EditDevice("in-ab", api.DeviceUpdate{Name: api.Some("the end")})
	for line := next(); !strings.Contains(line, "the end"); line = next() {
		if line == "" || inner.MatchString(line) {
			t.Fatalf("the stream: %s", line)
		}
	}
	with := 0
	for _, op := range s.contract().operations() {
		if op.method != http.MethodGet || strings.Contains(op.path, "events") {
			continue
		}
		for _, id := range s.all() {
			path := strings.NewReplacer("{product}", cloudtest.Lamp, "{device}", id, "{group}", "a", "{version}", "3", "{email}", cloudtest.OwnerEmail, "{username}", cloudtest.OwnerEmail).Replace(op.path)
			if query := op.required(""); query != "" {
				path += "?" + query
			}
			_, body := s.asks(t, s.owner, path)
			if inner.MatchString(body) {
				t.Errorf("%s: %.1000s", path, body)
			}
			if slices.ContainsFunc(s.all(), func(id string) bool { return strings.Contains(body, id) }) {
				with++
			}
		}
	}
	if with < 50 {
		t.Errorf("%d answers have a device id: the test looks at too little", with)
	}
}
