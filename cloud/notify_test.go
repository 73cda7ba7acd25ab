package cloud_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify/webhook"
	"github.com/muster-iot/muster/wire"
)

// hook is an HTTP server that passes on what it gets, and answers what a test sends on answers.
type hook struct {
	*httptest.Server
	got     chan posted
	answers chan int
}

type posted struct {
	id, body, timestamp, signature string
}

func newHook(t *testing.T) hook {
	h := hook{got: make(chan posted, 100), answers: make(chan int, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		h.got <- posted{r.Header.Get(webhook.IDHeader), string(body), r.Header.Get(webhook.TimestampHeader), r.Header.Get(webhook.SignatureHeader)}
		select {
		case status := <-h.answers:
			w.WriteHeader(status)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h hook) next(t *testing.T) posted {
	t.Helper()
	select {
	case p := <-h.got:
		return p
	case <-time.After(cloudtest.Patience):
		t.Fatal("nothing was posted")
		return posted{}
	}
}

// A server is killed while it posts a notification, and while another one waits.
func TestNotificationsSurviveAKill(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	p := cloudtest.Spawn(t, func(p *cloudtest.Process) { p.Env = []string{"MUSTER_NOTIFY_ALLOW=127.0.0.0/8"} })
	owner := cloudtest.SignIn(t, p.URL)
	channel, err := owner.CreateChannel(t.Context(), api.NewChannel{Name: "on call", Kind: "webhook", URL: h.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp); err != nil {
		t.Fatal(err)
	}
	device := cloudtest.Dial(t, p.Broker(), cloudtest.Enroll(t, owner, "lamp-1")[0])
	device.Hello(1)
	alert := func(text string) {
		device.WaitAck(device.Send(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: text}.Encode()), func(cloudtest.Message) {})
	}
	alert("too hot")
	first := h.next(t)
	alert("hotter") // acknowledged before the kill
	p.Kill()
	p.Start()
	again := h.next(t)
	h.answers <- http.StatusOK
	if again.id != first.id || again.body != first.body {
		t.Errorf("got\n%s, then\n%s", first.body, again.body)
	}
	if err := webhook.Verify(channel.Secret, again.id, again.timestamp, again.signature, []byte(again.body), time.Now()); err != nil {
		t.Error(err)
	}
	second := h.next(t)
	h.answers <- http.StatusOK
	if second.id == first.id || !strings.Contains(second.body, "hotter") {
		t.Errorf("then got %s", second.body)
	}
}

// mailbox is an SMTP server that takes mail from everybody.
type mailbox struct{ got chan letter }

type letter struct {
	to   []string
	text string
}

func (m mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailing{mailbox: m}, nil }

type mailing struct {
	mailbox
	letter
}

func (m *mailing) Mail(string, *smtp.MailOptions) error { return nil }
func (m *mailing) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.to = append(m.to, to)
	return nil
}

func (m *mailing) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	m.text = strings.ReplaceAll(string(text), "=\r\n", "") // quoted-printable
	m.got <- m.letter
	return err
}
func (m *mailing) Reset()        {}
func (m *mailing) Logout() error { return nil }

func newMailbox(t *testing.T) (box mailbox, address string) {
	t.Helper()
	box = mailbox{make(chan letter, 100)}
	server := smtp.NewServer(box)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return box, listener.Addr().String()
}

func TestAHaltAndAnInvitationAreMailed(t *testing.T) {
	t.Parallel()
	box, address := newMailbox(t)
	s := serve(t, func(c *cloud.Config) {
		c.Mail.Server, c.Mail.Security, c.Mail.From = address, "none", "Muster <muster@example.com>"
	})
	topics := api.Names{"halts", "failures"}
	cloudtest.Must[api.Channel](t)(s.CreateChannel(t.Context(), api.NewChannel{Name: "ops", Kind: "mail", To: api.Names{"ops@example.com"}, Topics: &topics}))
	devices := s.fleetOf(20)
	f := cloudtest.Must[api.Firmware](t)(s.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: tenth(func(p *api.Plan) {
		p.Stages[0].Share = percent(8000)
	})}))
	in, _ := inside(devices, fleet.ProductID(f.ProductID), f.Release.ID, 8000)
	for _, id := range in[:2] {
		d := devices[id]
		d.Hello(1, noWindow)
		finish(d, d.ReceiveOffer(), false)
	}
	select {
	case got := <-box.got:
		if len(got.to) != 1 || got.to[0] != "ops@example.com" || !strings.Contains(got.text, "it halts at 2") || !strings.Contains(got.text, "Subject: [Muster] Team: release_halted") {
			t.Errorf("got %+v", got)
		}
	case <-time.After(cloudtest.Patience):
		t.Fatal("no mail came")
	}
	added := cloudtest.Must[api.AddedUser](t)(s.AddUser(t.Context(), api.NewUser{Email: "new@example.com", Role: "viewer"}))
	got := <-box.got
	if !added.Invitation.Mailed || got.to[0] != "new@example.com" || !strings.Contains(strings.ReplaceAll(got.text, "=3D", "="), added.Invitation.Token) {
		t.Errorf("mailed: %t, %s", added.Invitation.Mailed, got.text)
	}
	var entries []string
	log := cloudtest.Must[api.Page[api.AuditEntry]](t)(s.Audit(t.Context(), api.AuditFilter{Limit: 100}))
	for _, e := range log.Items {
		text, _ := json.Marshal(e)
		entries = append(entries, string(text))
	}
	if strings.Contains(strings.Join(entries, ""), added.Invitation.Token) {
		t.Error("the secret of an invitation is in the audit log")
	}
}
