package cloud

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// slowly makes a download of resumeSize bytes take a second or two, so that something can
// happen in the middle.
var slowly = simulator.Faults{Slow: simulator.Slow{Rate: 120 << 10, Share: 1}}

const resumeSize = 200 << 10 // bytes

// halfway waits until f's devices hold a good part of their images.
func halfway(t testing.TB, f *simulator.Fleet) {
	t.Helper()
	until(t, "the downloads are under way", func() bool {
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
	exact(t, f, 2, resumeSize)
	s := f.Snapshot()
	if want := s.Devices * chunks(resumeSize); s.Totals.Chunks != want || s.Totals.Failed+s.Totals.RolledBack != 0 {
		t.Errorf("got %d chunks, %d failed, want %d, each once", s.Totals.Chunks, s.Totals.Failed+s.Totals.RolledBack, want)
	}
}

func TestDownloadResumesAfterWhateverHappensToTheDevice(t *testing.T) {
	for name, happen := range map[string]func(*simulator.Fleet){
		"connection lost": func(f *simulator.Fleet) { f.Disconnect() },
		"reboot":          func(f *simulator.Fleet) { f.PowerCycle() },
	} {
		t.Run(name, func(t *testing.T) {
			eachClient(t, func(t *testing.T, kind simulator.ClientKind) {
				w := serve(t)
				w.upload(resumeSize, 1, 2)
				w.release(2)
				f := w.simulate(simulator.Config{Client: kind, Devices: w.enroll("a", "b", "c"), Faults: slowly})
				halfway(t, f)
				happen(f)
				arrive(t, f, 2)
				resumed(t, f)
				if n := must[api.Page[api.Update]](t)(w.Updates(t.Context(), lamp, api.UpdateFilter{States: []string{"confirmed"}})); len(n.Items) != 3 {
					t.Errorf("got %d confirmed updates, want 3", len(n.Items))
				}
				if d := w.device("a"); d.Attempts.Spent != 0 {
					t.Errorf("it cost %d attempts", d.Attempts.Spent)
				}
			})
		})
	}
}

func TestDownloadGoesOnAcrossARestartOfRedis(t *testing.T) {
	w := serve(t, redisOfItsOwn)
	w.upload(resumeSize, 1, 2)
	w.release(2)
	f := w.simulate(simulator.Config{Devices: w.enroll("a", "b", "c"), Faults: slowly})
	halfway(t, f)
	children := w.redis()
	if len(children) != 1 {
		t.Fatalf("got redis processes %v, want one", children)
	}
	if err := must[*os.Process](t)(os.FindProcess(children[0])).Kill(); err != nil {
		t.Fatal(err)
	}
	arrive(t, f, 2)
	resumed(t, f)
	if now := w.redis(); len(now) != 1 || now[0] == children[0] {
		t.Errorf("got redis processes %v, want another one than %v", now, children)
	}
}

func TestNothingAcknowledgedIsLostWhenRedisIsKilled(t *testing.T) {
	w := serve(t, redisOfItsOwn)
	d := w.dial(w.enroll("a")[0])
	var acked []string
	for i := range 40 {
		if i == 20 {
			if err := must[*os.Process](t)(os.FindProcess(w.redis()[0])).Kill(); err != nil {
				t.Fatal(err)
			}
		}
		d.acked(d.say(wire.TopicMessage, 1, []byte(strconv.Itoa(i))), func(h heard) { t.Errorf("got %s", h.topic) })
		acked = append(acked, strconv.Itoa(i))
	}
	var kept []string
	for _, m := range must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Ascending: true, Limit: 100})).Items {
		kept = append(kept, string(m.Message))
	}
	if !slices.Equal(kept, acked) {
		t.Errorf("got messages %s; acknowledged, each once, were %s", strings.Join(kept, " "), strings.Join(acked, " "))
	}
}

// redis are the processes of w's own redis-server.
func (w *world) redis() []int {
	w.Helper()
	dir := must[string](w)(filepath.Abs(filepath.Join(w.cloud.config.Data, "redis")))
	return childrenIn(w, dir)
}

func TestDownloadResumesAfterTheServerIsKilled(t *testing.T) {
	p := spawn(t)
	client := p.operator()
	must[api.Product](t)(client.CreateProduct(t.Context(), "Lamp", lamp))
	upload(t, client, resumeSize, 1, 2)
	must[api.Firmware](t)(client.Release(t.Context(), lamp, api.Release{Version: whole(2)}))
	f := simulate(t, simulator.Config{Broker: p.broker(), Devices: enroll(t, client, "a", "b", "c"), Faults: slowly})
	halfway(t, f)
	p.kill()
	p.start()
	arrive(t, f, 2)
	resumed(t, f)
	for _, u := range must[api.Page[api.Update]](t)(p.operator().Updates(t.Context(), lamp, api.UpdateFilter{})).Items {
		if u.State != "confirmed" || u.Attempt != 1 {
			t.Errorf("update of %s: got %s, attempt %d; want the first confirmed", u.DeviceID, u.State, u.Attempt)
		}
	}
}

func TestServerThatIsAskedToEndEndsWell(t *testing.T) {
	p := spawn(t)
	client := p.operator()
	must[api.Product](t)(client.CreateProduct(t.Context(), "Lamp", lamp))
	upload(t, client, resumeSize, 1, 2)
	must[api.Firmware](t)(client.Release(t.Context(), lamp, api.Release{Version: whole(2)}))
	f := simulate(t, simulator.Config{Broker: p.broker(), Devices: enroll(t, client, "a", "b", "c"), Faults: slowly})
	halfway(t, f)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(p.log.String(), "ERROR") {
		t.Errorf("exit code %d: %s", code, p.log)
	}
	p.start()
	arrive(t, f, 2)
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
	p := spawn(t)
	client := p.operator()
	must[api.Product](t)(client.CreateProduct(t.Context(), "Lamp", lamp))
	upload(t, client, 1<<10, 1, 2)
	speaker := dial(t, p.broker(), enroll(t, client, "speaker")[0])

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
			imported, err := client.Import(t.Context(), lamp, api.NewDevices{ID: id})
			if gone(i, err) {
				return
			}
			acks.secrets = append(acks.secrets, simulator.Credential{ID: fleet.DeviceID(id), Secret: imported.Secrets[id]})
		}
	})
	tasks.Go(func() {
		for i := 0; ; i++ {
			v := whole(uint32(i%2 + 1))
			acks.last = v.String()
			if _, err := client.Release(t.Context(), lamp, api.Release{Version: v}); gone(i, err) {
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
				var ack simulator.Packet
				if ack, err = speaker.Read(time.Time{}); err == nil && ack.Kind != simulator.PubAck {
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
	p.kill()
	tasks.Wait()
	p.start()
	acks.check(t, p)
}

// check looks for all of it in the server that was started again.
func (a *acknowledged) check(t *testing.T, p *process) {
	client := p.operator()
	for _, c := range a.secrets {
		if _, err := client.Device(t.Context(), string(c.ID)); err != nil {
			t.Errorf("device %s: %v", c.ID, err)
		}
	}
	for _, c := range []simulator.Credential{a.secrets[0], a.secrets[len(a.secrets)-1]} {
		_ = dial(t, p.broker(), c).Disconnect()
	}
	for _, f := range must[[]api.Firmware](t)(client.Firmware(t.Context(), lamp)) {
		if v := f.Version.String(); f.Default && v != a.last && v != a.released[len(a.released)-1] {
			t.Errorf("version %s is the default, %s was released last, %s acknowledged last", v, a.last, a.released[len(a.released)-1])
		}
		binary := must[io.ReadCloser](t)(client.Download(t.Context(), lamp, f.Version))
		if digest := fmt.Sprintf("%x", sha256.Sum256(must[[]byte](t)(io.ReadAll(binary)))); digest != f.SHA256 {
			t.Errorf("version %s: the image has SHA-256 %s, %s was uploaded", f.Version, digest, f.SHA256)
		}
		_ = binary.Close()
	}
	var kept []string
	for after := ""; ; {
		page := must[api.Page[api.Message]](t)(client.Messages(t.Context(), api.MessageFilter{Device: "speaker", Ascending: true, Limit: 100, After: after}))
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
