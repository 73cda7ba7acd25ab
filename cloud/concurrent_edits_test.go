package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// Writers at the same time, and edits by each.
const (
	writers = 8
	rounds  = 5
)

// atOnceDo runs do for each writer at the same time and waits for all.
func atOnceDo(n int, do func(writer int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	all.Wait()
}

// TestConcurrentEditsOfOneDeviceLoseNoneSilently has writers add words to one device's notes,
// each to what they have read: an edit on old sight is refused, not lost.
func TestConcurrentEditsOfOneDeviceLoseNoneSilently(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.Enroll("a")
	o := &editor{server: w.URL(""), token: w.Token()}
	for _, path := range []string{"/v1/products/lamp/devices/a", "/v1/devices/a"} {
		t.Run(path, func(t *testing.T) {
			w.EditDevice("a", api.DeviceUpdate{Notes: api.Some("")})
			atOnceDo(writers, func(writer int) {
				for i := range rounds {
					o.addWord(t, path, "notes", fmt.Sprintf("w%d-%d", writer, i))
				}
			})
			words := strings.Fields(w.Record("a").Notes)
			slices.Sort(words)
			if len(words) != writers*rounds || len(slices.Compact(words)) != writers*rounds {
				t.Errorf("got %d words %v, want %d", len(words), words, writers*rounds)
			}
		})
	}
}

// TestConcurrentEditsOfSeveralFieldsKeepEach has writers change different fields of one
// device, without a word about what they have seen: none undoes another's.
func TestConcurrentEditsOfSeveralFieldsKeepEach(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.Enroll("a")
	w.UploadVersions(100, 1, 2)
	edits := []func(i int) api.DeviceUpdate{
		func(i int) api.DeviceUpdate { return api.DeviceUpdate{Name: api.Some(fmt.Sprint("name ", i))} },
		func(i int) api.DeviceUpdate { return api.DeviceUpdate{Notes: api.Some(fmt.Sprint("notes ", i))} },
		func(i int) api.DeviceUpdate {
			return api.DeviceUpdate{Lock: api.Some(cloudtest.Whole(uint32(1 + i%2)))}
		},
		func(i int) api.DeviceUpdate { return api.DeviceUpdate{Groups: api.Some(api.Names{fmt.Sprint("g", i)})} },
		func(i int) api.DeviceUpdate { on := i%2 == 0; return api.DeviceUpdate{Development: &on} },
		func(i int) api.DeviceUpdate { on := i%2 == 0; return api.DeviceUpdate{Forced: &on} },
	}
	atOnceDo(len(edits), func(writer int) {
		for i := range 9 { // the last is 8
			if _, err := w.UpdateDevice(t.Context(), cloudtest.Lamp, "a", edits[writer](i)); err != nil {
				t.Error(err)
			}
		}
	})
	d := cloudtest.Must[api.Device](t)(w.Device(t.Context(), "a"))
	got := fmt.Sprint(d.Name, ", ", d.Notes, ", ", d.Lock, " ", d.Groups, d.Development, d.UpdatesForced)
	if want := "name 8, notes 8, 1 [g8] true true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestConcurrentReleasesLoseNoneSilently has writers add a group each to where one version is
// released: an order on old sight is refused.
func TestConcurrentReleasesLoseNoneSilently(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(100, 1)
	for i := range writers {
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, fmt.Sprint("g", i), ""))
	}
	o := &editor{server: w.URL(""), token: w.Token()}
	refused := make([]int, writers)
	atOnceDo(writers, func(writer int) {
		for {
			f, tag := o.released(t)
			body := fmt.Sprintf(`{"version":1,"groups":["%s"]}`, strings.Join(append(f, fmt.Sprint("g", writer)), `","`))
			switch answer := o.ask(t, http.MethodPut, "/v1/products/lamp/firmware/release", tag, []byte(body)); answer.status {
			case http.StatusOK:
				return
			case http.StatusPreconditionFailed:
				refused[writer]++
			default:
				t.Errorf("got %d %s", answer.status, answer.body)
				return
			}
		}
	})
	if f, _ := o.released(t); len(f) != writers {
		t.Errorf("released to %v, want %d groups", f, writers)
	}
	t.Logf("%v orders were refused and given again", refused)
}

// TestConcurrentReleasesOfOtherVersionsKeepEach has writers release a version each, to a
// group each, and one of them as default.
func TestConcurrentReleasesOfOtherVersionsKeepEach(t *testing.T) {
	t.Parallel()
	w := serve(t)
	for i := range writers {
		w.UploadVersions(100, uint32(i+1))
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, fmt.Sprint("g", i), ""))
	}
	atOnceDo(writers, func(writer int) {
		isDefault := writer == 3
		order := api.Release{Version: cloudtest.Whole(uint32(writer + 1)), Groups: api.Some(api.Names{fmt.Sprint("g", writer)}), Default: &isDefault}
		if _, err := w.Release(t.Context(), cloudtest.Lamp, order); err != nil {
			t.Error(err)
		}
	})
	for _, f := range cloudtest.Must[[]api.Firmware](t)(w.Firmware(t.Context(), cloudtest.Lamp)) {
		n, _ := f.Version.Whole()
		if want := []string{fmt.Sprint("g", n-1)}; !slices.Equal(f.Groups, want) || f.Default != (n == 4) {
			t.Errorf("version %d: got %v, default %t, want %v", n, f.Groups, f.Default, want)
		}
	}
}

// TestConcurrentBatchesKeepEach has writers put the same devices into a group each.
func TestConcurrentBatchesKeepEach(t *testing.T) {
	t.Parallel()
	w := serve(t)
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("d-%02d", i))
	}
	cloudtest.Must[api.Imported](t)(w.Import(t.Context(), cloudtest.Lamp, api.NewDevices{IDs: ids}))
	for i := range writers {
		cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, fmt.Sprint("g", i), ""))
	}
	atOnceDo(writers, func(writer int) {
		if err := w.EditGroups(t.Context(), cloudtest.Lamp, ids, []string{fmt.Sprint("g", writer)}, nil); err != nil {
			t.Error(err)
		}
	})
	for _, id := range ids {
		if d := w.Record(fleet.DeviceID(id)); len(d.Groups) != writers {
			t.Errorf("%s is in %d groups, want %d", id, len(d.Groups), writers)
		}
	}
}

// TestOneOfConcurrentCreationsWins lets writers create the same thing: one succeeds, the others
// get the error that it exists.
func TestOneOfConcurrentCreationsWins(t *testing.T) {
	t.Parallel()
	w := serve(t)
	cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, "old", ""))
	ctx := t.Context()
	for name, create := range map[string]func(writer int) error{
		"a group":   func(int) error { _, err := w.CreateGroup(ctx, cloudtest.Lamp, "beta", ""); return err },
		"a product": func(int) error { _, err := w.CreateProduct(ctx, "Lock", "lock"); return err },
		"a version": func(writer int) error {
			_, err := w.Upload(ctx, cloudtest.Lamp, api.NewFirmware{Version: cloudtest.Whole(9)}, strings.NewReader(fmt.Sprint("image ", writer)))
			return err
		},
		"a device": func(int) error {
			done, err := w.Import(ctx, cloudtest.Lamp, api.NewDevices{IDs: []string{"one"}})
			if err == nil && done.Secrets["one"] == "" {
				err = fleet.Errorf(fleet.Conflict, "it exists")
			}
			return err
		},
	} {
		var mu sync.Mutex
		made := 0
		atOnceDo(writers, func(writer int) {
			err := create(writer)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made++
			case !errors.Is(err, fleet.Conflict):
				t.Errorf("%s: got %v, want a conflict", name, err)
			}
		})
		if made != 1 {
			t.Errorf("%s was made %d times", name, made)
		}
	}
}

// TestConcurrentHandOversLeaveOneOwner has the owner hand the team to several at once.
func TestConcurrentHandOversLeaveOneOwner(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	done := make([]error, 3)
	to := []string{"admin@example.com", "editor@example.com", "viewer@example.com"}
	atOnceDo(len(to), func(writer int) { done[writer] = s.HandOver(t.Context(), to[writer]) })
	owners, handed := 0, 0
	for _, m := range cloudtest.Must[[]fleet.Member](t)(s.Cloud.Store().Teams.Members(t.Context(), s.team)) {
		if m.Role == fleet.Owner {
			owners++
		}
	}
	for _, err := range done {
		if err == nil {
			handed++
		}
	}
	if owners != 1 || handed != 1 {
		t.Errorf("%d owners, %d got the answer that it was done: %v", owners, handed, done)
	}
}

// released is where version 1 is released to, with the tag of that.
func (o *editor) released(t *testing.T) (groups []string, tag string) {
	answer := o.ask(t, http.MethodGet, "/v1/products/lamp/firmware/1", "", nil)
	var f api.Firmware
	if err := json.Unmarshal(answer.body, &f); err != nil {
		t.Error(err)
	}
	return f.Groups, answer.tag
}
