package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/chaos/machine"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
)

// deadlines is a server whose clock can be stepped, and who uses it.
type deadlines struct {
	*testing.T
	server  *server
	client  *client.Client
	devices map[fleet.DeviceID]simulator.Credential
}

// TestStepsOfTheClockMoveNoDeadline steps the server's wall clock under everything that is
// stored with a deadline: nothing ends early, and nothing lasts longer.
func TestStepsOfTheClockMoveNoDeadline(t *testing.T) {
	if !machine.CanStep {
		t.Skip("the clock can't be stepped here")
	}
	binary, err := machine.BuildServer(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	w := &deadlines{T: t}
	w.start(binary)

	const years = 400 * 24 * time.Hour
	var lasting, ending []func() error
	for _, row := range lastingDeadlines {
		lasting = append(lasting, named(row.name, row.arm(w)))
	}
	for _, step := range []time.Duration{years, 0, -years} {
		w.step(step)
		for _, holds := range lasting {
			if err := holds(); err != nil {
				t.Errorf("clock at %+d days: %v", int(step.Hours()/24), err)
			}
		}
	}
	w.step(0)
	for _, row := range endingDeadlines {
		ending = append(ending, named(row.name, row.arm(w)))
	}
	w.step(-years)
	for _, ended := range ending {
		var err error
		for began := time.Now(); time.Since(began) < cloudtest.Patience; wait(t.Context(), time.Second) {
			if err = ended(); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("clock back: %v", err)
		}
	}
}

func named(name string, check func() error) func() error {
	return func() error {
		if err := check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
}

// lastingDeadlines are hours away. arm returns what has to hold whatever the clock shows.
var lastingDeadlines = []struct {
	name string
	arm  func(*deadlines) func() error
}{
	{"a token", func(w *deadlines) func() error {
		return w.token(3600)
	}},
	{"the cookie of a sign-in", func(w *deadlines) func() error {
		jar, _ := cookiejar.New(nil)
		browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		base := "http://" + w.server.http
		answer := cloudtest.Must[*http.Response](w)(browser.PostForm(base+"/sign-in", url.Values{"email": {owner}, "password": {password}}))
		_ = answer.Body.Close()
		return func() error {
			answer, err := browser.Get(base + "/team")
			if err != nil {
				return err
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("the page answers %d", answer.StatusCode)
			}
			return nil
		}
	}},
	{"an invitation", func(w *deadlines) func() error {
		var links []string
		for i := range 3 {
			added := cloudtest.Must[api.AddedUser](w)(w.client.AddUser(w.Context(), api.NewUser{Email: fmt.Sprintf("guest-%d@example.com", i), Role: "viewer"}))
			links = append(links, added.Invitation.Token)
		}
		return func() error {
			link := links[0]
			links = links[1:]
			_, err := client.New("http://"+w.server.http, "").Accept(w.Context(), api.Acceptance{Token: link, Name: "A guest", Password: password})
			return err
		}
	}},
	{"a cool-down", func(w *deadlines) func() error {
		w.fail("cooling") // a short one, which ends
		w.until("cooling", offered)
		w.fail("cooling")
		return func() error {
			d := w.dial("cooling")
			defer d.Close()
			if h := d.Hello(1); h.Again <= 0 || h.Again > time.Hour {
				return fmt.Errorf("the device is to wait for %s (%q)", h.Again, h.Why)
			}
			return nil
		}
	}},
	{"a restart of a device", func(w *deadlines) func() error {
		boot := func(h *wire.Hello) { h.Boot = 77 }
		d := w.dial("applying")
		d.Hello(1, boot)
		d.Report(d.ReceiveOffer(), wire.ReportApplying, 0)
		return func() error {
			if h := d.Hello(1, boot); h.Why != "applying" {
				return fmt.Errorf("got %q", h.Why)
			}
			return nil
		}
	}},
	{"the hold of a stage", func(w *deadlines) func() error {
		return w.staged(api.Plan{Stages: api.Stages{{Share: share(fleet.Whole / 2), Hold: hold(time.Hour)}, {Share: share(fleet.Whole)}}}, "running", 1)
	}},
	{"a scheduled start", func(w *deadlines) func() error {
		start := time.Now().Add(time.Hour)
		return w.staged(api.Plan{Start: &start, Stages: api.Stages{{Share: share(fleet.Whole)}}}, "scheduled", 1)
	}},
	{"the age of a session", func(w *deadlines) func() error {
		d := w.dial("quiet")
		d.Hello(2)
		return func() error {
			var err error
			d.WaitAck(d.Send(wire.TopicMessage, 1, []byte("alive")), func(m cloudtest.Message) { err = fmt.Errorf("it gets %s", m.Topic) })
			return err
		}
	}},
	{"the retention of messages", func(w *deadlines) func() error {
		d := w.dial("talking")
		d.SendMessage("first", "1")
		_ = d.Close()
		return func() error {
			for i := range 70 { // old ones are looked for at one of 64
				d := w.dial(fleet.DeviceID(fmt.Sprint("talking-", i%7)))
				d.SendMessage("more", "1")
				_ = d.Close()
			}
			page, err := w.client.Messages(w.Context(), api.MessageFilter{Device: "talking", Ascending: true, Limit: 1})
			if err == nil && (len(page.Items) != 1 || !strings.HasSuffix(page.Items[0].Topic, "first")) {
				err = fmt.Errorf("the first of the device's messages is %v", page.Items)
			}
			return err
		}
	}},
	{"the retention of alerts", func(w *deadlines) func() error {
		d := w.dial("talking")
		alarm := func(text string) {
			d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 1, Text: text}.Encode()), func(cloudtest.Message) {})
		}
		alarm("first")
		_ = d.Close()
		return func() error {
			d = w.dial("talking")
			defer d.Close()
			alarm("more")
			page, err := w.client.Alerts(w.Context(), api.AlertFilter{Device: "talking", Limit: 100})
			if err == nil && !slices.ContainsFunc(page.Items, func(a api.Alert) bool { return a.Text == "first" }) {
				err = fmt.Errorf("the first alert is gone")
			}
			return err
		}
	}},
	{"the retention of past updates", func(w *deadlines) func() error {
		return func() error {
			updates, err := w.client.DeviceUpdates(w.Context(), "cooling")
			if err == nil && len(updates) < 2 {
				err = fmt.Errorf("the device has %d past updates", len(updates))
			}
			return err
		}
	}},
	{"the retention of the audit log", func(w *deadlines) func() error {
		return func() error {
			page, err := w.client.Audit(w.Context(), api.AuditFilter{Action: "product.create"})
			if err == nil && len(page.Items) != 1 {
				err = fmt.Errorf("the creation of the product is not in it")
			}
			return err
		}
	}},
	{"the answer of a repeated request", func(w *deadlines) func() error {
		create := func() error {
			return w.server.call(w.Context(), http.MethodPost, "/v1/products/"+product+"/groups", "a-key", api.GroupFields{Name: new("once")})
		}
		if err := create(); err != nil {
			w.Fatal(err)
		}
		return create
	}},
	{"a command", func(w *deadlines) func() error {
		cloudtest.Must[api.Command](w)(w.client.SendCommand(w.Context(), "commanded", api.NewCommand{Name: "blink", ExpiresIn: 3600}))
		return func() error {
			d := w.dial("commanded")
			defer d.Close()
			d.Hello(2)
			d.Receive(wire.TopicCommand) // fails the test when none comes
			return nil
		}
	}},
}

// endingDeadlines are seconds away. arm returns what has to hold in the end.
var endingDeadlines = []struct {
	name string
	arm  func(*deadlines) func() error
}{
	{"a token", func(w *deadlines) func() error {
		valid := w.token(3)
		return func() error {
			if valid() == nil {
				return fmt.Errorf("it still works")
			}
			return nil
		}
	}},
	{"a cool-down", func(w *deadlines) func() error {
		w.fail("cooled")
		return func() error {
			d := w.dial("cooled")
			defer d.Close()
			return offered(d.Hello(1))
		}
	}},
	{"the hold of a stage", func(w *deadlines) func() error {
		return w.staged(api.Plan{Stages: api.Stages{{Share: share(fleet.Whole / 2), Hold: hold(3 * time.Second)}, {Share: share(fleet.Whole)}}}, "running", 2)
	}},
	{"a scheduled start", func(w *deadlines) func() error {
		start := time.Now().Add(4 * time.Second)
		return w.staged(api.Plan{Start: &start, Stages: api.Stages{{Share: share(fleet.Whole)}}}, "running", 1)
	}},
	{"a command", func(w *deadlines) func() error {
		cloudtest.Must[api.Command](w)(w.client.SendCommand(w.Context(), "forgotten", api.NewCommand{Name: "blink", ExpiresIn: 3}))
		return func() error {
			d := w.dial("forgotten")
			defer d.Close()
			d.Hello(2)
			var err error
			d.WaitAck(d.Send(wire.TopicMessage, 1, []byte("alive")), func(m cloudtest.Message) { err = fmt.Errorf("it gets %s", m.Topic) })
			return err
		}
	}},
}

// start starts a server with one product that has version 2 as its default.
func (w *deadlines) start(binary string) {
	w.Helper()
	s, err := newServer(binary, w.TempDir())
	if err != nil {
		w.Fatal(err)
	}
	w.server, s.settings = s, []string{"MUSTER_OTA_COOL_DOWN=2s,1h"}
	if err := s.start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { s.now.Stop() })
	if err := s.ready(w.Context(), healing); err != nil {
		w.Fatal(err)
	}
	if err := signIn(w.Context(), []*server{s}); err != nil {
		w.Fatal(err)
	}
	w.client = s.client
	cloudtest.Must[api.Product](w)(w.client.CreateProduct(w.Context(), "Lamp", product))
	for v := uint32(2); v <= 3; v++ {
		cloudtest.Must[api.Firmware](w)(w.client.Upload(w.Context(), product, api.NewFirmware{Version: version(v).api()}, bytes.NewReader(imageOf(v))))
	}
	cloudtest.Must[api.Firmware](w)(w.client.Release(w.Context(), product, api.Release{Version: version(2).api()}))
	w.devices = make(map[fleet.DeviceID]simulator.Credential)
	for _, c := range cloudtest.Enroll(w, w.client, "cooling", "cooled", "applying", "quiet", "talking", "talking-0", "talking-1", "talking-2", "talking-3", "talking-4", "talking-5", "talking-6", "commanded", "forgotten") {
		w.devices[c.ID] = c
	}
}

// step steps the server's clock and waits until the server shows it.
func (w *deadlines) step(d time.Duration) {
	w.Helper()
	if err := w.server.stepClock(d); err != nil {
		w.Fatal(err)
	}
	for began := time.Now(); ; wait(w.Context(), 50*time.Millisecond) {
		answer := cloudtest.Must[*http.Response](w)(http.Get("http://" + w.server.http + "/livez"))
		_ = answer.Body.Close()
		shown, err := http.ParseTime(answer.Header.Get("Date"))
		if err == nil && (time.Until(shown)-d).Abs() < time.Minute {
			return
		}
		if time.Since(began) > cloudtest.Patience {
			w.Fatalf("the server's clock shows %s", answer.Header.Get("Date"))
		}
	}
}

func (w *deadlines) dial(id fleet.DeviceID) *cloudtest.Device {
	w.Helper()
	return cloudtest.Dial(w, mqttlite.Broker{Scheme: "tcp", Host: w.server.mqtt}, w.devices[id])
}

// fail has a device fail the update that it is offered.
func (w *deadlines) fail(id fleet.DeviceID) {
	w.Helper()
	d := w.dial(id)
	d.Hello(1)
	d.Report(d.ReceiveOffer(), wire.ReportFailed, wire.ReasonDigest)
	_ = d.Close()
}

// until repeats a device's Hello until the Welcome is what it should be.
func (w *deadlines) until(id fleet.DeviceID, right func(wire.Welcome) error) {
	w.Helper()
	for began := time.Now(); ; wait(w.Context(), time.Second) {
		d := w.dial(id)
		err := right(d.Hello(1))
		_ = d.Close()
		if err == nil {
			return
		}
		if time.Since(began) > cloudtest.Patience {
			w.Fatal(id, err)
		}
	}
}

func offered(h wire.Welcome) error {
	if h.Reason != wire.ReasonNone {
		return fmt.Errorf("the Welcome refuses: %q", h.Why)
	}
	return nil
}

// token returns a check that a token with this lifetime in seconds works.
func (w *deadlines) token(seconds uint32) func() error {
	w.Helper()
	made := cloudtest.Must[api.Token](w)(w.client.CreateToken(w.Context(), api.NewToken{Label: fmt.Sprint(seconds, " s"), Lifetime: api.Lifetime{ExpiresIn: seconds}}))
	c := client.New("http://"+w.server.http, made.AccessToken)
	return func() error {
		_, err := c.Account(w.Context())
		return err
	}
}

// staged releases version 3 by a plan to a group of its own and returns a check of how far it is.
func (w *deadlines) staged(plan api.Plan, state string, stage int) func() error {
	w.Helper()
	group := "group-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	cloudtest.Must[api.Group](w)(w.client.CreateGroup(w.Context(), product, group, ""))
	groups := []string{group}
	for _, r := range cloudtest.Must[[]api.StagedRelease](w)(w.client.Releases(w.Context(), product)) {
		groups = append(groups, r.Group) // the groups of a version are absolute
	}
	cloudtest.Must[api.Firmware](w)(w.client.Release(w.Context(), product, api.Release{Version: version(3).api(), Groups: api.Some(api.Names(groups)), Plan: &plan}))
	return func() error {
		for _, r := range cloudtest.Must[[]api.StagedRelease](w)(w.client.Releases(w.Context(), product)) {
			if r.Group != group {
				continue
			}
			if r.State != state || r.Stage != stage {
				return fmt.Errorf("it is %s at stage %d: %s", r.State, r.Stage, r.Why)
			}
			return nil
		}
		return fmt.Errorf("no release to group %s: %+v", group, cloudtest.Must[[]api.StagedRelease](w)(w.client.Releases(w.Context(), product)))
	}
}

func share(s fleet.Share) api.Percent { return api.Percent{Share: s} }

func hold(d time.Duration) *api.Span { return &api.Span{Duration: d} }
