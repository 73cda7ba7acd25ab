package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type fleetCmd struct {
	Watch fleetWatchCmd `cmd:"" help:"Watch which versions a product's devices run, and how far releases have come." example:"muster fleet watch --done --for 10m"`
}

type fleetWatchCmd struct {
	productRemote
	Every time.Duration `default:"1s" help:"Look this often." placeholder:"TIME"`
	Done  bool          `help:"End as soon as every device runs its target."`
	For   time.Duration `help:"End after this long; with --done that is a failure." placeholder:"TIME"`
	Plain bool          `help:"Plain lines instead of a live view."`
}

// fleetState is a product's devices at one moment.
type fleetState struct {
	Devices  int            `json:"devices"`
	Online   int            `json:"online"`
	Versions []versionState `json:"versions"` // newest first

	moving []api.Update // some of the updates that run; a live view shows them
}

// versionState is one version's part in a fleetState.
type versionState struct {
	Version api.Version    `json:"version"`
	Running int            `json:"running"` // devices that run it
	Target  int            `json:"target"`  // devices that should
	Arrived int            `json:"arrived"` // of those, the ones that do
	States  map[string]int `json:"states"`  // of the rest, by the state of their update to it
}

// Run looks again and again until ctx ends, --for is over or, with --done, nothing is
// left to do.
func (c *fleetWatchCmd) Run(ctx context.Context) error {
	if c.Every <= 0 {
		return wrongUse("--every %s: use a second or so", c.Every)
	}
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	limit := ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	picture := newView(os.Stdout, c.Plain || c.JSON)
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for last := (fleetState{}); ; {
		now, err := look(limit, client, product, picture.live)
		switch {
		case err == nil:
			if err := c.draw(picture, now, last); err != nil {
				return err
			}
			last = now
			if c.Done && now.toGo() == 0 {
				return nil
			}
		case limit.Err() == nil && last.Versions != nil && errors.Is(err, fleet.Unavailable):
			note("The server does not answer; trying again.") // a restart, say: it was there a moment ago
		case limit.Err() == nil:
			return err
		}
		select {
		case <-tick.C:
		case <-limit.Done():
			if c.Done && ctx.Err() == nil {
				return fmt.Errorf("after %s %s not where the rules want them: %w", c.For, humane.Count(last.toGo(), "device"), errVerdict)
			}
			return nil
		}
	}
}

func (c *fleetWatchCmd) draw(picture *view, now, last fleetState) error {
	if !c.JSON {
		picture.show(now.lines())
		return nil
	}
	if slices.Equal(now.lines(), last.lines()) {
		return nil
	}
	return c.show(now, nil)
}

// maxMoving is how many updates a live view shows.
const maxMoving = 8

// look asks for the state of a product and, where they are to be shown, for the updates
// that run.
func look(ctx context.Context, client *client.Client, product string, moving bool) (fleetState, error) {
	var s fleetState
	firmware, err := client.Firmware(ctx, product)
	if err != nil {
		return s, err
	}
	all, err := client.Devices(ctx, product, api.DeviceFilter{PerPage: 1})
	if err != nil {
		return s, err
	}
	online, err := client.Devices(ctx, product, api.DeviceFilter{PerPage: 1, Online: new(true)})
	if err != nil {
		return s, err
	}
	if moving {
		running := api.UpdateFilter{States: []string{"offered", "downloading", "stored", "applying"}, Limit: maxMoving}
		updates, err := client.Updates(ctx, product, running)
		if err != nil {
			return s, err
		}
		s.moving = updates.Items
	}
	s.Devices, s.Online = all.Meta.Total, online.Meta.Total
	for _, f := range firmware {
		if f.Devices == 0 && len(places(f)) == 0 {
			continue // nobody runs it and nobody should
		}
		p, err := client.Progress(ctx, product, f.Version)
		if err != nil {
			return s, err
		}
		s.Versions = append(s.Versions, versionState{Version: f.Version, Running: f.Devices, Target: p.Devices, Arrived: p.Running, States: p.States})
	}
	return s, nil
}

// toGo is how many devices do not run their target yet.
func (s fleetState) toGo() int {
	n := 0
	for _, v := range s.Versions {
		n += v.Target - v.Arrived
	}
	return n
}
