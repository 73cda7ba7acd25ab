package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/feed"
)

// TestTheIndexEqualsOneBuiltFromTheRecords does random operations through the store and
// compares the index they left with one that read the records.
func TestTheIndexEqualsOneBuiltFromTheRecords(t *testing.T) {
	t.Parallel()
	s := openEphemeral(t)
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		must2 := func(err error) {
			if err != nil && !errors.Is(err, fleet.NotFound) && !errors.Is(err, fleet.Conflict) {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "operations") {
			id := fleet.DeviceID(fmt.Sprint("d", rapid.IntRange(0, 7).Draw(t, "device"))).In(fleet.TeamID(rapid.IntRange(1, 2).Draw(t, "team of two")))
			switch rapid.IntRange(0, 4).Draw(t, "operation") {
			case 0:
				d := drawIndexed(t, id)
				must2(s.Devices.Create(ctx, &d))
			case 1:
				must2(s.Devices.Delete(ctx, id))
			case 2, 3:
				_, err := s.Devices.Edit(ctx, id, func(d *fleet.Device) error {
					read := *d
					*d = drawIndexed(t, id)
					d.Revision, d.Base = read.Revision, read.Base
					return nil
				})
				must2(err)
			case 4:
				_, err := s.Messages.Queue(ctx, fleet.Command{Device: id})
				must2(err)
			}
		}
		rebuilt := index.New()
		feed.New(feed.Config{Redis: s.core.Pipeline, Index: rebuilt, Log: s.core.log}).Read(ctx)
		if diff := cmp.Diff(entries(s.Index), entries(rebuilt), sameVersion, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("fed (-) differs from rebuilt (+):\n%s", diff)
		}
	})
}

var (
	anyVersion = rapid.Custom(func(t *rapid.T) any {
		return version(rapid.SampledFrom([]string{"", "7", "7.0.0", "1.4.0-rc.1", "junk"}).Draw(t, "version"))
	})
	anyTime = rapid.Custom(func(t *rapid.T) any {
		if rapid.Bool().Draw(t, "never") {
			return time.Time{}
		}
		return time.Unix(0, rapid.Int64Range(-1, 1<<62).Draw(t, "ns")).UTC()
	})
	anyDevice = rapid.MakeCustom[fleet.Device](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[fleet.Version](): anyVersion, reflect.TypeFor[time.Time](): anyTime,
	}})
)

func drawIndexed(t *rapid.T, id fleet.DeviceID) fleet.Device {
	d := anyDevice.Draw(t, "device")
	d.ID, d.Team, d.Gateway = id, id.Team(), fleet.DeviceNamed(string(d.Gateway)).In(id.Team()) // no id has a "/"
	d.Pending, d.LastCommand, d.Groups, d.Later = 0, 0, fleet.SortGroups(d.Groups), nil         // Later has names that no release has used
	return d
}

func entries(x *index.Index) map[fleet.TeamID]map[fleet.DeviceID]fleet.IndexEntry {
	all := map[fleet.TeamID]map[fleet.DeviceID]fleet.IndexEntry{}
	for team := range fleet.TeamID(3) {
		all[team] = map[fleet.DeviceID]fleet.IndexEntry{}
		ids, _ := x.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: team, Role: fleet.Owner}})
		for _, id := range ids {
			all[team][id], _ = x.Entry(id)
		}
	}
	return all
}

func TestPresenceIsKeptForADeviceNotReadYet(t *testing.T) {
	t.Parallel()
	s := openEphemeral(t)
	s.Devices.SetOnline("1/a", true)
	s.Devices.SetOnline("1/b", true)
	s.Devices.SetOnline("1/b", false)
	for _, id := range []fleet.DeviceID{"1/a", "1/b"} {
		must(t, s.Devices.Create(t.Context(), newDevice(id)))
		if e := got[fleet.IndexEntry](t)(s.Index.Entry(id)); e.Online != (id == "1/a") {
			t.Errorf("device %s: online %v", id, e.Online)
		}
	}
	got[fleet.Device](t)(s.Devices.Edit(t.Context(), "1/a", func(*fleet.Device) error { return nil }))
	if e := got[fleet.IndexEntry](t)(s.Index.Entry("1/a")); !e.Online {
		t.Error("a save took the device offline")
	}
}
