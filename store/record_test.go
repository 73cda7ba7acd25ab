package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

var (
	anyText    = rapid.OneOf(rapid.Just(""), rapid.StringN(0, 40, 80))
	anyTime    = rapid.Custom(drawTime)
	anyVersion = rapid.Custom(drawVersion)
	anyBytes   = rapid.Custom(func(t *rapid.T) []byte {
		if b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"); len(b) > 0 {
			return b
		}
		return nil // an empty one is kept as none
	})
	anyGroups = rapid.Custom(func(t *rapid.T) []fleet.GroupID {
		var ids []fleet.GroupID
		for _, n := range rapid.SliceOfN(rapid.Uint32Min(1), 0, 5).Draw(t, "groups") {
			ids = append(ids, fleet.GroupID(n))
		}
		return fleet.SortGroups(ids)
	})
)

func drawTime(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "never") {
		return time.Time{}
	}
	return time.Unix(0, rapid.Int64Range(-1, 1<<62).Draw(t, "ns")).UTC()
}

func drawVersion(t *rapid.T) fleet.Version {
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		return fleet.Version{}
	case 1:
		return fleet.WholeVersion(rapid.Uint32Max(fleet.MaxWholeVersion).Draw(t, "whole"))
	case 2:
		return version(fmt.Sprintf("1.%d.0-rc.1", rapid.IntRange(0, 99).Draw(t, "minor")))
	}
	return version(rapid.StringN(1, 20, 60).Draw(t, "unreadable"))
}

func drawUpdate(t *rapid.T) fleet.Update {
	return fleet.Update{
		ID: fleet.UpdateID(drawArray16(t)), Product: fleet.ProductID(rapid.Uint32().Draw(t, "product")),
		From: anyVersion.Draw(t, "from"), To: anyVersion.Draw(t, "to"), Digest: drawArray32(t),
		Size: rapid.Int64Min(0).Draw(t, "size"), State: fleet.UpdateState(rapid.IntRange(0, 9).Draw(t, "state")),
		Reason: fleet.ReasonCode(rapid.Uint16().Draw(t, "reason")), Text: anyText.Draw(t, "text"),
		Attempt: rapid.IntRange(0, 9).Draw(t, "attempt"), Next: rapid.Int64Min(0).Draw(t, "next"),
		Started: anyTime.Draw(t, "started"), Stored: anyTime.Draw(t, "stored"),
		Applied: anyTime.Draw(t, "applied"), Changed: anyTime.Draw(t, "changed"),
	}
}

func drawArray32(t *rapid.T) (a [32]byte) {
	copy(a[:], rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "32 bytes"))
	return a
}

func drawArray16(t *rapid.T) (a [16]byte) {
	copy(a[:], rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "16 bytes"))
	return a
}

func drawDevice(t *rapid.T) fleet.Device {
	return fleet.Device{
		ID: "a", Team: fleet.TeamID(rapid.Uint32().Draw(t, "team")), Product: fleet.ProductID(rapid.Uint32().Draw(t, "product")),
		Kind: fleet.DeviceKind(rapid.IntRange(0, 2).Draw(t, "kind")), Gateway: fleet.DeviceID(anyText.Draw(t, "gateway")),
		Name: anyText.Draw(t, "name"), Notes: anyText.Draw(t, "notes"), Groups: anyGroups.Draw(t, "groups"),
		Secret: drawArray32(t), Disabled: rapid.Bool().Draw(t, "disabled"), Development: rapid.Bool().Draw(t, "development"),
		Lock: anyVersion.Draw(t, "lock"), Force: rapid.Bool().Draw(t, "force"), Flash: anyVersion.Draw(t, "flash"),
		Running: anyVersion.Draw(t, "running"), Hardware: anyText.Draw(t, "hardware"), UpdatesOn: rapid.Bool().Draw(t, "on"), Differs: rapid.Bool().Draw(t, "differs"),
		Facts: anyBytes.Draw(t, "facts"), Boot: rapid.Uint64().Draw(t, "boot"), Session: rapid.Uint64().Draw(t, "session"),
		Update: drawUpdate(t), Attempts: fleet.Attempts{
			Target: anyVersion.Draw(t, "target"), Spent: rapid.IntRange(0, 9).Draw(t, "spent"), NotBefore: anyTime.Draw(t, "not before"),
			Transfers: rapid.IntRange(0, 9).Draw(t, "transfers"), Held: rapid.Bool().Draw(t, "held"),
		},
		LastCommand: rapid.Uint32().Draw(t, "last command"), Pending: rapid.Uint32().Draw(t, "pending"),
		Address: anyText.Draw(t, "address"), Created: anyTime.Draw(t, "created"),
		LastHandshake: anyTime.Draw(t, "handshake"), LastHeard: anyTime.Draw(t, "heard"),
	}
}

// same fails t when a record did not come back as it went in.
func same[T any](t *rapid.T, in T, out T, err error, options ...cmp.Option) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out, in, append(options, sameVersion)...); diff != "" {
		t.Fatalf("read (-) differs from written (+):\n%s", diff)
	}
}

func TestEveryRecordComesBackAsItWentIn(t *testing.T) {
	for name, check := range map[string]func(*rapid.T){
		"device": func(t *rapid.T) {
			d := drawDevice(t)
			fields := map[string]string{}
			for args := appendDevice(nil, &d); len(args) > 0; args = args[2:] {
				fields[args[0].(string)] = args[1].(string)
			}
			read, err := parseDevice(d.ID, fields)
			same(t, d, read, err)
		},
		"update": func(t *rapid.T) {
			u := drawUpdate(t)
			read, err := unpackUpdate(packUpdate(&u))
			same(t, u, read, err)
		},
		"catalog": func(t *rapid.T) {
			c := cloneCatalog(&fleet.Catalog{Product: fleet.Product{
				ID: 3, Team: 4, Slug: anyText.Draw(t, "slug"), Name: anyText.Draw(t, "name"), Description: anyText.Draw(t, "about"),
				Created: anyTime.Draw(t, "created"), Roaming: rapid.Bool().Draw(t, "roaming"), AutoRegister: rapid.IntRange(0, 9).Draw(t, "auto"),
			}, Default: anyVersion.Draw(t, "default")})
			for _, g := range anyGroups.Draw(t, "groups") {
				c.Groups[g] = anyVersion.Draw(t, "release")
			}
			f := fleet.Firmware{
				Product: 3, Version: anyVersion.Draw(t, "version"), Title: anyText.Draw(t, "title"), Description: anyText.Draw(t, "about"),
				File: anyText.Draw(t, "file"), Size: rapid.Int64Min(0).Draw(t, "size"), Digest: drawArray32(t),
				Uploaded: anyTime.Draw(t, "uploaded"), By: anyText.Draw(t, "by"), Released: rapid.Bool().Draw(t, "released"), Ran: anyTime.Draw(t, "ran"),
			}
			c.Firmware[f.Version.Key()] = f
			read, err := parseCatalog(catalogKind.fields(c))
			same(t, c, read, err)
		},
		"roster": func(t *rapid.T) {
			r := newRoster()
			r.team = fleet.Team{ID: 1, Name: anyText.Draw(t, "name"), Created: anyTime.Draw(t, "created")}
			r.members[7] = fleet.Member{
				Team: 1, User: 7, Email: anyText.Draw(t, "email"), Role: fleet.Editor,
				Groups: anyGroups.Draw(t, "groups"), Joined: anyTime.Draw(t, "joined"),
			}
			r.groups[8] = fleet.Group{
				ID: 8, Team: 1, Product: 2, Name: anyText.Draw(t, "group"), Description: anyText.Draw(t, "about"),
				Color: anyText.Draw(t, "color"), Created: anyTime.Draw(t, "created"),
			}
			r.products[2], r.leaving[9] = true, true
			read, err := parseRoster(rosterKind.fields(r))
			same(t, r, read, err, cmp.AllowUnexported(roster{}))
		},
		"account": func(t *rapid.T) {
			a := newAccount()
			a.user = fleet.User{
				ID: 1, Email: anyText.Draw(t, "email"), Name: anyText.Draw(t, "name"), Password: anyText.Draw(t, "password"), Created: anyTime.Draw(t, "created"),
			}
			a.teams[3], a.tokens["abc"] = true, true
			read, err := parseAccount(accountKind.fields(a))
			same(t, a, read, err, cmp.AllowUnexported(account{}))
		},
		"token": func(t *rapid.T) {
			k := fleet.Token{
				ID: anyText.Draw(t, "id"), Hash: drawArray32(t), User: 1, Team: 2, Label: anyText.Draw(t, "label"),
				Created: anyTime.Draw(t, "created"), Expires: anyTime.Draw(t, "expires"),
			}
			read, err := unpackToken(packToken(&k))
			same(t, k, read, err)
		},
		"message": func(t *rapid.T) {
			m := fleet.Message{Device: "a", Topic: anyText.Draw(t, "topic"), Payload: anyBytes.Draw(t, "payload"), Received: anyTime.Draw(t, "received")}
			read, err := unpackMessage(packMessage(&m))
			same(t, m, read, err)
		},
		"command": func(t *rapid.T) {
			c := fleet.Command{
				Name: anyText.Draw(t, "name"), Payload: anyBytes.Draw(t, "payload"), Queued: anyTime.Draw(t, "queued"),
				Expires: anyTime.Draw(t, "expires"), Done: anyTime.Draw(t, "done"), Result: anyBytes.Draw(t, "result"),
			}
			read, err := unpackCommand(packCommand(&c))
			if err == nil {
				err = unpackResult(packResult(&c), &read)
			}
			same(t, c, read, err)
		},
		"alert": func(t *rapid.T) {
			a := fleet.Alert{Device: "a", Type: rapid.Uint64().Draw(t, "type"), Name: anyText.Draw(t, "name"), Text: anyText.Draw(t, "text"), Raised: anyTime.Draw(t, "raised")}
			read, err := unpackAlert(packAlert(&a))
			same(t, a, read, err)
		},
		"audit": func(t *rapid.T) {
			e := fleet.AuditEntry{
				User: 3, Email: anyText.Draw(t, "email"), Action: anyText.Draw(t, "action"), Object: anyText.Draw(t, "object"),
				Before: anyText.Draw(t, "before"), After: anyText.Draw(t, "after"), At: anyTime.Draw(t, "at"),
			}
			read, err := unpackAudit(packAudit(&e))
			same(t, e, read, err)
		},
	} {
		t.Run(name, rapid.MakeCheck(check))
	}
}

func TestABrokenRecordIsAnError(t *testing.T) {
	whole := packUpdate(&fleet.Update{To: version("7"), Text: "some text"})
	for n := 1; n < len(whole); n++ {
		if u, err := unpackUpdate(whole[:n]); err == nil && u.Text == "some text" {
			t.Errorf("cut at %d of %d bytes: read as whole", n, len(whole))
		}
	}
	if _, err := unpackUpdate("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"); err == nil {
		t.Error("a length beyond the end was taken")
	}
}

func TestARecordWithFieldsOfALaterVersionIsRead(t *testing.T) {
	p := packer{data: []byte(packAttempts(fleet.Attempts{Spent: 2}))}
	p.text(200, "new")
	if a, err := unpackAttempts(p.String()); err != nil || a.Spent != 2 {
		t.Errorf("got %+v, %v", a, err)
	}
}
