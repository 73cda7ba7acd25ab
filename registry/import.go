package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Import adds devices to a product, with secrets, groups and, for BLE devices, their gateway,
// and returns the outcome of each id. A device that has no secret yet gets a new one. Devices
// that name another product of the team are added to that one. A device is created with its
// groups in one write, so that it never runs without them. It requires the right to import and,
// if groups are given, to assign them. It returns fleet.Invalid and imports nothing if a field
// other than an id is invalid.
func (r *Registry) Import(ctx context.Context, actor fleet.Actor, order fleet.Import) (fleet.Imported, error) {
	order.Gateway = order.Gateway.In(actor.Team)
	parts, err := r.importParts(ctx, actor, order)
	if err != nil {
		return fleet.Imported{}, err
	}
	if order.Gateway != "" {
		if err := r.makeGateway(ctx, actor, order.Gateway); err != nil {
			return fleet.Imported{}, err
		}
	}
	out := fleet.Imported{Secrets: map[fleet.DeviceID]string{}, Users: map[fleet.DeviceID]string{}}
	for _, p := range parts {
		if err := r.importPart(ctx, actor, p, order.Gateway, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// part is the devices of an import that go to one product.
type part struct {
	catalog *fleet.Catalog
	groups  []string // of any of the devices
	devices []fleet.NewDevice
}

// importParts checks an import, and sorts its devices by their product.
func (r *Registry) importParts(ctx context.Context, actor fleet.Actor, order fleet.Import) (parts []*part, err error) {
	own, err := r.catalog(ctx, actor, order.Product)
	if err != nil {
		return nil, err
	}
	if err := actor.May(fleet.ImportDevices); err != nil {
		return nil, err
	}
	of := map[string]*part{"": {catalog: own}}
	parts = append(parts, of[""])
	grouped := false
	for _, d := range order.Devices {
		p := of[d.Product]
		if p == nil {
			if p, err = r.partOf(ctx, actor, d.Product, parts); err != nil {
				return nil, err
			}
			of[d.Product] = p
			if !slices.Contains(parts, p) {
				parts = append(parts, p)
			}
		}
		if err := d.Check(); err != nil {
			return nil, fmt.Errorf("device %.140s: %w", d.ID, err)
		}
		if order.Gateway != "" && d.Secret != (fleet.Secret{}) {
			return nil, fleet.FieldErrorf("secret", "device %.140s: a BLE device has no secret of its own", d.ID)
		}
		d.Groups = union(order.Groups, d.Groups)
		p.groups = union(p.groups, d.Groups)
		p.devices = append(p.devices, d)
		grouped = grouped || len(d.Groups) > 0
	}
	if grouped {
		err = actor.May(fleet.AssignGroups)
	}
	return parts, err
}

// partOf returns the part of a product, which it adds if none of parts is.
func (r *Registry) partOf(ctx context.Context, actor fleet.Actor, product string, parts []*part) (*part, error) {
	found, err := r.Product(ctx, actor, product)
	if errors.Is(err, fleet.NotFound) {
		return nil, fleet.FieldErrorf("product", "no such product: %.80s", product)
	}
	if err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(parts, func(p *part) bool { return p.catalog.Product.ID == found.ID }); at >= 0 {
		return parts[at], nil
	}
	c, err := r.catalog(ctx, actor, found.ID)
	return &part{catalog: c}, err
}

// union returns the names of a and b, each once.
func union(a, b []string) []string {
	all := slices.Clip(a)
	for _, name := range b {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// importPart imports the devices of one product and adds their outcomes to out.
func (r *Registry) importPart(ctx context.Context, actor fleet.Actor, p *part, gateway fleet.DeviceID, out *fleet.Imported) error {
	product := p.catalog.Product
	ids, err := r.ensureGroups(ctx, actor, product.ID, product.ID, p.groups)
	if err != nil {
		return err
	}
	groups, err := r.teams.Groups(ctx, actor.Team)
	if err != nil {
		return err
	}
	before := len(out.Updated)
	devices := newDevices(actor.Team, p, gateway, groupIDs(groups), out)
	err = errors.Join(r.create(ctx, devices, out), r.leaveDeletedGroups(ctx, actor.Team, ids, out.Updated[before:]...))
	if made := out.Updated[before:]; len(made) > 0 {
		r.audit.RecordIn(ctx, product.ID, actor, "device.import", product.Slug, nil,
			audit.Fields{"devices": first(made), "count": len(made), "groups": p.groups, "gateway": gateway})
	}
	return err
}

// groupIDs returns a function that finds the ids of groups by name.
func groupIDs(groups []fleet.Group) func(names []string) []fleet.GroupID {
	byName := fleet.NewGroupsByName(groups)
	return func(names []string) (ids []fleet.GroupID) {
		for _, name := range names {
			if g, ok := byName.Find(name); ok {
				ids = append(ids, g.ID)
			}
		}
		return fleet.SortGroups(ids)
	}
}

// valid yields the devices of p whose ids are valid, each id once. It adds the other ids to
// out.Invalid.
func (p *part) valid(out *fleet.Imported) iter.Seq2[fleet.DeviceID, fleet.NewDevice] {
	return func(yield func(fleet.DeviceID, fleet.NewDevice) bool) {
		taken := map[fleet.DeviceID]bool{}
		for _, n := range p.devices {
			id, err := fleet.ParseDeviceID(n.ID)
			switch {
			case err != nil:
				out.Invalid = append(out.Invalid, n.ID)
			case !taken[id]:
				taken[id] = true
				if !yield(id.In(p.catalog.Product.Team), n) {
					return
				}
			}
		}
	}
}

// newDevices returns records with secrets for those devices whose ids are valid.
func newDevices(team fleet.TeamID, p *part, gateway fleet.DeviceID, groups func([]string) []fleet.GroupID, out *fleet.Imported) []*fleet.Device {
	var devices []*fleet.Device
	now := time.Now().UTC()
	for id, n := range p.valid(out) {
		d := &fleet.Device{
			ID: id, Team: team, Product: p.catalog.Product.ID, Name: n.Name, Notes: n.Notes, Groups: groups(n.Groups), Secret: n.Secret, UpdatesOn: true, Created: now,
		}
		switch {
		case gateway != "":
			d.Kind, d.Gateway = fleet.BLE, gateway
		case d.Secret == fleet.Secret{}:
			out.Secrets[id], d.Secret = newSecret()
		}
		devices = append(devices, d)
	}
	return devices
}

// create writes devices and sorts their ids in out by the outcome.
func (r *Registry) create(ctx context.Context, devices []*fleet.Device, out *fleet.Imported) error {
	ids := make([]fleet.DeviceID, 0, len(devices))
	for _, d := range devices {
		ids = append(ids, d.ID)
	}
	ctx, err := r.supersede(ctx, ids...)
	if err != nil {
		return err
	}
	release, err := r.config.Quota.Reserve(ctx, teamOf(devices), r.unknown(devices))
	if err != nil {
		return err
	}
	defer release()
	var taken []*fleet.Device
	var failed error
	for i, err := range r.devices.CreateMany(ctx, devices) {
		id := devices[i].ID
		switch {
		case err == nil:
			out.Updated = append(out.Updated, id)
			if devices[i].Namesakes >= fleet.MostNamesakes && devices[i].Kind != fleet.BLE {
				out.Users[id] = id.WithTeam()
			}
			continue
		case errors.Is(err, fleet.Conflict):
			taken = append(taken, devices[i])
		default:
			failed = err
		}
		delete(out.Secrets, id)
	}
	records, errs := each(taken, func(d *fleet.Device) (fleet.Device, error) { return r.devices.Device(ctx, d.ID) })
	for i, d := range taken {
		switch {
		case errs[i] != nil && !errors.Is(errs[i], fleet.NotFound):
			failed = errs[i]
		case errs[i] == nil && records[i].Product == d.Product:
			out.Existing = append(out.Existing, d.ID)
		default:
			out.Nonmember = append(out.Nonmember, d.ID)
		}
	}
	return failed
}

// unknown returns how many of devices have no record yet.
func (r *Registry) unknown(devices []*fleet.Device) (n int64) {
	for _, d := range devices {
		if _, err := r.index.Entry(d.ID); errors.Is(err, fleet.NotFound) {
			n++
		}
	}
	return n
}

func teamOf(devices []*fleet.Device) fleet.TeamID {
	if len(devices) == 0 {
		return 0
	}
	return devices[0].Team
}

// makeGateway checks that a device of the team can be a gateway, and makes it one. Only an
// actor who may import devices makes a gateway: it will speak for others and see their
// commands.
func (r *Registry) makeGateway(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error {
	id = id.In(actor.Team)
	s, err := r.visible(ctx, actor, 0, id)
	if err := gatewayError(id, s, err); err != nil {
		return err
	}
	if err := s.may(actor, fleet.EditDevice); err != nil {
		return err
	}
	if s.device.Kind == fleet.Gateway {
		return nil
	}
	if err := actor.May(fleet.ImportDevices); err != nil {
		return fmt.Errorf("device %s is not a gateway, and making it one: %w", id, err)
	}
	_, err = r.edit(ctx, actor.Team, s.device.Product, id, func(d *fleet.Device) error {
		if d.Kind == fleet.Generic {
			d.Kind = fleet.Gateway
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.audit.RecordIn(ctx, s.device.Product, actor, "device.gateway", id.String(), audit.Fields{"type": s.device.Kind.String()}, audit.Fields{"type": fleet.Gateway.String()})
	r.live.Kick(id) // it reconnects with the topics of a gateway
	return nil
}

// gatewayError returns why the device found with err can't be a gateway, nil if it can.
func gatewayError(id fleet.DeviceID, s visibleDevice, err error) error {
	switch {
	case errors.Is(err, fleet.NotFound):
		return fleet.FieldErrorf("gateway", "no such device: %.140s", id)
	case err == nil && s.device.Kind == fleet.BLE:
		return fleet.FieldErrorf("gateway", "device %s is a BLE device: it can't be a gateway", id)
	}
	return err
}
