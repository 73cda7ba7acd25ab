package registry

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Devices lists devices the actor sees. Records deleted since they were found are left
// out. It returns fleet.Unavailable until the index is built.
func (r *Registry) Devices(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery) (fleet.DeviceViews, error) {
	if err := may(actor, fleet.SeeTeam); err != nil {
		return fleet.DeviceViews{}, err
	}
	q.Actor = actor
	q.Groups = seen(actor, q.Groups)
	found, err := r.index.Find(q)
	if err != nil {
		return fleet.DeviceViews{}, err
	}
	records, errs := each(found.IDs, func(id fleet.DeviceID) (fleet.Device, error) { return r.devices.Device(ctx, id) })
	views := fleet.DeviceViews{Next: found.Next, Total: found.Total}
	showing, err := r.showing(ctx, actor)
	if err != nil {
		return fleet.DeviceViews{}, err
	}
	for i, d := range records {
		if errors.Is(errs[i], fleet.NotFound) || errs[i] == nil && d.Team != actor.Team {
			continue
		}
		if errs[i] != nil {
			return fleet.DeviceViews{}, errs[i]
		}
		v, err := showing.view(ctx, d)
		if err != nil {
			return fleet.DeviceViews{}, err
		}
		views.Devices = append(views.Devices, v)
	}
	return views, nil
}

// Device is one device the actor sees, a gateway with its BLE devices; product 0: of any
// product.
func (r *Registry) Device(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.DeviceView, error) {
	s, err := r.look(ctx, actor, product, id)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	v, err := r.view(ctx, actor, s.device)
	if err == nil && s.device.Kind == fleet.Gateway {
		v.Children, err = r.childrenOf(actor.Team, id) // who sees the gateway sees them all
	}
	return v, err
}

func (r *Registry) view(ctx context.Context, actor fleet.Actor, d fleet.Device) (fleet.DeviceView, error) {
	showing, err := r.showing(ctx, actor)
	if err != nil {
		return fleet.DeviceView{}, err
	}
	return showing.view(ctx, d)
}

// showing makes views for one actor.
type showing struct {
	registry *Registry
	actor    fleet.Actor
	names    map[fleet.GroupID]string // of the groups the actor sees
}

func (r *Registry) showing(ctx context.Context, actor fleet.Actor) (showing, error) {
	names, err := r.GroupNames(ctx, actor, 0)
	return showing{registry: r, actor: actor, names: names}, err
}

func (s showing) view(ctx context.Context, d fleet.Device) (fleet.DeviceView, error) {
	c, err := s.registry.catalogs.Catalog(ctx, d.Product)
	if errors.Is(err, fleet.NotFound) {
		c, err = &fleet.Catalog{}, nil // its product is being deleted
	}
	if err != nil {
		return fleet.DeviceView{}, err
	}
	v := fleet.DeviceView{Device: d, Slug: c.Product.Slug}
	v.Target, v.Reason, _ = precedence.Decide(precedence.Of(&d), c)
	v.Released, _, _ = precedence.Decide(precedence.Facts{Groups: d.Groups}, c)
	v.Secret, v.Groups = fleet.Secret{}, nil
	for _, g := range d.Groups {
		if name, ok := s.names[g]; ok {
			v.Groups = append(v.Groups, g)
			v.GroupNames = append(v.GroupNames, name)
		}
	}
	slices.Sort(v.GroupNames)
	v.Tag = tagOf(s.actor, &d)
	if e, err := s.registry.index.Entry(d.ID); err == nil {
		v.Online = e.Online
	}
	return v, nil
}

// maxParallel bounds the store operations of one call that are under way at a time; the
// store makes one trip of them.
const maxParallel = 100

// each applies do to all of in, several at a time, and keeps the order.
func each[In, Out any](in []In, do func(In) (Out, error)) ([]Out, []error) {
	out, errs := make([]Out, len(in)), make([]error, len(in))
	free := make(chan struct{}, maxParallel)
	var tasks sync.WaitGroup
	for i := range in {
		free <- struct{}{}
		tasks.Go(func() {
			defer func() { <-free }()
			out[i], errs[i] = do(in[i])
		})
	}
	tasks.Wait()
	return out, errs
}
