package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// peace waits until every device has come to where it should, and judges.
func (r *round) peace(ctx context.Context) ([]string, error) {
	for _, id := range r.world.stopped() {
		err := r.insist(ctx, "retry "+id.String(), func(ctx context.Context, s *server) error {
			return unless(s.client.RetryUpdate(ctx, id.String()), fleet.Conflict, fleet.NotFound)
		})
		if err != nil {
			return nil, err
		}
	}
	wrong := r.converge(ctx)
	checks := []func(context.Context) ([]string, error){r.history, r.messages, r.audit}
	for _, s := range r.servers {
		checks = append(checks, s.judged(r.devices), s.judged(r.releases))
	}
	for _, check := range checks {
		found, err := check(ctx)
		if err != nil {
			return wrong, err
		}
		wrong = append(wrong, found...)
	}
	wrong = slices.Concat(wrong, r.commands(ctx), r.chunks(ctx))
	if r.cluster != nil {
		found, err := r.cluster.judge(ctx, r)
		return append(wrong, found...), err
	}
	return wrong, nil
}

// converge waits until every device runs its target, and returns those that don't.
func (r *round) converge(ctx context.Context) (wrong []string) {
	targets := r.world.targets()
	expect := func(id fleet.DeviceID) (simulator.Expectation, bool) {
		v, any := targets[id]
		return simulator.Expectation{Version: fleet.WholeVersion(v), Digest: sha256.Sum256(imageOf(v))}, any
	}
	verdict := simulator.Verdict{}
	for n, began := 0, time.Now(); time.Since(began) < r.config.settle && ctx.Err() == nil; wait(ctx, time.Second) {
		if verdict = r.fleet.Verdict(expect); verdict.OK {
			break
		}
		var ids []fleet.DeviceID
		for _, w := range verdict.Wrong {
			ids = append(ids, w.Device)
		}
		if n%8 == 0 { // a release reaches a device at its next handshake, and Hellos on a connection are paced
			r.say("%d devices are not there yet: %s, %s", len(ids), ids[0], verdict.Wrong[0].Reason)
			r.fleet.Disconnect(ids...)
		}
		n++
	}
	for _, w := range verdict.Wrong {
		wrong = append(wrong, fmt.Sprintf("%s runs %s, the rules say %s: %s; %s", w.Device, w.Got, w.Want, w.Reason, r.why(ctx, w.Device)))
	}
	return few(wrong)
}

// why is what the server reports about a device.
func (r *round) why(ctx context.Context, id fleet.DeviceID) string {
	why, err := r.server.client.Why(ctx, id.String())
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%+v", why)
}

// past is the history of a device.
func (r *round) past(ctx context.Context, id fleet.DeviceID) string {
	updates, err := r.server.client.DeviceUpdates(ctx, id.String())
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, u := range updates {
		parts = append(parts, fmt.Sprintf("%s to %s %s (%s) %s to %s, %d bytes", u.From, u.To, u.State, u.ReasonText,
			clock(u.Started), clock(u.Changed), u.Received))
	}
	return strings.Join(parts, "; ")
}

func clock(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format("15:04:05.000")
}

// few shortens a long list of the same.
func few(wrong []string) []string {
	const most = 5
	if len(wrong) <= most {
		return wrong
	}
	return append(wrong[:most:most], fmt.Sprintf("and %d more like the last", len(wrong)-most))
}

// devices compares groups, locks and development marks.
func (r *round) devices(ctx context.Context, c *client.Client) (wrong []string, err error) {
	seen := map[fleet.DeviceID]bool{}
	for page := 1; ; page++ {
		list, err := c.Devices(ctx, product, api.DeviceFilter{Sort: "deviceId", Page: page, PerPage: 100})
		if err != nil {
			return nil, err
		}
		for _, d := range list.Devices {
			if id := fleet.DeviceID(d.ID); slices.Contains(r.ids, id) {
				seen[id] = true
				wrong = append(wrong, r.world.differs(id, d.Groups, d.Lock.Version, d.Development)...)
			}
		}
		if page >= list.Meta.TotalPages {
			break
		}
	}
	for _, id := range r.ids {
		if !seen[id] {
			wrong = append(wrong, fmt.Sprintf("%s is in no list", id))
		}
	}
	for name, group := range r.world.members() {
		list, err := c.Devices(ctx, product, api.DeviceFilter{Groups: []string{name}, PerPage: 1})
		if err != nil {
			return nil, err
		}
		if list.Meta.Total != group {
			wrong = append(wrong, fmt.Sprintf("the list of group %s has %d devices, acknowledged were %d", name, list.Meta.Total, group))
		}
	}
	return few(wrong), nil
}

// members is how many devices are in each group.
func (w *world) members() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]int{}
	for _, g := range w.groups {
		all[g] = 0
	}
	for _, u := range w.units {
		for g := range u.groups {
			all[g]++
		}
	}
	return all
}

// releases compares where each version is released.
func (r *round) releases(ctx context.Context, c *client.Client) (wrong []string, err error) {
	versions, err := c.Firmware(ctx, product)
	if err != nil {
		return nil, err
	}
	got := map[string]uint32{}
	for _, f := range versions {
		n := numberOf(f.Version.Version)
		for _, g := range f.Groups {
			got[g] = n
		}
		if f.Default {
			got[""] = n
		}
	}
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	if !maps.Equal(got, r.world.releases) {
		wrong = append(wrong, fmt.Sprintf("released are %v, acknowledged were %v", got, r.world.releases))
	}
	return wrong, nil
}

// history finds updates that ended at a device's cost: no device of this fleet ever fails.
func (r *round) history(ctx context.Context) (wrong []string, err error) {
	for _, id := range r.ids {
		updates, err := r.server.client.DeviceUpdates(ctx, id.String())
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return nil, err
		}
		for _, u := range updates {
			switch {
			case u.State == "rolled_back", u.State == "failed" && !wire.Free(fleet.ReasonCode(u.Reason)):
				wrong = append(wrong, fmt.Sprintf("%s: update %s to %s is %s (%s %q), which did not happen", id, u.From, u.To, u.State, u.ReasonText, u.Text))
			case u.Attempt > 1:
				wrong = append(wrong, fmt.Sprintf("%s: update %s to %s was attempt %d: a device was charged", id, u.From, u.To, u.Attempt))
			case u.State == "confirmed":
				r.confirmed++
			}
		}
	}
	return few(wrong), nil
}

// commands compares how many commands were acknowledged and carried out.
func (r *round) commands(ctx context.Context) (wrong []string) {
	for began := time.Now(); ; wait(ctx, time.Second) {
		wrong = nil
		for _, id := range r.ids {
			d, _ := r.fleet.Device(id)
			r.world.mu.Lock()
			want, more := r.world.commands[id], r.world.unsure[id]
			r.world.mu.Unlock()
			if done := d.Stats.Commands; done < want || done > want+more {
				wrong = append(wrong, fmt.Sprintf("%s carried out %d commands, %d were acknowledged, and %d may have been sent", id, done, want, more))
			}
		}
		if len(wrong) == 0 || time.Since(began) > r.config.settle/4 || ctx.Err() != nil {
			return few(wrong)
		}
	}
}

// chunks finds devices that got chunks which they held, beyond what they asked for again and one
// window: an update that is offered again on an open connection, as after a Hello, continues where the
// last Want began. After a Stop the server can't tell whether a device kept its part of the image
// (docs/protocol.md#stop), until a Hello says so.
func (r *round) chunks(ctx context.Context) (wrong []string) {
	for _, id := range r.ids {
		d, _ := r.fleet.Device(id)
		stops := d.Stats.Stops + d.Stats.Strays // those that came after the connection of the update, too
		if d.Stats.Duplicates > (d.Stats.Repeats+r.interrupted[id]+1)*wire.DefaultWindow+stops*imageSize/wire.DefaultChunk {
			wrong = append(wrong, fmt.Sprintf("%s got %d chunks that it held, had asked again %d times, said Hello meanwhile %d times, and was stopped %d times: %s", id, d.Stats.Duplicates,
				d.Stats.Repeats, r.interrupted[id], stops, r.past(ctx, id)))
		}
		if d.Stats.Malformed > 0 {
			wrong = append(wrong, fmt.Sprintf("%s could not read %d messages", id, d.Stats.Malformed))
		}
	}
	return few(wrong)
}
