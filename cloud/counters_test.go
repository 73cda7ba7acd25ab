package cloud_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// counted is a fleet whose derived numbers are compared with its records.
type counted struct {
	*world
	random  *rand.Rand
	secrets map[fleet.DeviceID]simulator.Credential // of all devices that were ever created
	online  map[fleet.DeviceID]*cloudtest.Device    // connections; a BLE device has its gateway's
	runs    map[fleet.DeviceID]uint32
	boot    uint64
	groups  []string
}

// TestWhatIsDerivedFromRecordsIsRightAfterAnything does random operations and compares every
// counter and cache that is derived from records with a count over the records.
// MUSTER_SEED repeats a run.
func TestWhatIsDerivedFromRecordsIsRightAfterAnything(t *testing.T) {
	t.Parallel()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("MUSTER_SEED"), "1"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	w := &counted{
		world: serve(t, func(c *cloud.Config) { c.Data = t.TempDir() }), random: rand.New(rand.NewPCG(seed, 0)),
		secrets: map[fleet.DeviceID]simulator.Credential{}, online: map[fleet.DeviceID]*cloudtest.Device{}, runs: map[fleet.DeviceID]uint32{},
		groups: []string{"alpha", "beta"},
	}
	w.UploadVersions(3000, 1, 2, 3)
	for _, g := range w.groups {
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, g, ""))
	}
	for _, c := range w.EnrollGateways("g", "h") {
		w.secrets[c.ID], w.secrets[c.ID+"-0"] = c, simulator.Credential{ID: c.ID + "-0"}
	}
	for _, c := range w.Enroll("a", "b", "c", "d") {
		w.secrets[c.ID] = c
	}
	const steps, restarts = 200, 2
	began, met := time.Now(), map[string]int{}
	for step := range steps {
		if step%(steps/(restarts+1)) == 0 && step > 0 {
			w.restart()
		}
		op := operations[w.random.IntN(len(operations))]
		if op.do(w) {
			met[op.name]++
		}
		w.compare(fmt.Sprintf("seed %d, step %d, %s", seed, step, op.name))
		if t.Failed() {
			return
		}
	}
	if kinds := len(met); kinds < 15 {
		t.Errorf("only %d kinds of operations happened: the test shows little", kinds)
	}
	t.Logf("%d operations in %s: %v", steps, time.Since(began), met)
}

// operations return whether there was something to do.
var operations = []struct {
	name string
	do   func(*counted) bool
}{
	{"connect", func(w *counted) bool { return w.connect(w.any(w.offline())) }},
	{"connect", func(w *counted) bool { return w.connect(w.any(w.offline())) }},
	{"connect", func(w *counted) bool { return w.connect(w.any(w.offline())) }},
	{"drop", func(w *counted) bool {
		id := w.any(w.connected())
		d := w.online[id]
		if d == nil {
			return false
		}
		_ = d.Close()
		delete(w.online, id)
		cloudtest.Until(w, string(id)+" is offline", func() bool { return !w.Online(id) })
		return true
	}},
	{"Hello for a BLE device", func(w *counted) bool {
		id := w.any(w.kind(fleet.BLE))
		d, known := w.record(id)
		g := w.online[d.Gateway.In(0)]
		if !known || g == nil || d.Disabled {
			return false
		}
		w.boot++
		g.HelloFor(id, max(w.runs[id], 1), func(h *wire.Hello) { h.Boot = w.boot })
		return true
	}},
	{"downloading", func(w *counted) bool { return w.report(wire.ReportDownloading, 0) }},
	{"stored", func(w *counted) bool { return w.report(wire.ReportStored, 0) }},
	{"failed", func(w *counted) bool { return w.report(wire.ReportFailed, wire.ReasonDigest) }},
	{"failed", func(w *counted) bool { return w.report(wire.ReportFailed, wire.ReasonDigest) }},
	{"updated", func(w *counted) bool {
		id, d := w.updating()
		if id == "" || !w.report(wire.ReportApplying, 0, id) {
			return false
		}
		if n, err := strconv.Atoi(d.Update.To.String()); err == nil {
			w.runs[id] = uint32(n)
		}
		w.boot++
		w.online[id].Hello(w.runs[id], func(h *wire.Hello) { h.Boot = w.boot })
		return true
	}},
	{"updates not now", func(w *counted) bool {
		id := w.any(w.connected())
		d := w.online[id]
		if d == nil {
			return false
		}
		state := []wire.ReportState{wire.ReportUpdatesDisabled, wire.ReportUpdatesEnabled}[w.random.IntN(2)]
		d.WaitAck(d.Send(wire.TopicReport, 1, wire.Report{State: state}.Encode()), func(cloudtest.Message) {})
		return true
	}},
	{"create", func(w *counted) bool {
		id := fleet.DeviceID(fmt.Sprintf("n%d", w.random.IntN(6)))
		if _, known := w.record(id); known {
			return false
		}
		w.secrets[id] = w.Enroll(id)[0]
		w.runs[id] = 1
		return true
	}},
	{"create a BLE device", func(w *counted) bool {
		id := fleet.DeviceID(fmt.Sprintf("e%d", w.random.IntN(4)))
		gateway := w.any([]fleet.DeviceID{"g", "h"})
		_, known := w.record(id)
		if _, there := w.record(gateway); known || !there {
			return false
		}
		w.EnrollBehind(gateway, id)
		w.secrets[id] = simulator.Credential{ID: id}
		return true
	}},
	{"delete", func(w *counted) bool {
		id := w.any(w.all())
		if w.random.IntN(4) > 0 && (id == "g" || id == "h") {
			return false
		}
		if err := w.DeleteDevice(w.Context(), string(id)); err != nil {
			return false
		}
		if d := w.online[id]; d != nil {
			d.WaitClosed()
			delete(w.online, id)
		}
		return true
	}},
	{"attach", func(w *counted) bool { return w.roam(wire.TopicAttach) }},
	{"attach", func(w *counted) bool { return w.roam(wire.TopicAttach) }},
	{"detach", func(w *counted) bool { return w.roam(wire.TopicDetach) }},
	{"move by an operator", func(w *counted) bool {
		to := api.Some(string(w.any([]fleet.DeviceID{"g", "h"})))
		if w.random.IntN(3) == 0 {
			to = api.Optional[string]{Set: true, Null: true}
		}
		return w.edit(w.any(w.kind(fleet.BLE)), api.DeviceUpdate{Gateway: to})
	}},
	{"groups of one device", func(w *counted) bool {
		return w.edit(w.any(w.all()), api.DeviceUpdate{Groups: api.Some(api.Names(w.some()))})
	}},
	{"groups of many devices", func(w *counted) bool {
		var ids []string
		for _, id := range w.all() {
			if w.random.IntN(2) == 0 {
				ids = append(ids, string(id))
			}
		}
		add, remove := w.some(), w.some()
		remove = slices.DeleteFunc(remove, func(g string) bool { return slices.Contains(add, g) })
		return len(ids) > 0 && w.EditGroups(w.Context(), cloudtest.Lamp, ids, add, remove) == nil
	}},
	{"delete a group", func(w *counted) bool {
		g := w.groups[w.random.IntN(len(w.groups))]
		if w.DeleteGroup(w.Context(), cloudtest.Lamp, g) != nil {
			return false
		}
		_, err := w.CreateGroup(w.Context(), cloudtest.Lamp, g, "")
		return err == nil
	}},
	{"lock", func(w *counted) bool {
		lock := api.Some(cloudtest.Whole(1 + w.random.Uint32N(3)))
		if w.random.IntN(2) == 0 {
			lock = api.Optional[api.Version]{Set: true, Null: true}
		}
		return w.edit(w.any(w.all()), api.DeviceUpdate{Lock: lock, Flash: !lock.Null && w.random.IntN(2) == 0})
	}},
	{"development", func(w *counted) bool {
		yes := w.random.IntN(3) == 0
		return w.edit(w.any(w.all()), api.DeviceUpdate{Development: &yes, Name: api.Some(fmt.Sprint("name ", w.random.IntN(9)))})
	}},
	{"release", func(w *counted) bool { return w.release() }},
	{"release", func(w *counted) bool { return w.release() }},
	{"stop", func(w *counted) bool { return w.StopUpdate(w.Context(), string(w.any(w.all()))) == nil }},
	{"stop", func(w *counted) bool { id, _ := w.updating(); return w.StopUpdate(w.Context(), string(id)) == nil }},
	{"retry", func(w *counted) bool { return w.RetryUpdate(w.Context(), string(w.any(w.all()))) == nil }},
	{"command", func(w *counted) bool {
		_, err := w.SendCommand(w.Context(), string(w.any(w.all())), api.NewCommand{Name: "blink"})
		return err == nil
	}},
	{"command", func(w *counted) bool {
		_, err := w.SendCommand(w.Context(), string(w.any(w.all())), api.NewCommand{Name: "blink"})
		return err == nil
	}},
	{"command done", func(w *counted) bool {
		id := w.any(w.those(func(d fleet.Device) bool { return w.online[d.ID.In(0)] != nil && d.Pending > 0 }))
		d := w.online[id]
		if d == nil {
			return false
		}
		r, _ := w.record(id)
		topic := wire.Topic{Speaker: id, Kind: wire.TopicDone, Number: r.LastCommand}
		d.WaitAck(cloudtest.Must[uint16](w)(d.Publish(topic.String(), 1, []byte("ok"))), func(cloudtest.Message) {})
		return true
	}},
}

func (w *counted) record(id fleet.DeviceID) (fleet.Device, bool) {
	if id == "" { // none was chosen
		return fleet.Device{}, false
	}
	d, err := w.Cloud.Store().Devices.Device(w.Context(), id.In(1))
	return d, err == nil
}

func (w *counted) any(ids []fleet.DeviceID) fleet.DeviceID {
	if len(ids) == 0 {
		return ""
	}
	return ids[w.random.IntN(len(ids))]
}

// all are the devices that there are.
func (w *counted) all() []fleet.DeviceID { return slices.Sorted(maps.Keys(w.records())) }

// records are those of all devices that there are, read in one trip.
func (w *counted) records() map[fleet.DeviceID]fleet.Device {
	var mu sync.Mutex
	var reads sync.WaitGroup
	all := make(map[fleet.DeviceID]fleet.Device)
	for id := range w.secrets {
		reads.Go(func() {
			if d, known := w.record(id); known {
				mu.Lock()
				defer mu.Unlock()
				all[id] = d
			}
		})
	}
	reads.Wait()
	return all
}

// those are the devices for which holds returns true.
func (w *counted) those(holds func(fleet.Device) bool) (ids []fleet.DeviceID) {
	all := w.records()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if holds(all[id]) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *counted) kind(kind fleet.DeviceKind) []fleet.DeviceID {
	return w.those(func(d fleet.Device) bool { return d.Kind == kind })
}

func (w *counted) connected() []fleet.DeviceID {
	return w.those(func(d fleet.Device) bool { return w.online[d.ID.In(0)] != nil })
}

func (w *counted) offline() []fleet.DeviceID {
	return w.those(func(d fleet.Device) bool { return w.online[d.ID.In(0)] == nil && w.secrets[d.ID.In(0)].Secret != "" })
}

// updating is a connected device whose update runs.
func (w *counted) updating() (fleet.DeviceID, fleet.Device) {
	id := w.any(w.those(func(d fleet.Device) bool {
		return w.online[d.ID.In(0)] != nil && d.Update.State.Running() && d.Update.State < fleet.Applying
	}))
	d, _ := w.record(id)
	return id, d
}

func (w *counted) some() (names []string) {
	for _, g := range w.groups {
		if w.random.IntN(2) == 0 {
			names = append(names, g)
		}
	}
	return names
}

func (w *counted) connect(id fleet.DeviceID) bool {
	if id == "" {
		return false
	}
	w.boot++
	d := w.Dial(w.secrets[id])
	w.online[id] = d
	d.Hello(max(w.runs[id], 1), func(h *wire.Hello) { h.Boot = w.boot })
	return true
}

func (w *counted) report(state wire.ReportState, reason fleet.ReasonCode, ids ...fleet.DeviceID) bool {
	id, r := w.updating()
	if len(ids) > 0 {
		id = ids[0]
		r, _ = w.record(id)
	}
	if id == "" {
		return false
	}
	w.online[id].Report(wire.Offer{Digest: r.Update.Digest}, state, reason)
	return true
}

// roam has a gateway report that a BLE device came into reach or left it.
func (w *counted) roam(kind wire.TopicKind) bool {
	g := w.online[w.any([]fleet.DeviceID{"g", "h"})]
	id := w.any(w.kind(fleet.BLE))
	if g == nil || id == "" {
		return false
	}
	return g.Attach(kind, id)[id] == wire.ReasonNone
}

func (w *counted) edit(id fleet.DeviceID, u api.DeviceUpdate) bool {
	_, err := w.UpdateDevice(w.Context(), cloudtest.Lamp, string(id), u)
	return err == nil
}

func (w *counted) release() bool {
	yes := w.random.IntN(3) > 0
	r := api.Release{Version: cloudtest.Whole(1 + w.random.Uint32N(3)), Intelligent: w.random.IntN(2) == 0}
	if w.random.IntN(2) == 0 {
		r.Default = &yes
	} else {
		r.Groups = api.Some(api.Names(w.some()))
	}
	_, err := w.Release(w.Context(), cloudtest.Lamp, r)
	return err == nil
}

// restart ends the server and starts it again on the same data.
func (w *counted) restart() {
	w.Helper()
	w.Stop()
	for id, d := range w.online {
		_ = d.Close()
		delete(w.online, id)
	}
	c := cloudtest.Must[*cloud.Cloud](w)(cloud.New(w.Context(), w.Config))
	w.Cloud, w.Server.Stop = c, cloudtest.Run(w, c)
	w.Client = cloudtest.SignIn(w, w.URL(""))
	cloudtest.Until(w, "the lists are read", func() bool { return c.Store().Index.Ready() })
}

// compare compares what is derived with the records. What follows a change in the background
// has a moment to do so.
func (w *counted) compare(after string) {
	w.Helper()
	var wrong []string
	for began := time.Now(); time.Since(began) < cloudtest.Patience; <-time.After(5 * time.Millisecond) {
		if wrong = w.wrong(); len(wrong) == 0 {
			return
		}
	}
	for _, text := range wrong {
		w.Errorf("after %s: %s", after, text)
	}
}

func (w *counted) wrong() (wrong []string) {
	differ := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: got %v, the records have %v", what, got, want))
		}
	}
	fresh, live := index.New(), w.Cloud.Store().Index
	sending, running, members, children := 0, map[string]int{}, map[string]int{}, map[fleet.DeviceID][]fleet.DeviceID{}
	names := map[fleet.GroupID]string{}
	for _, g := range cloudtest.Must[[]fleet.Group](w)(w.Cloud.Store().Teams.Groups(w.Context(), 1)) {
		names[g.ID] = g.Name
	}
	records := w.records()
	everyone := slices.Sorted(maps.Keys(records))
	for _, id := range everyone {
		d := records[id]
		fresh.Put(&d)
		if e, err := live.Entry(d.ID); err == nil {
			fresh.SetOnline(d.ID, e.Online)
			if e.Online && (d.Update.State == fleet.Offered || d.Update.State == fleet.Downloading) && (d.UpdatesOn || d.Force) {
				sending++
			}
			if connected := w.online[id] != nil; e.Online != connected && d.Kind != fleet.BLE {
				differ(string(id)+" is online", e.Online, connected)
			}
		}
		running[d.Running.String()]++
		for _, g := range d.Groups {
			members[names[g]]++
		}
		if d.Gateway != "" {
			children[d.Gateway] = append(children[d.Gateway], d.ID)
		}
		pending := 0
		if d.LastCommand == 0 {
			differ("pending commands of "+string(id), int(d.Pending), 0)
			continue
		}
		for _, c := range cloudtest.Must[[]fleet.Command](w)(w.Cloud.Store().Messages.Commands(w.Context(), id.In(1))) {
			if c.Done.IsZero() {
				pending++
			}
		}
		differ("pending commands of "+string(id), int(d.Pending), pending)
	}
	fresh.Finish()
	stats := w.Cloud.OTA().Stats()
	differ("slots in use", stats.Running, sending)
	differ("devices that wait for a slot", stats.Waiting, 0)
	for id := range w.secrets {
		got, err1 := live.Entry(id.In(1))
		want, err2 := fresh.Entry(id.In(1))
		differ("index entry of "+string(id), fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
		differ("index knows "+string(id), err1 == nil, err2 == nil)
	}
	owner := fleet.Actor{Team: 1, Role: fleet.Owner}
	for _, gateway := range everyone {
		got := cloudtest.Must[[]fleet.DeviceID](w)(live.IDs(fleet.DeviceQuery{Actor: owner, Gateway: gateway}))
		differ("devices attached to "+gateway.String(), got, children[gateway.In(1)])
	}
	for by := fleet.ByID; by <= fleet.ByLastHandshake; by++ {
		q := fleet.DeviceQuery{Actor: owner, Sort: by, Limit: 100}
		differ(fmt.Sprint("list in order ", by), cloudtest.Must[fleet.DevicePage](w)(live.Find(q)), cloudtest.Must[fleet.DevicePage](w)(fresh.Find(q)))
	}
	differ("classes of the index", classes(w, live, owner), classes(w, fresh, owner))
	for _, g := range cloudtest.Must[[]api.Group](w)(w.Groups(w.Context(), cloudtest.Lamp)) {
		differ("members of group "+g.Name, g.Devices, members[g.Name])
	}
	for _, f := range cloudtest.Must[[]api.Firmware](w)(w.Firmware(w.Context(), cloudtest.Lamp)) {
		differ("devices that run "+f.Version.String(), f.Devices, running[f.Version.String()])
	}
	return wrong
}

// classes counts devices by everything that is not their own.
func classes(t testing.TB, x *index.Index, actor fleet.Actor) map[string]int {
	counts := map[string]int{}
	if err := x.Count(actor, 0, nil, func(e *fleet.IndexEntry, devices int) {
		class := *e
		class.ID = ""
		counts[fmt.Sprintf("%+v", class)] += devices
	}); err != nil {
		t.Fatal(err)
	}
	return counts
}
