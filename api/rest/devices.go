package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// deviceExample is an edit of one device.
const deviceExample = `{"name":"Hall","desired_firmware_version":7,"flash":true}`

// devices are a product's.
func (a *API) devices() route.Table {
	const all, one = "/v1/products/{product}/devices", "/v1/products/{product}/devices/{device}"
	return route.Table{Tag: "devices", Routes: []route.Route{
		route.Get("ListProductDevices", all, "Devices of a product: filter, sort, page", route.Needs(fleet.SeeDevice), a.listProductDevices),
		route.Put("UpdateProductDevices", all, "Change many devices: groups, lock, unlock, development", route.Needs(fleet.EditDevice), a.updateMany).
			Example(`{"action":"groups","devices":["lamp-7","lamp-8"],"metadata":{"add":["beta"],"remove":["eu"]}}`),
		route.Get("GetProductDevice", one, "One device", route.Needs(fleet.SeeDevice), a.getProductDevice),
		route.Put("UpdateProductDevice", one, "Change one device: name, notes, groups, lock, development ...", route.Needs(fleet.EditDevice), a.updateProductDevice).
			Fails(http.StatusConflict, http.StatusPreconditionFailed).Example(deviceExample),
		route.Delete("DeleteProductDevice", one, "Remove a device and its credential", route.Needs(fleet.DeleteDevice), a.deleteProductDevice),
	}}
}

func (a *API) listProductDevices(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	DeviceQuery
	ParticleList
	route.Pages
	Filter string `query:"filter" doc:"Name of a saved filter, which selects the devices: in the place of other filters"`
}) (*route.Reply[api.DeviceList], error) {
	q, err := in.Query()
	if err == nil && in.Filter != "" {
		q, err = a.savedQuery(ctx, who, in.product.ID, in.Filter, q, in.Given)
	}
	if err != nil {
		return nil, err
	}
	if q.Skip, q.Limit, err = in.Window(); err != nil {
		return nil, err
	}
	q.Product = in.product.ID
	views, err := a.FindDevices(ctx, who, q, in.GroupsQuery)
	if err != nil {
		return nil, err
	}
	return route.Answer(deviceList(views, in.Page, q.Limit), nil)
}

// savedQuery is what a saved filter selects, in the order of q. q must select nothing itself.
func (a *API) savedQuery(ctx context.Context, who fleet.Actor, product fleet.ProductID, name string, q fleet.DeviceQuery, groups bool) (fleet.DeviceQuery, error) {
	if groups || q.IDPart+q.NamePart+q.Version.String() != "" || q.Online != nil || q.Development != nil || q.Locked != nil || len(q.Facts) > 0 {
		return q, fleet.FieldErrorf("filter", "a saved filter stands in the place of other filters: leave those out")
	}
	f, err := a.Filters.Find(ctx, who, product, name)
	if err != nil {
		return q, err
	}
	saved, err := a.Filters.Query(ctx, who, product, f)
	saved.Sort, saved.Descending = q.Sort, q.Descending
	return saved, err
}

func deviceList(views fleet.DeviceViews, page, limit int) api.DeviceList {
	return api.DeviceList{
		Devices: ShownDevices(views), Customers: []struct{}{},
		Meta: api.ListMeta{TotalPages: route.PageCount(views.Total, limit), Page: page, PerPage: limit, Total: views.Total},
	}
}

func (a *API) getProductDevice(ctx context.Context, who fleet.Actor, in *DevicePath) (*route.Tagged[api.Device], error) {
	return a.GetDevice(ctx, who, in.target)
}

// GetDevice answers one device.
func (a *API) GetDevice(ctx context.Context, who fleet.Actor, t Target) (*route.Tagged[api.Device], error) {
	v, err := a.Registry.DeviceWithUser(ctx, who, t.Product, t.Device)
	return route.AnswerTagged(v.Tag, withPast(ShownDevice(&v), &v), err)
}

func (a *API) updateProductDevice(ctx context.Context, who fleet.Actor, in *struct {
	DevicePath
	Preview
	route.IfMatch
	route.Input[api.DeviceUpdate]
}) (*route.Tagged[any], error) {
	return a.UpdateDevice(ctx, who, in.target, in.In, in.IfMatch, in.Preview)
}

// UpdateDevice changes one device, or previews that.
func (a *API) UpdateDevice(
	ctx context.Context, who fleet.Actor, t Target, u api.DeviceUpdate, match route.IfMatch, p Preview,
) (*route.Tagged[any], error) {
	if u.Groups.Null {
		return nil, fleet.FieldErrorf("groups", "groups is a list: send [] to take the device out of all groups")
	}
	edit := deviceEdit(u)
	edit.If = match.Seen
	if p.DryRun {
		impact, err := a.Registry.PreviewDevice(ctx, who, t.Product, t.Device, edit)
		return route.AnswerTagged[any]("", ShownImpact(impact), err)
	}
	v, err := a.Registry.EditDevice(ctx, who, t.Product, t.Device, edit)
	return route.AnswerTagged[any](v.Tag, api.Updated{Device: ShownDevice(&v), At: time.Now().UTC()}, err)
}

func deviceEdit(u api.DeviceUpdate) fleet.DeviceEdit {
	edit := fleet.DeviceEdit{
		Name: u.Name.Pointer(), Notes: u.Notes.Pointer(), Development: u.Development, Force: u.Forced, Disabled: u.Disabled, Flash: u.Flash,
	}
	if v := u.Lock.Pointer(); v != nil {
		edit.Lock = &v.Version
	}
	if names := u.Groups.Pointer(); names != nil {
		edit.Groups = (*[]string)(names)
	}
	if id := u.Gateway.Pointer(); id != nil {
		edit.Gateway = (*fleet.DeviceID)(id)
	}
	return edit
}

func (a *API) deleteProductDevice(ctx context.Context, who fleet.Actor, in *struct {
	DevicePath
	Preview
}) (*removed, error) {
	return a.deleteDevice(ctx, who, in.target, in.Preview)
}

func (a *API) deleteDevice(ctx context.Context, who fleet.Actor, t Target, p Preview) (*removed, error) {
	if p.DryRun {
		return previewed(a.Registry.PreviewDelete(ctx, who, t.Product, t.Device))
	}
	return removal(a.Registry.DeleteDevice(ctx, who, t.Product, t.Device))
}

// removed is the answer to a delete: nothing, or with dry_run the impact it would have.
type removed struct {
	Status int
	Body   *api.Impact
}

func removal(err error) (*removed, error) {
	if err != nil {
		return nil, err
	}
	return &removed{Status: http.StatusNoContent}, nil
}

func previewed(impact fleet.Impact, err error) (*removed, error) {
	if err != nil {
		return nil, err
	}
	shown := ShownImpact(impact)
	return &removed{Status: http.StatusOK, Body: &shown}, nil
}
