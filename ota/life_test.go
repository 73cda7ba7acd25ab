package ota

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

var widgets = &fleet.Catalog{Product: fleet.Product{Slug: "widget"}}

var testRules = rules{maxAttempts: 3, coolDown: []time.Duration{time.Minute, time.Hour}, clock: clock{began: time.Now()}}

func TestSettle(t *testing.T) {
	id, other := fleet.UpdateID{1}, fleet.UpdateID{2}
	now := time.Now()
	type outcome struct {
		code   wire.OutcomeCode
		reason fleet.ReasonCode
		update fleet.UpdateID
	}
	for _, row := range []struct {
		name     string
		state    fleet.UpdateState
		runs     string // says the Hello; the update goes from 1 to 2
		sameBoot bool
		noBoot   bool
		last     outcome
		foreign  bool // the Hello is of another product's firmware
		flash    bool
		other    bool // its digest is not that of the version it says
		from     string
		applied  time.Duration // before now
		want     fleet.UpdateState
		reason   fleet.ReasonCode
		spent    int
	}{
		{name: "the new version confirms", state: fleet.Applying, runs: "2", want: fleet.Confirmed},
		{name: "the new version in another spelling confirms", state: fleet.Applying, runs: "2.0.0", want: fleet.Confirmed},
		{name: "the new version confirms although applying was not heard", state: fleet.Downloading, runs: "2", want: fleet.Confirmed},
		{name: "another product's firmware of the same version does not confirm", state: fleet.Applying, runs: "2", foreign: true, want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "the old version after applying is rolled back", state: fleet.Applying, runs: "1", want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "the old version without a boot nonce is rolled back", state: fleet.Applying, runs: "1", noBoot: true, applied: wire.ApplyTimeout, want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "the old version without a boot nonce, while the device may wait for the PUBACK of applying, still applies", state: fleet.Applying, runs: "1", noBoot: true, applied: wire.ApplyTimeout - time.Second, want: fleet.Applying},
		{name: "the old version in the same boot still applies", state: fleet.Applying, runs: "1", sameBoot: true, want: fleet.Applying},
		{name: "applying in one boot for too long times out, free of charge", state: fleet.Applying, runs: "1", sameBoot: true, applied: applyLimit + time.Second, want: fleet.Failed, reason: wire.ReasonTimedOut},
		{name: "the clock went back over a restart of the server: applying begins again", state: fleet.Applying, runs: "1", sameBoot: true, applied: -48 * time.Hour, want: fleet.Applying},
		{name: "the clock went back over a restart of the server, and the device has no boot nonce", state: fleet.Applying, runs: "1", noBoot: true, applied: -48 * time.Hour, want: fleet.Applying},
		{name: "a third version after applying is rolled back", state: fleet.Applying, runs: "0.9.0", want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "an unreadable version after applying is rolled back", state: fleet.Applying, runs: "what?", want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "a lost connection while downloading continues", state: fleet.Downloading, runs: "1", want: fleet.Downloading},
		{name: "a reboot while stored continues", state: fleet.Stored, runs: "1", want: fleet.Stored},
		{name: "key 9 rolled back", state: fleet.Downloading, runs: "1", last: outcome{wire.OutcomeRolledBack, wire.ReasonNone, id}, want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "key 9 failed costs an attempt", state: fleet.Downloading, runs: "1", last: outcome{wire.OutcomeFailed, wire.ReasonDigest, id}, want: fleet.Failed, reason: wire.ReasonDigest, spent: 1},
		{name: "key 9 failed for a free reason costs none", state: fleet.Downloading, runs: "1", last: outcome{wire.OutcomeFailed, wire.ReasonNotNow, id}, want: fleet.Failed, reason: wire.ReasonNotNow},
		{name: "key 9 of another update says nothing", state: fleet.Downloading, runs: "1", last: outcome{wire.OutcomeFailed, wire.ReasonDigest, other}, want: fleet.Downloading},
		{name: "key 9 confirmed without the version proves nothing", state: fleet.Applying, runs: "1", last: outcome{wire.OutcomeConfirmed, 0, id}, want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "key 9 repeated after the end is ignored", state: fleet.Failed, runs: "1", last: outcome{wire.OutcomeFailed, wire.ReasonDigest, id}, want: fleet.Failed},
		{name: "confirmed and still there", state: fleet.Confirmed, runs: "2", want: fleet.Confirmed},
		{name: "confirmed, then fallen back to the old version, counts", state: fleet.Confirmed, runs: "1", want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "confirmed, then something else was put on it by hand", state: fleet.Confirmed, runs: "0.9.0", want: fleet.Confirmed},
		{name: "a flash that rolls back costs no attempt", state: fleet.Applying, runs: "1", flash: true, want: fleet.RolledBack, reason: wire.ReasonRolledBack},
		{name: "stopped stays stopped", state: fleet.Stopped, runs: "1", want: fleet.Stopped},
		{name: "the new version with other bytes does not confirm", state: fleet.Applying, runs: "2", other: true, want: fleet.Failed, reason: wire.ReasonDigest, spent: 1},
		{name: "the new version with other bytes does not confirm, without a Report before", state: fleet.Offered, runs: "2", other: true, want: fleet.Failed, reason: wire.ReasonDigest, spent: 1},
		{name: "the same other bytes as when the update started have not failed it", state: fleet.Downloading, runs: "2", other: true, from: "2 (other bytes)", want: fleet.Downloading},
		{name: "the same other bytes after applying are rolled back", state: fleet.Applying, runs: "2", other: true, from: "2 (other bytes)", want: fleet.RolledBack, reason: wire.ReasonRolledBack, spent: 1},
		{name: "no update", state: fleet.NoUpdate, runs: "1", want: fleet.NoUpdate},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := fleet.Device{Running: v(row.runs), Boot: 7, Update: fleet.Update{
				ID: id, From: v("1"), To: v("2"), State: row.state, Applied: now.Add(-row.applied),
			}}
			if row.flash {
				d.Flash = v("2")
			}
			if row.other {
				d.Running, d.Differs = v(row.runs).WithOtherBytes(), true
			}
			if row.from != "" {
				d.Update.From = v(row.from)
			}
			h := wire.NewHello(v(row.runs))
			if row.foreign {
				h.Product = "gadget"
			}
			h.Boot = 8
			if row.sameBoot {
				h.Boot = 7
			}
			if row.noBoot {
				h.Boot = 0
			}
			if row.last.code != 0 {
				h.Last = &wire.Outcome{Update: row.last.update, Result: row.last.code, Reason: row.last.reason}
			}
			ended := testRules.settle(&d, widgets, h, now)
			if d.Update.State != row.want || d.Update.Reason != row.reason || d.Attempts.Spent != row.spent {
				t.Errorf("got %s reason %d, %d spent; want %s reason %d, %d spent",
					d.Update.State, d.Update.Reason, d.Attempts.Spent, row.want, row.reason, row.spent)
			}
			if ended != (row.want != row.state) {
				t.Errorf("ended: got %v from %s to %s", ended, row.state, row.want)
			}
			if ended && !d.Flash.IsZero() {
				t.Error("the flash order is not used up")
			}
		})
	}
}

func TestReports(t *testing.T) {
	now := time.Now()
	for _, row := range []struct {
		name    string
		from    fleet.UpdateState
		report  wire.Report
		want    fleet.UpdateState
		next    int64
		spent   int
		changed bool
	}{
		{"downloading", fleet.Offered, wire.Report{State: wire.ReportDownloading, Next: 3}, fleet.Downloading, 300, 0, true},
		{"downloading past the end is clipped", fleet.Offered, wire.Report{State: wire.ReportDownloading, Next: 1 << 31}, fleet.Downloading, 1000, 0, true},
		{"downloading, nothing new", fleet.Downloading, wire.Report{State: wire.ReportDownloading}, fleet.Downloading, 0, 0, false},
		{"downloading after stored is late", fleet.Stored, wire.Report{State: wire.ReportDownloading, Next: 3}, fleet.Stored, 0, 0, false},
		{"stored", fleet.Downloading, wire.Report{State: wire.ReportStored}, fleet.Stored, 1000, 0, true},
		{"stored twice", fleet.Stored, wire.Report{State: wire.ReportStored}, fleet.Stored, 0, 0, false},
		{"applying", fleet.Stored, wire.Report{State: wire.ReportApplying}, fleet.Applying, 1000, 0, true},
		{"applying, stored was not heard", fleet.Downloading, wire.Report{State: wire.ReportApplying}, fleet.Applying, 1000, 0, true},
		{"stored after applying is late", fleet.Applying, wire.Report{State: wire.ReportStored}, fleet.Applying, 0, 0, false},
		{"failed costs an attempt", fleet.Downloading, wire.Report{State: wire.ReportFailed, Reason: wire.ReasonStorage}, fleet.Failed, 0, 1, true},
		{"failed while applying costs an attempt", fleet.Applying, wire.Report{State: wire.ReportFailed, Reason: wire.ReasonOther}, fleet.Failed, 0, 1, true},
		{"failed as rolled back", fleet.Applying, wire.Report{State: wire.ReportFailed, Reason: wire.ReasonRolledBack}, fleet.RolledBack, 0, 1, true},
		{"failed as superseded is free", fleet.Downloading, wire.Report{State: wire.ReportFailed, Reason: wire.ReasonSuperseded}, fleet.Failed, 0, 0, true},
		{"failed as busy is free", fleet.Downloading, wire.Report{State: wire.ReportFailed, Reason: wire.ReasonBusy}, fleet.Failed, 0, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := fleet.Device{Update: fleet.Update{To: v("2"), State: row.from, Size: 1000}}
			changed, ended := testRules.report(&d, row.report, 100, now)
			u := d.Update
			if u.State != row.want || u.Next != row.next || d.Attempts.Spent != row.spent || changed != row.changed || ended != u.State.Over() {
				t.Errorf("got %s at %d, %d spent, changed %v, ended %v; want %s at %d, %d spent, changed %v",
					u.State, u.Next, d.Attempts.Spent, changed, ended, row.want, row.next, row.spent, row.changed)
			}
			if row.changed && (u.State == fleet.Applying && (now.Sub(u.Applied).Abs() > time.Minute || u.Stored != now) || u.State == fleet.Stored && u.Stored != now) {
				t.Errorf("times not set: %+v", u)
			}
		})
	}
}

func TestCoolDownGrows(t *testing.T) {
	r := testRules
	r.clock = clock{began: time.Now()}
	d := fleet.Device{Update: fleet.Update{To: v("2")}}
	for i, want := range []time.Duration{time.Minute, time.Hour, time.Hour} {
		r.spend(&d)
		if got := d.Attempts.NotBefore.Sub(r.clock.now()).Round(time.Second); got != want || d.Attempts.Pause != want || d.Attempts.Spent != i+1 {
			t.Errorf("after %d attempts: got %s, want %s", d.Attempts.Spent, got, want)
		}
	}
}

func TestThreeFullTransfersWithoutStoredAreOneAttempt(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	d := fleet.Device{Update: fleet.Update{To: v("2"), State: fleet.Downloading, Size: 10}}
	for i, want := range []bool{false, false, true} {
		if got := testRules.transferred(&d, 1, i+1, now); got != want {
			t.Errorf("transfer %d: ended %v, want %v", i+1, got, want)
		}
	}
	if d.Update.State != fleet.Failed || d.Attempts.Spent != 1 || d.Attempts.Transfers != 0 {
		t.Errorf("got %s, %+v", d.Update.State, d.Attempts)
	}
	d = fleet.Device{Attempts: fleet.Attempts{Target: v("2"), Transfers: 2}, Update: fleet.Update{To: v("2"), State: fleet.Downloading, Size: 10}}
	testRules.report(&d, wire.Report{State: wire.ReportStored}, 1, now)
	if d.Attempts.Transfers != 0 {
		t.Errorf("stored: got %d transfers, want 0", d.Attempts.Transfers)
	}
}
