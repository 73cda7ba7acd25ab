package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/humane"
)

type fleetCmd struct {
	Watch fleetWatchCmd `cmd:"" help:"Watch which versions a product's devices run, and the progress of releases." example:"muster fleet watch --done --for 10m"`

	History fleetHistoryCmd `cmd:"" help:"List what a fleet did over time: devices by version, online, handshakes, failures, releases. For owners and admins; of one group, for all who see it." example:"muster fleet history --range 30d"`
}

type fleetWatchCmd struct {
	productRemote
	Every time.Duration `default:"1s" help:"Refresh interval." placeholder:"TIME"`
	Done  bool          `help:"Stop as soon as every device runs its target."`
	For   time.Duration `help:"Stop after this time; with --done that is a failure." placeholder:"TIME"`
	Plain bool          `help:"Print plain lines instead of a live view."`
}

// fleetState is a product's devices at one moment.
type fleetState struct {
	Devices  int            `json:"devices"`
	Online   int            `json:"online"`
	Versions []versionState `json:"versions"` // newest first
	Left     api.Remaining  `json:"left"`     // devices that don't run their target yet

	moving []api.Update // some of the running updates, for a live view
}

// versionState counts a version's devices.
type versionState struct {
	Version api.Version    `json:"version"`
	Running int            `json:"running"` // devices that run it
	Target  int            `json:"target"`  // devices that should run it
	Arrived int            `json:"arrived"` // how many of those do
	States  map[string]int `json:"states"`  // the others, by the state of their update to it
}

// Run refreshes until ctx ends, --for is over or, with --done, every device runs its target.
func (c *fleetWatchCmd) Run(ctx context.Context) error {
	if err := checkEvery(c.Every); err != nil {
		return err
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	picture := terminal.NewView(os.Stdout, c.Plain || c.JSON)
	var last fleetState
	expired, err := refresh(ctx, c.Every, c.For, func(ctx context.Context) (done bool, err error) {
		now, err := look(ctx, s, picture.Live())
		if err != nil {
			return false, err
		}
		if err := c.draw(picture, now, last); err != nil {
			return false, err
		}
		last = now
		return c.Done && now.Left.Total == 0, nil
	})
	if err == nil && expired && c.Done {
		return fmt.Errorf("after %s %s still to update: %s", c.For, humane.Count(last.Left.Total, "device"), leftNamed(last.Left))
	}
	return err
}

func (c *fleetWatchCmd) draw(picture *terminal.View, now, last fleetState) error {
	if !c.JSON {
		picture.Show(now.lines())
		return nil
	}
	if slices.Equal(now.lines(), last.lines()) {
		return nil
	}
	return c.show(now, nil)
}

// maxMoving is how many running updates a live view shows.
const maxMoving = 8

// look reads the state of a product and, if moving is set, its running updates.
func look(ctx context.Context, s server, moving bool) (state fleetState, err error) {
	// What is left is read first: if nothing is, the rest shows devices that all have arrived.
	if state.Left, err = s.Remaining(ctx, s.product, api.RemainingFilter{}); err != nil {
		return state, err
	}
	firmware, err := s.Firmware(ctx, s.product)
	if err != nil {
		return state, err
	}
	all, err := s.Devices(ctx, s.product, api.DeviceFilter{PerPage: 1})
	if err != nil {
		return state, err
	}
	online, err := s.Devices(ctx, s.product, api.DeviceFilter{PerPage: 1, Online: new(true)})
	if err != nil {
		return state, err
	}
	if moving {
		running := api.UpdateFilter{States: []string{"offered", "downloading", "stored", "applying"}, Limit: maxMoving}
		updates, err := s.Updates(ctx, s.product, running)
		if err != nil {
			return state, err
		}
		state.moving = updates.Items
	}
	state.Devices, state.Online = all.Meta.Total, online.Meta.Total
	for _, f := range firmware {
		if f.Devices == 0 && len(places(f)) == 0 {
			continue // no device runs it or should run it
		}
		p, err := s.Progress(ctx, s.product, f.Version)
		if err != nil {
			return state, err
		}
		state.Versions = append(state.Versions, versionState{Version: f.Version, Running: f.Devices, Target: p.Devices, Arrived: p.Running, States: p.States})
	}
	return state, nil
}

// lines draws s for a terminal.View: a summary line, then bars of devices online and per
// version, what is left to do, and running updates.
func (s fleetState) lines() []string {
	var runs []string
	for _, v := range s.Versions {
		runs = append(runs, fmt.Sprintf("v%s: %d", v.Version, v.Running))
	}
	parts := []string{fmt.Sprintf("%d of %d online", s.Online, s.Devices)}
	if len(runs) > 0 {
		parts = append(parts, strings.Join(runs, ", "))
	}
	if s.Left.Total == 0 {
		parts = append(parts, "every device runs its target")
	} else {
		parts = append(parts, fmt.Sprintf("%d to update: %s", s.Left.Total, leftWords(s.Left)))
	}
	lines := []string{strings.Join(parts, " | "), fmt.Sprintf("  %-11s %s %d of %d", "online", terminal.Bar(s.Online, s.Devices), s.Online, s.Devices)}
	for _, v := range s.Versions {
		line := fmt.Sprintf("  %-11s %s %d run it", "version "+v.Version.String(), terminal.Bar(v.Running, s.Devices), v.Running)
		if left := v.Target - v.Arrived; left > 0 {
			line += fmt.Sprintf(", %d more should: %s", left, statesText(v.States))
		}
		lines = append(lines, line)
	}
	lines = append(lines, "  "+parts[len(parts)-1])
	lines = append(lines, leftLines(s.Left, "")...)
	for _, u := range s.moving {
		lines = append(lines, fmt.Sprintf("    %-24s %s to %s  %-11s %s", clip(u.DeviceID, 24), cell(u.From), u.To, u.State, received(u)))
	}
	return lines
}

func statesText(states map[string]int) string {
	var words []string
	for _, state := range slices.Sorted(maps.Keys(states)) {
		word := strings.ReplaceAll(state, "_", " ")
		if state == "none" {
			word = "not tried yet"
		}
		words = append(words, fmt.Sprintf("%d %s", states[state], word))
	}
	return strings.Join(words, ", ")
}
