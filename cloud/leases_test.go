package cloud_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// TestServersThatStartTogetherMakeOneFirstTeam is row 1 of the design: both printed a password.
func TestServersThatStartTogetherMakeOneFirstTeam(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	var reports atomic.Int32
	var clouds [2]*cloud.Cloud
	var starts sync.WaitGroup
	for i := range clouds {
		config := cloudtest.Config(t)
		config.Redis.URL, config.Node.Join = configs.Secret("unix://"+r.socket), true
		config.HashMemory = 64 << 10 // it takes long enough for both to find the store empty
		config.Owner.Password, config.ReportPassword = "", func(string, string) { reports.Add(1) }
		starts.Go(func() {
			c, err := cloud.New(t.Context(), config)
			if err != nil {
				t.Error(err)
				return
			}
			clouds[i] = c
		})
	}
	starts.Wait()
	for _, c := range clouds {
		if c == nil {
			continue
		}
		defer cloudtest.Run(t, c)()
		if teams := cloudtest.Must[[]fleet.TeamID](t)(c.Store().Teams.AllTeams(t.Context())); len(teams) != 1 {
			t.Errorf("there are %d teams, want one", len(teams))
		}
	}
	if n := reports.Load(); n != 1 {
		t.Errorf("%d passwords were reported, want one", n)
	}
}

// TestWhatMustBeDoneOnceIsDoneByOneServer starts work at both servers, and again after one has ended.
func TestWhatMustBeDoneOnceIsDoneByOneServer(t *testing.T) {
	t.Parallel()
	nodes := serveNodes(t, "unix://"+startRedis(t).socket, 2)
	h := newHook(t)
	cloudtest.Must[api.Channel](t)(nodes[0].CreateChannel(t.Context(), api.NewChannel{Name: "on call", Kind: "webhook", URL: h.URL}))
	nodes[0].UploadVersions(5000, 1, 2)
	nodes[0].ReleaseVersion(1)
	cred := nodes[0].Enroll("a")[0]
	alert := func(w *world, text string) {
		d := w.Dial(cred)
		d.Hello(1)
		d.WaitAck(d.Send(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: text}.Encode()), func(cloudtest.Message) {})
		h.answers <- http.StatusOK
		if p := h.next(t); !strings.Contains(p.body, text) {
			t.Errorf("got %s, want %s", p.body, text)
		}
	}
	jobs := 0
	job := func(w *world) {
		jobs++
		j := cloudtest.Must[api.Job](t)(w.StartJob(t.Context(), cloudtest.Lamp, api.NewJob{
			Action: "command", Devices: []string{"a"}, Metadata: api.JobMetadata{Name: "blink"},
		}))
		cloudtest.Until(t, "the job is done", func() bool {
			return cloudtest.Must[api.Job](t)(w.Job(t.Context(), j.Number)).State == "done"
		})
	}
	leader, other := nodes[0], nodes[1]
	cloudtest.Until(t, "one of them leads", func() bool {
		if other.Cloud.Store().Nodes().Holds("notifications") {
			leader, other = other, leader
		}
		return leader.Cloud.Store().Nodes().Holds("notifications")
	})
	alert(other, "too hot")
	job(leader)
	job(other)
	f := cloudtest.Must[api.Firmware](t)(other.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2), Plan: tenth(func(p *api.Plan) {
		p.Stages[0].Approve = false
	})}))
	other.until(f.Release.ID, fleet.ReleaseDone)
	if n := other.Metric(`muster_notifications_sent_total{kind="webhook"}`); n != 0 {
		t.Errorf("the server that does not lead has posted %v times", n)
	}
	leader.Stop()
	alert(other, "still too hot")
	job(other)
	if commands := cloudtest.Must[[]api.Command](t)(other.Commands(t.Context(), "a")); len(commands) != jobs {
		t.Errorf("the device has %d commands, want one of each of %d jobs", len(commands), jobs)
	}
	if len(h.got) > 0 {
		t.Errorf("posted twice: %v", <-h.got)
	}
}
