package history

import (
	"context"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/timeline"
)

// Burn is how the devices of a release stood at one time. Each device is counted once.
type Burn struct {
	At          time.Time
	State       fleet.ReleaseState
	Share       fleet.Share
	Waiting     int
	Downloading int // also offered
	Applying    int // also stored
	Confirmed   int
	Failed      int
	Lost        int
}

// curve names the curve of a release.
type curve struct {
	product fleet.ProductID
	release fleet.ReleaseID
}

// stand is a point of a curve that is not kept yet.
type stand struct {
	at     time.Time
	state  fleet.ReleaseState
	share  fleet.Share
	sums   []timeline.Sum
	always bool // it is kept, however soon after the one before
}

// maxStands bounds the points of a curve that wait for the store.
const maxStands = 16

// Counted notes how the devices of a release stand, to be kept with the next sample: the newest
// count of each state and share. It never blocks.
func (h *History) Counted(product fleet.ProductID, r fleet.Release, n fleet.ReleaseCounts) {
	s := stand{at: h.Clock.Now(), state: r.State, share: r.Share, always: r.State.Over(), sums: []timeline.Sum{
		{Name: "s", Number: int64(r.State)}, {Name: "x", Number: int64(r.Share)},
		{Name: "w"}, {Name: "d", Number: int64(n.Updating[fleet.Offered] + n.Updating[fleet.Downloading])},
		{Name: "a", Number: int64(n.Updating[fleet.Stored] + n.Updating[fleet.Applying])},
		{Name: "c", Number: int64(n.Confirmed)}, {Name: "f", Number: int64(n.Failed)}, {Name: "l", Number: int64(n.Lost)},
	}}
	for _, devices := range n.Waiting {
		s.sums[2].Number += int64(devices)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	k := curve{product, r.ID}
	waiting := h.stands[k]
	if n := len(waiting); n > 0 && waiting[n-1].state == s.state && waiting[n-1].share == s.share {
		s.always = s.always || waiting[n-1].always
		waiting = waiting[:n-1]
	} else if n > 0 {
		s.always = true
	}
	if len(waiting) < maxStands {
		h.stands[k] = append(waiting, s)
	}
}

// keep writes what Counted has noted.
func (h *History) keep(ctx context.Context) {
	h.mu.Lock()
	stands := h.stands
	h.stands = make(map[curve][]stand)
	h.mu.Unlock()
	for k, waiting := range stands {
		for i, s := range waiting {
			if h.Timelines.Keep(ctx, k.product, k.release, s.at, s.sums, s.always) == nil {
				continue
			}
			h.mu.Lock()
			newer := h.stands[k]
			h.stands[k] = append(waiting[i:], newer[:min(len(newer), maxStands-len(waiting)+i)]...)
			h.mu.Unlock()
			break
		}
	}
}

// Release returns how the devices of a release with a plan stood over time, by time. Only those who
// see all devices of its target may ask. Errors: fleet.NotFound, fleet.Denied.
func (h *History) Release(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.ReleaseID) ([]Burn, error) {
	c, err := h.Catalogs.Catalog(ctx, product)
	if err != nil {
		return nil, err
	}
	if err := fleet.May(actor, fleet.SeeTeam, fleet.Object{Team: c.Product.Team}); err != nil {
		return nil, err
	}
	releases := c.Releases()
	i := slices.IndexFunc(releases, func(r fleet.Release) bool { return r.ID == id })
	if i < 0 || releases[i].Group != 0 && fleet.May(actor, fleet.SeeGroup, fleet.Object{Team: c.Product.Team, Group: releases[i].Group}) != nil {
		return nil, fleet.Errorf(fleet.NotFound, "no release %s in product %s", id, c.Product.Slug)
	}
	if actor.Role.Restricted() && releases[i].Group == 0 {
		return nil, fleet.Errorf(fleet.Denied, "the past of release %s counts devices that you may not see", id)
	}
	points, err := h.Timelines.Curve(ctx, product, id)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	for _, s := range h.stands[curve{product, id}] {
		newest := timeline.Point{At: s.at, Numbers: make(map[string]int64)}
		for _, sum := range s.sums {
			newest.Numbers[sum.Name] = sum.Number
		}
		points = append(points, newest)
	}
	h.mu.Unlock()
	burns := make([]Burn, 0, len(points))
	for _, p := range points {
		n := func(name string) int { return int(p.Numbers[name]) }
		burns = append(burns, Burn{
			At: p.At, State: fleet.ReleaseState(n("s")), Share: fleet.Share(n("x")), //nolint:gosec // written by Counted
			Waiting: n("w"), Downloading: n("d"), Applying: n("a"), Confirmed: n("c"), Failed: n("f"), Lost: n("l"),
		})
	}
	return burns, nil
}
