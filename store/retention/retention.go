// Package retention is how much is kept of what grows, and for how long.
package retention

import (
	_ "embed"
	"time"
)

// Lua is the functions for scripts that keep the shares of owners.
//
//go:embed shares.lua
var Lua string

// Share bounds what a team keeps of one kind, and how much one owner of entries, a device or a
// user, has of it: where there is too much, the owner with most loses its oldest entry, but no
// owner gets below the floor.
type Share struct {
	All, Owner, Floor int64
	Entries           int // of all, whatever their size
}

// Policy bounds what grows.
type Policy struct {
	Messages Share // bytes, by device; default 128 MiB, 16 MiB and 64 KiB per team; 500,000 entries
	Alerts   Share // by device; default 10,000, 500 and 20 per team
	Audit    Share // entries, by user; default 100,000, 100,000 and 1,000 per team
	SignIns  Share // entries of the audit log about sign-ins and tokens, by user; default 20,000, 5,000 and 100
	Updates  int   // past updates per device; default 50
	Commands int   // finished commands per device; default 20

	Age       time.Duration // of messages, alerts and past updates; default 90 days
	AuditAge  time.Duration // default 365 days
	SignInAge time.Duration // default 90 days
}

const day = 24 * time.Hour

// OrDefaults returns r with the defaults in place of what is zero.
func (r Policy) OrDefaults() Policy {
	fill(&r.Messages.Entries, 500_000)
	r.Messages.fill(128<<20, 16<<20, 64<<10)
	r.Alerts.fill(10_000, 500, 20)
	r.Audit.fill(100_000, 100_000, 1000)
	r.SignIns.fill(20_000, 5000, 100)
	fill(&r.Updates, 50)
	fill(&r.Commands, 20)
	fill(&r.Age, 90*day)
	fill(&r.AuditAge, 365*day)
	fill(&r.SignInAge, 90*day)
	return r
}

func (s *Share) fill(all, owner, floor int64) {
	fill(&s.All, all)
	fill(&s.Owner, min(owner, s.All))
	fill(&s.Floor, min(floor, s.Owner))
	fill(&s.Entries, int(s.All))
}

func fill[N ~int | ~int64](n *N, otherwise N) {
	if *n <= 0 {
		*n = otherwise
	}
}
