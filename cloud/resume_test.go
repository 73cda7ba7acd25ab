package cloud_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// slowly makes a download of resumeSize bytes take a second or two, so that something can
// happen in the middle.
var slowly = simulator.Faults{Slow: simulator.Slow{Rate: 120 << 10, Share: 1}}

const resumeSize = 200 << 10 // bytes

// halfway waits until f's devices hold a good part of their images.
func halfway(t testing.TB, f *simulator.Fleet) {
	t.Helper()
	cloudtest.Until(t, "the downloads are under way", func() bool {
		s := f.Snapshot()
		return s.Bytes > int64(s.Devices)*resumeSize/4
	})
	if s := f.Snapshot(); s.Totals.Confirmed > 0 {
		t.Fatalf("%d devices are through already: the test is too slow for its image", s.Totals.Confirmed)
	}
}

// resumed checks that every chunk of f's images came once.
func resumed(t testing.TB, f *simulator.Fleet) {
	t.Helper()
	cloudtest.VerifyExact(t, f, 2, resumeSize)
	s := f.Snapshot()
	if want := s.Devices * chunks(resumeSize); s.Totals.Chunks != want || s.Totals.Failed+s.Totals.RolledBack != 0 {
		t.Errorf("got %d chunks, %d failed, want %d, each once", s.Totals.Chunks, s.Totals.Failed+s.Totals.RolledBack, want)
	}
}

func TestDownloadResumesAfterWhateverHappensToTheDevice(t *testing.T) {
	t.Parallel()
	for name, happen := range map[string]func(*simulator.Fleet){
		"connection lost": func(f *simulator.Fleet) { f.Disconnect() },
		"reboot":          func(f *simulator.Fleet) { f.PowerCycle() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachClient(t, func(t *testing.T, kind simulator.ClientKind) {
				w := serve(t)
				w.UploadVersions(resumeSize, 1, 2)
				w.ReleaseVersion(2)
				f := w.Simulate(simulator.Config{Client: kind, Devices: w.Enroll("a", "b", "c"), Faults: slowly})
				halfway(t, f)
				happen(f)
				cloudtest.WaitForVersion(t, f, 2)
				resumed(t, f)
				if n := cloudtest.Must[api.Page[api.Update]](t)(w.Updates(t.Context(), cloudtest.Lamp, api.UpdateFilter{States: []string{"confirmed"}})); len(n.Items) != 3 {
					t.Errorf("got %d confirmed updates, want 3", len(n.Items))
				}
				if d := w.Record("a"); d.Attempts.Spent != 0 {
					t.Errorf("it cost %d attempts", d.Attempts.Spent)
				}
			})
		})
	}
}

func TestDownloadContinuesAcrossARestartOfRedis(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(resumeSize, 1, 2)
	w.ReleaseVersion(2)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a", "b", "c"), Faults: slowly})
	halfway(t, f)
	children := w.Redis()
	if len(children) != 1 {
		t.Fatalf("got redis processes %v, want one", children)
	}
	if err := cloudtest.Must[*os.Process](t)(os.FindProcess(children[0])).Kill(); err != nil {
		t.Fatal(err)
	}
	cloudtest.WaitForVersion(t, f, 2)
	resumed(t, f)
	if now := w.Redis(); len(now) != 1 || now[0] == children[0] {
		t.Errorf("got redis processes %v, want another one than %v", now, children)
	}
}

func TestNothingAcknowledgedIsLostWhenRedisIsKilled(t *testing.T) {
	t.Parallel()
	w := serve(t)
	d := w.Dial(w.Enroll("a")[0])
	var acked []string
	for i := range 40 {
		if i == 20 {
			if err := cloudtest.Must[*os.Process](t)(os.FindProcess(w.Redis()[0])).Kill(); err != nil {
				t.Fatal(err)
			}
		}
		d.WaitAck(d.Send(wire.TopicMessage, 1, []byte(strconv.Itoa(i))), func(h cloudtest.Message) { t.Errorf("got %s", h.Topic) })
		acked = append(acked, strconv.Itoa(i))
	}
	var kept []string
	for _, m := range cloudtest.Must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Ascending: true, Limit: 100})).Items {
		kept = append(kept, string(m.Message))
	}
	if !slices.Equal(kept, acked) {
		t.Errorf("got messages %s; acknowledged, each once, were %s", strings.Join(kept, " "), strings.Join(acked, " "))
	}
}

func TestDownloadResumesAfterTheServerIsKilled(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t)
	client := p.Owner()
	cloudtest.Must[api.Product](t)(client.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp))
	cloudtest.UploadVersions(t, client, resumeSize, 1, 2)
	cloudtest.Must[api.Firmware](t)(client.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2)}))
	f := cloudtest.Simulate(t, simulator.Config{Broker: p.Broker(), Devices: cloudtest.Enroll(t, client, "a", "b", "c"), Faults: slowly})
	halfway(t, f)
	p.Kill()
	p.Start()
	cloudtest.WaitForVersion(t, f, 2)
	resumed(t, f)
	for _, u := range cloudtest.Must[api.Page[api.Update]](t)(p.Owner().Updates(t.Context(), cloudtest.Lamp, api.UpdateFilter{})).Items {
		if u.State != "confirmed" || u.Attempt != 1 {
			t.Errorf("update of %s: got %s, attempt %d; want the first confirmed", u.DeviceID, u.State, u.Attempt)
		}
	}
}

func TestServerShutsDownCleanlyOnInterrupt(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t)
	client := p.Owner()
	cloudtest.Must[api.Product](t)(client.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp))
	cloudtest.UploadVersions(t, client, resumeSize, 1, 2)
	cloudtest.Must[api.Firmware](t)(client.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(2)}))
	f := cloudtest.Simulate(t, simulator.Config{Broker: p.Broker(), Devices: cloudtest.Enroll(t, client, "a", "b", "c"), Faults: slowly})
	halfway(t, f)
	if err := p.Cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-p.Ended
	if code := p.Cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(p.Output.String(), "ERROR") {
		t.Errorf("exit code %d: %s", code, p.Output)
	}
	p.Start()
	cloudtest.WaitForVersion(t, f, 2)
	resumed(t, f)
}

// acknowledged is what a server confirmed before it was killed.
type acknowledged struct {
	secrets  []simulator.Credential
	released []string // versions, in order
	last     string   // the release that was asked for last
	messages []string
}

func TestNothingAcknowledgedIsLostWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t)
	client := p.Owner()
	cloudtest.Must[api.Product](t)(client.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp))
	cloudtest.UploadVersions(t, client, 1<<10, 1, 2)
	speaker := cloudtest.Dial(t, p.Broker(), cloudtest.Enroll(t, client, "speaker")[0])

	const enough = 25 // of each
	var acks acknowledged
	var tasks sync.WaitGroup
	reached := make(chan struct{}, 3)
	gone := func(i int, err error) bool {
		if i == enough {
			reached <- struct{}{}
		}
		return err != nil
	}
	tasks.Go(func() {
		for i := 0; ; i++ {
			id := fmt.Sprintf("d%d", i)
			imported, err := client.Import(t.Context(), cloudtest.Lamp, api.NewDevices{ID: id})
			if gone(i, err) {
				return
			}
			acks.secrets = append(acks.secrets, simulator.Credential{ID: fleet.DeviceID(id), Secret: imported.Secrets[id]})
		}
	})
	tasks.Go(func() {
		for i := 0; ; i++ {
			v := cloudtest.Whole(uint32(i%2 + 1))
			acks.last = v.String()
			if _, err := client.Release(t.Context(), cloudtest.Lamp, api.Release{Version: v}); gone(i, err) {
				return
			}
			acks.released = append(acks.released, v.String())
		}
	})
	tasks.Go(func() {
		topic := wire.Topic{Speaker: "speaker", Kind: wire.TopicMessage}.String()
		for i := 0; ; i++ {
			_, err := speaker.Publish(topic, 1, []byte(strconv.Itoa(i)))
			if err == nil {
				var ack mqtt.Packet
				if ack, err = speaker.Read(time.Time{}); err == nil && ack.Kind != mqtt.PubAck {
					err = errors.New("not a PUBACK")
				}
			}
			if gone(i, err) {
				return
			}
			acks.messages = append(acks.messages, strconv.Itoa(i))
		}
	})
	for range cap(reached) {
		<-reached
	}
	p.Kill()
	tasks.Wait()
	p.Start()
	acks.check(t, p)
}

// check looks for all of it in the server that was started again.
func (a *acknowledged) check(t *testing.T, p *cloudtest.Process) {
	client := p.Owner()
	for _, c := range a.secrets {
		if _, err := client.Device(t.Context(), string(c.ID)); err != nil {
			t.Errorf("device %s: %v", c.ID, err)
		}
	}
	for _, c := range []simulator.Credential{a.secrets[0], a.secrets[len(a.secrets)-1]} {
		_ = cloudtest.Dial(t, p.Broker(), c).Disconnect()
	}
	for _, f := range cloudtest.Must[[]api.Firmware](t)(client.Firmware(t.Context(), cloudtest.Lamp)) {
		if v := f.Version.String(); f.Default && v != a.last && v != a.released[len(a.released)-1] {
			t.Errorf("version %s is the default, %s was released last, %s acknowledged last", v, a.last, a.released[len(a.released)-1])
		}
		binary := cloudtest.Must[io.ReadCloser](t)(client.Download(t.Context(), cloudtest.Lamp, f.Version))
		if digest := fmt.Sprintf("%x", sha256.Sum256(cloudtest.Must[[]byte](t)(io.ReadAll(binary)))); digest != f.SHA256 {
			t.Errorf("version %s: the image has SHA-256 %s, %s was uploaded", f.Version, digest, f.SHA256)
		}
		_ = binary.Close()
	}
	var kept []string
	for after := ""; ; {
		page := cloudtest.Must[api.Page[api.Message]](t)(client.Messages(t.Context(), api.MessageFilter{Device: "speaker", Ascending: true, Limit: 100, After: after}))
		for _, m := range page.Items {
			kept = append(kept, string(m.Message))
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if got := kept[:min(len(kept), len(a.messages))]; !slices.Equal(got, a.messages) || len(kept) > len(a.messages)+1 {
		t.Errorf("got messages %s; acknowledged were %s", strings.Join(kept, " "), strings.Join(a.messages, " "))
	}
}
