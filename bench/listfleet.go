package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// The fleet of lists: ids in no order, one device in four in a large group, one in 500 in a
// small one, nine in ten in one of seven more; five versions; a name each.
const (
	largeGroup, smallGroup = "quarter", "corner"
	versions               = 5
)

// nameOf is the id of device n.
func nameOf(n int) string { return fmt.Sprintf("nrf-3525%08d", n*7919%100_000_007) }

// runs is the version device n runs.
func runs(n int) uint32 { return uint32(n%versions) + 1 }

func inLarge(n int) bool { return n%4 == 0 }
func inSmall(n int) bool { return n%500 == 1 }

func groupsOf(n int) (groups []string) {
	if inLarge(n) {
		groups = append(groups, largeGroup)
	}
	if inSmall(n) {
		groups = append(groups, smallGroup)
	}
	if n%10 != 0 {
		groups = append(groups, fmt.Sprint("hall-", n%7))
	}
	return groups
}

// seenFrom reports whether a user of group alone sees device n.
func seenFrom(group string) func(n int) bool {
	return func(n int) bool {
		groups := groupsOf(n)
		return len(groups) == 0 || slices.Contains(groups, group)
	}
}

// load makes the fleet by REST and handshakes, and stops the server.
func (b *bed) load(ctx context.Context, o options, r *report.Result) error {
	b.progress("starting muster")
	m, err := b.startMuster(ctx, o)
	if err != nil {
		return err
	}
	defer m.Stop()
	m.HTTP = newClient(o.dialers)
	if err := m.CreateProduct(ctx, product); err != nil {
		return err
	}
	b.progress("importing %d devices", o.devices)
	began := time.Now()
	devices, err := m.importGroups(ctx, o.devices)
	if err != nil {
		return err
	}
	r.Add("import, per 100,000 devices", "s", []float64{time.Since(began).Seconds() * 100_000 / float64(o.devices)}, nil)
	b.progress("a handshake of each device")
	const some = 10_000 // connected at a time, by dialers
	for from := 0; from < len(devices); from += some {
		batch := devices[from:min(from+some, len(devices))]
		s, err := swarm.Connect(ctx, m.mqtt, batch, o.dialers, func(i int, c *mqttlite.Conn) error {
			err := device.Handshake(c, batch[i].ID, device.Greeting(product, runs(from+i)), 0)
			_ = c.Close()
			return err
		})
		if err != nil {
			return err
		}
		s.Close()
	}
	b.progress("a name for each device")
	if _, err := inTurns(ctx, o.dialers, o.devices, func(ctx context.Context, n int) error {
		name := map[string]string{"name": fmt.Sprintf("Lamp %d of hall %d", n, n%977)}
		return m.Call(ctx, http.MethodPut, "/v1/products/"+product+"/devices/"+nameOf(n), name, nil)
	}); err != nil {
		return err
	}
	if err := m.firmwareAndUsers(ctx); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.fleet, "complete"), nil, 0o600)
}

// importGroups imports n devices, those of the same groups together.
func (m *muster) importGroups(ctx context.Context, n int) ([]swarm.Credentials, error) {
	same := map[string][]int{}
	for i := range n {
		key := fmt.Sprint(groupsOf(i))
		same[key] = append(same[key], i)
	}
	devices := make([]swarm.Credentials, n)
	for _, numbers := range same {
		ids := make([]string, len(numbers))
		for at, i := range numbers {
			ids[at] = nameOf(i)
		}
		secrets, err := m.Import(ctx, product, ids, groupsOf(numbers[0])...)
		if err != nil {
			return nil, err
		}
		for at, i := range numbers {
			devices[i] = swarm.Credentials{ID: ids[at], Password: secrets[at]}
		}
	}
	return devices, nil
}

// firmwareAndUsers uploads what devices run and one version more, releases one as default and
// one to the large group, and makes an editor of each of the two groups.
func (m *muster) firmwareAndUsers(ctx context.Context) error {
	for v := range uint32(versions + 1) {
		if err := m.Upload(ctx, product, fleet.WholeVersion(v+1).String(), fmt.Appendf(nil, "image %d", v+1)); err != nil {
			return err
		}
	}
	for _, release := range []map[string]any{{"version": 1, "product_default": true}, {"version": 2, "groups": []string{largeGroup}}} {
		if err := m.Call(ctx, http.MethodPut, "/v1/products/"+product+"/firmware/release", release, nil); err != nil {
			return err
		}
	}
	for _, group := range []string{largeGroup, smallGroup} {
		user := map[string]any{"email": emailOf(group), "role": "editor", "groups": []string{group}, "password": passwordOf(group)}
		if err := m.Call(ctx, http.MethodPost, "/v1/team/users", user, nil); err != nil {
			return err
		}
	}
	return nil
}

func emailOf(group string) string    { return group + "@example.com" }
func passwordOf(group string) string { return "the password of " + group }

// rotate gives the first n devices new secrets: those of the import are not kept.
func (m *muster) rotate(ctx context.Context, o options, n int) ([]swarm.Credentials, error) {
	devices := make([]swarm.Credentials, min(n, o.devices))
	_, err := inTurns(ctx, o.clients, len(devices), func(ctx context.Context, n int) error {
		var out struct {
			Secret string `json:"secret"`
		}
		err := m.Call(ctx, http.MethodPost, "/v1/devices/"+url.PathEscape(nameOf(n))+"/credential", struct{}{}, &out)
		devices[n] = swarm.Credentials{ID: nameOf(n), Password: out.Secret}
		return err
	})
	return devices, err
}
