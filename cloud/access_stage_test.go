package cloud_test

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify"
	"github.com/muster-iot/muster/store/outbox"
)

// stage is a server with two teams and a user of each role in the first. The admin holds
// a group that the editor and the viewer don't.
type stage struct {
	*world
	tokens    map[fleet.Role]string
	actors    map[fleet.Role]fleet.Actor
	team      fleet.TeamID
	product   fleet.ProductID
	other     fleet.TeamID // with the product alien
	elsewhere fleet.ProductID
	own       fleet.Group // held by the editor and the viewer
	program   string
	count     int
	hidden    map[fleet.TeamID]fleet.Group // a group of a team for devices that hide behind it; see hiding
}

// subject is what one request is about: the parts its path and body are filled with.
type subject map[string]string

func newStage(t *testing.T) *stage {
	w := serve(t)
	ctx := t.Context()
	s := &stage{world: w, tokens: map[fleet.Role]string{}, actors: map[fleet.Role]fleet.Actor{}, hidden: map[fleet.TeamID]fleet.Group{}}
	owner := s.signIn(fleet.Owner, cloudtest.OwnerEmail, 0)
	s.team = owner.Team
	s.product = cloudtest.Must[fleet.Product](t)(w.Cloud.Registry().Product(ctx, owner, cloudtest.Lamp)).ID
	s.own = cloudtest.Must[fleet.Group](t)(w.Cloud.Store().Teams.CreateGroup(ctx, fleet.Group{Team: s.team, Name: "own", Color: "#000000"}))
	for _, role := range []fleet.Role{fleet.Admin, fleet.Editor, fleet.Viewer} {
		email := role.String() + "@example.com"
		cloudtest.Must[fleet.Member](t)(w.Cloud.Accounts().AddUser(ctx, owner, email, cloudtest.OwnerPassword, role, []string{"own"}))
		s.signIn(role, email, 0)
	}
	program, _, _, err := w.Cloud.Accounts().AddProgram(ctx, owner, "robot", fleet.Viewer, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.program = program.Email
	s.other = cloudtest.Must[fleet.Team](t)(w.Cloud.Accounts().CreateTeam(ctx, owner, "Other")).ID
	elsewhere := fleet.Actor{User: owner.User, Email: cloudtest.OwnerEmail, Team: s.other, Role: fleet.Owner}
	s.elsewhere = cloudtest.Must[fleet.Product](t)(w.Cloud.Registry().CreateProduct(ctx, elsewhere, fleet.Product{Name: "Alien", Slug: "alien"})).ID
	w.UploadVersions(100, 1)
	cloudtest.Until(t, "the index is built", w.Cloud.Store().Index.Ready)
	return s
}

// signIn makes a token for the user of a role.
func (s *stage) signIn(role fleet.Role, email string, team fleet.TeamID) fleet.Actor {
	s.Helper()
	secret, _, err := s.Cloud.Accounts().SignIn(s.Context(), fleet.SignIn{Email: email, Password: cloudtest.OwnerPassword, Team: team, Address: "127.0.0.1"})
	if err != nil {
		s.Fatal(err)
	}
	s.tokens[role] = secret
	s.actors[role] = cloudtest.Must[fleet.Actor](s)(s.Cloud.Accounts().Actor(s.Context(), secret))
	return s.actors[role]
}

// call makes a fresh subject, so that no request meets what another left, and asks.
func (s *stage) call(p policy, r operation, role fleet.Role, object string) (int, string) {
	s.Helper()
	subject := s.subject(object, r.path+p.query+p.body)
	token := s.tokens[role]
	if p.operation == "RevokeAccessToken" && object == own {
		_, t, err := s.Cloud.Accounts().NewToken(s.Context(), s.actors[role], "x", 0)
		if err != nil {
			s.Fatal(err)
		}
		subject["token"] = t.ID
	}
	if p.operation == "RevokeToken" { // the token itself
		token, _, _ = s.Cloud.Accounts().NewToken(s.Context(), s.actors[role], "x", 0)
	}
	if p.operation == "LeaveTeam" && role != fleet.Owner { // of someone who is not needed any more
		user := cloudtest.Must[fleet.User](s)(s.Cloud.Store().Teams.CreateUser(s.Context(), fleet.User{Email: subject["fresh"]}))
		leaver := fleet.Member{Team: s.team, User: user.ID, Email: user.Email, Role: role}
		if err := s.Cloud.Store().Teams.AddMember(s.Context(), leaver); err != nil {
			s.Fatal(err)
		}
		token, _, _ = s.Cloud.Accounts().NewToken(s.Context(), fleet.Actor{User: user.ID, Email: user.Email, Team: s.team, Role: role}, "x", 0)
	}
	body := s.fill(p.body, subject)
	if strings.Contains(r.path, "{release}") {
		defer s.stageRelease(subject, object)()
		return s.send(r.method, s.fill(r.path, subject), body, token)
	}
	if strings.Contains(r.path, "{channel}") || strings.Contains(r.path, "{notification}") {
		defer s.stageChannel(subject, object)()
	}
	switch {
	case p.operation == "UploadFirmware":
		body = "upload " + subject["slug number"]
	case strings.Contains(r.path, "{device}") || strings.Contains(r.path, "{group}") || strings.Contains(p.body, "{device}"):
		subject["product"] = cloudtest.Lamp // the object itself is what is foreign
	}
	return s.send(r.method, s.fill(r.path, subject)+s.fill(p.query, subject), body, token)
}

// stageRelease releases a version with a plan to the subject's group, until end is called.
func (s *stage) stageRelease(subject subject, object string) (end func()) {
	s.Helper()
	team, product := s.team, s.product
	if object == alien {
		team, product = s.other, s.elsewhere
	}
	var target fleet.GroupID
	for _, g := range cloudtest.Must[[]fleet.Group](s)(s.Cloud.Store().Teams.Groups(s.Context(), team)) {
		if g.Name == subject["group"] {
			target = g.ID
		}
	}
	edit := func(change func(*fleet.Catalog) error) {
		if _, err := s.Cloud.Store().Catalogs.EditCatalog(s.Context(), product, change); err != nil {
			s.Fatal(err)
		}
	}
	plan := fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: 100, Approve: true}, {Share: fleet.Whole}}, Sample: 20}
	edit(func(c *fleet.Catalog) error {
		r, err := c.Begin(fleet.Release{Group: target, Version: fleet.WholeVersion(77), Plan: plan}, time.Now())
		subject["release"] = r.ID.String()
		return err
	})
	return func() {
		edit(func(c *fleet.Catalog) error {
			c.Clear(target, time.Now())
			return nil
		})
	}
}

// stageChannel makes a channel with a notification, until end is called.
func (s *stage) stageChannel(subject subject, object string) (end func()) {
	s.Helper()
	actor := fleet.Actor{User: 1, Team: s.team, Role: fleet.Owner}
	if object == alien {
		actor.Team = s.other
	}
	c := cloudtest.Must[notify.Channel](s)(s.Cloud.Notifications().Create(s.Context(), actor, notify.Channel{
		Name: "x", Kind: notify.Webhook, URL: "http://localhost:9/", Topics: notify.Topics,
	}))
	subject["channel"], subject["notification"] = c.ID, "ntf_"+c.ID
	r := outbox.Record{ID: "ntf_" + c.ID, Text: `{"id":"ntf_` + c.ID + `","channel":"` + c.ID + `","about":"test","state":"failed"}`, Created: time.Now()}
	if err := s.Cloud.Store().Outbox.Commit(s.Context(), actor.Team, outbox.Change{Records: []outbox.Record{r}}); err != nil {
		s.Fatal(err)
	}
	return func() { _ = s.Cloud.Notifications().Delete(s.Context(), actor, c.ID) } // it may be deleted already
}

func (s *stage) fill(text string, subject subject) string {
	for key, value := range subject {
		if strings.HasPrefix(text, "/") {
			value = url.PathEscape(value)
		}
		text = strings.ReplaceAll(text, "{"+key+"}", value)
	}
	return strings.NewReplacer("{job}", "1000", "{filter}", "f").Replace(text) // nobody's, and the team's
}

// subject makes what a request names of one standing: text is its path, query and body, with
// {device}, {group}, {alert}, {email}, {version} ... where they are named. Whatever is not named is
// not made: lists of a thousand groups and versions cost more than all requests.
func (s *stage) subject(object, text string) subject {
	s.Helper()
	names := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.Contains(text, "{"+key+"}") })
	}
	s.count++
	n := strconv.Itoa(s.count)
	team, slug := s.team, cloudtest.Lamp
	if object == alien {
		team, slug = s.other, "alien"
	}
	subject := subject{
		"product": slug, "token": "000000000000", "version": "1", "prefix": "spark/", "program": s.program,
		"fresh": "fresh-" + n + "@example.com", "slug": "slug-" + n, "slug number": strconv.Itoa(1000 + s.count),
	}
	var group fleet.Group
	if names("group", "release") {
		group = s.group(object, team, n)
		subject["group"] = group.Name
	} else {
		group = s.hiding(team)
	}
	if names("device", "alert") {
		device := s.device(object, n, group)
		subject["device"] = device.String()
		if names("alert") {
			subject["alert"] = cloudtest.Must[fleet.Alert](s)(s.Cloud.Store().Messages.Raise(s.Context(), fleet.Alert{Team: team, Device: device, Name: "test"})).ID
		}
	}
	if names("email", "username") || object == alien && names("program") {
		email := s.member(team, n)
		subject["email"], subject["username"] = email, email
		if object == alien {
			subject["program"] = email
		}
	}
	if names("version") && object != alien {
		subject["version"] = s.firmware()
	}
	return subject
}

// device makes a device of one standing; group is what hides it, where something does.
func (s *stage) device(object, n string, group fleet.Group) fleet.DeviceID {
	s.Helper()
	ctx := s.Context()
	team, product := s.team, s.product
	if object == alien {
		team, product = s.other, s.elsewhere
	}
	device := &fleet.Device{ID: fleet.DeviceID("d-" + n).In(team), Team: team, Product: product}
	switch object {
	case own:
		device.Groups = []fleet.GroupID{s.own.ID}
	case shared:
		device.Groups = fleet.SortGroups([]fleet.GroupID{s.own.ID, group.ID})
	case foreign, alien:
		device.Groups = []fleet.GroupID{group.ID}
	case behind:
		gateway := &fleet.Device{ID: fleet.DeviceID("gw-" + n).In(team), Team: team, Product: product, Kind: fleet.Gateway, Groups: []fleet.GroupID{s.own.ID}}
		if err := s.Cloud.Store().Devices.Create(ctx, gateway); err != nil {
			s.Fatal(err)
		}
		device.Kind, device.Gateway, device.Groups = fleet.BLE, gateway.ID, []fleet.GroupID{group.ID}
	}
	if err := s.Cloud.Store().Devices.Create(ctx, device); err != nil {
		s.Fatal(err)
	}
	return device.ID
}

// hiding is a group of a team that neither the editor nor the viewer holds. All requests that name
// no group share it.
func (s *stage) hiding(team fleet.TeamID) fleet.Group {
	s.Helper()
	if _, ok := s.hidden[team]; !ok {
		s.hidden[team] = s.group(foreign, team, "shared-"+strconv.Itoa(int(team)))
	}
	return s.hidden[team]
}

// group is one that the editor and the viewer hold, or don't.
func (s *stage) group(object string, team fleet.TeamID, n string) fleet.Group {
	s.Helper()
	ctx := s.Context()
	name, holders := "foreign-"+n, []fleet.Role{fleet.Admin}
	if object == own {
		name, holders = "mine-"+n, []fleet.Role{fleet.Editor, fleet.Viewer}
	}
	g := cloudtest.Must[fleet.Group](s)(s.Cloud.Store().Teams.CreateGroup(ctx, fleet.Group{Team: team, Name: name, Color: "#000000"}))
	if team != s.team {
		return g
	}
	for _, role := range holders {
		cloudtest.Must[fleet.Member](s)(s.Cloud.Store().Teams.EditMember(ctx, team, s.actors[role].User, func(m *fleet.Member) error {
			m.Groups = fleet.SortGroups(append(m.Groups, g.ID))
			return nil
		}))
	}
	return g
}

// member makes a viewer of a team.
func (s *stage) member(team fleet.TeamID, n string) (email string) {
	s.Helper()
	user := cloudtest.Must[fleet.User](s)(s.Cloud.Store().Teams.CreateUser(s.Context(), fleet.User{Email: "user-" + n + "@example.com"}))
	if err := s.Cloud.Store().Teams.AddMember(s.Context(), fleet.Member{Team: team, User: user.ID, Email: user.Email, Role: fleet.Viewer}); err != nil {
		s.Fatal(err)
	}
	return user.Email
}

// firmware uploads a version.
func (s *stage) firmware() string {
	s.Helper()
	v := cloudtest.Whole(uint32(100_000 + s.count))
	f := cloudtest.Must[api.Firmware](s)(s.Upload(s.Context(), cloudtest.Lamp, api.NewFirmware{Version: v}, bytes.NewReader(cloudtest.Image(uint32(s.count), 50))))
	return f.Version.String()
}
