package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// DeviceList is one page of a product's devices, in Particle's shape.
type DeviceList struct {
	Devices   []Device   `json:"devices"`
	Customers []struct{} `json:"customers"`
	Meta      ListMeta   `json:"meta"`
}

// ListMeta says how far a list goes.
type ListMeta struct {
	TotalPages int `json:"total_pages"`
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Total      int `json:"total" doc:"Devices the filters select"`
}

// DeviceUpdate changes one device. An absent field leaves as it is; null is a value.
type DeviceUpdate struct {
	Name        Optional[string]  `json:"name,omitzero"`
	Notes       Optional[string]  `json:"notes,omitzero"`
	Development *bool             `json:"development,omitempty" doc:"Development devices are never updated automatically"`
	Lock        Optional[Version] `json:"desired_firmware_version,omitzero" doc:"Lock to this version; null unlocks"`
	Flash       bool              `json:"flash,omitempty" doc:"With desired_firmware_version: also at once, if the device is online"`
	Groups      Optional[Names]   `json:"groups,omitzero" doc:"All its groups, by name; a missing one is created"`
	Forced      *bool             `json:"firmware_updates_forced,omitempty" doc:"Send updates although the device says \"not now\""`
	Disabled    *bool             `json:"disabled,omitempty" doc:"It may not connect"`
	Gateway     Optional[string]  `json:"gatewayId,omitzero" doc:"Of a BLE device: attach it to this gateway; null detaches"`
}

func (u DeviceUpdate) edit() fleet.DeviceEdit {
	edit := fleet.DeviceEdit{
		Name: u.Name.orZero(), Notes: u.Notes.orZero(), Development: u.Development, Force: u.Forced, Disabled: u.Disabled, Flash: u.Flash,
	}
	if v := u.Lock.orZero(); v != nil {
		edit.Lock = &v.Version
	}
	if names := u.Groups.orZero(); names != nil {
		edit.Groups = (*[]string)(names)
	}
	if id := u.Gateway.orZero(); id != nil {
		edit.Gateway = (*fleet.DeviceID)(id)
	}
	return edit
}

// Updated is Particle's answer to a change: the whole device, and when.
type Updated struct {
	Device
	At time.Time `json:"updated_at"`
}

// DevicePath names a device of a product.
type DevicePath struct {
	ProductPath
	Device string `path:"device" doc:"Device id" example:"lamp-7"`
}

// Preview asks what a write would do.
type Preview struct {
	DryRun bool `query:"dry_run" doc:"Change nothing: answer the impact this call would have"`
}

// DeviceQuery are the query parameters that select and sort a product's devices.
type DeviceQuery struct {
	GroupsQuery
	ID          string `query:"deviceId" doc:"Part of the id"`
	Name        string `query:"deviceName" doc:"Part of the name"`
	Version     string `query:"firmwareVersion" doc:"Runs this version"`
	Online      string `query:"online" enum:"true,false"`
	Development string `query:"development" enum:"true,false"`
	Locked      string `query:"locked" enum:"true,false"`
	SortAttr    string `query:"sortAttr" enum:"deviceName,deviceId,firmwareVersion,lastConnection" default:"lastConnection"`
	SortDir     string `query:"sortDir" enum:"asc,desc" doc:"desc for lastConnection, else asc, when absent"`
}

func (f DeviceQuery) query() (fleet.DeviceQuery, error) {
	q := fleet.DeviceQuery{IDPart: f.ID, NamePart: f.Name, Online: choice(f.Online), Development: choice(f.Development), Locked: choice(f.Locked)}
	q.Sort = map[string]fleet.DeviceSort{"deviceName": fleet.ByName, "firmwareVersion": fleet.ByVersion, "lastConnection": fleet.ByLastHandshake}[f.SortAttr]
	q.Descending = f.SortDir == "desc" || f.SortDir == "" && q.Sort == fleet.ByLastHandshake
	var err error
	q.Version, err = versionParam("firmwareVersion", f.Version)
	return q, err
}

func (s *server) productDevices() {
	const tag, all, one = "devices", "/v1/products/{product}/devices", "/v1/products/{product}/devices/{device}"
	add(s, route{id: "ListProductDevices", method: http.MethodGet, path: all, summary: "Devices of a product: filter, sort, page", tag: tag, access: needs(fleet.SeeDevice)}, s.listProductDevices)
	add(s, route{id: "UpdateProductDevices", method: http.MethodPut, path: all, summary: "Change many devices: groups, lock, unlock, development", tag: tag, access: needs(fleet.EditDevice),
		example: `{"action":"groups","devices":["lamp-7","lamp-8"],"metadata":{"add":["beta"],"remove":["eu"]}}`}, s.batch)
	add(s, route{id: "GetProductDevice", method: http.MethodGet, path: one, summary: "One device", tag: tag, access: needs(fleet.SeeDevice)},
		func(ctx context.Context, who fleet.Actor, in *DevicePath) (*tagged[Device], error) {
			product, id, err := s.deviceOf(ctx, who, *in)
			if err != nil {
				return nil, err
			}
			v, err := s.Device(ctx, who, product, id)
			return answerTagged(v.Tag, shownDevice(&v), err)
		})
	add(s, route{id: "UpdateProductDevice", method: http.MethodPut, path: one, summary: "Change one device: name, notes, groups, lock, development ...", tag: tag, access: needs(fleet.EditDevice), errors: []int{http.StatusConflict, http.StatusPreconditionFailed}, example: deviceExample},
		func(ctx context.Context, who fleet.Actor, in *struct {
			DevicePath
			Preview
			IfMatch
			Input[DeviceUpdate]
		}) (*tagged[any], error) {
			product, id, err := s.deviceOf(ctx, who, in.DevicePath)
			if err != nil {
				return nil, err
			}
			return s.updateDevice(ctx, who, product, id, in.In, in.seen, in.DryRun)
		})
	add(s, route{id: "DeleteProductDevice", method: http.MethodDelete, path: one, summary: "Remove a device and its credential", tag: tag, access: needs(fleet.DeleteDevice)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			DevicePath
			Preview
		}) (*removed, error) {
			product, id, err := s.deviceOf(ctx, who, in.DevicePath)
			if err != nil {
				return nil, err
			}
			return s.deleteDevice(ctx, who, product, id, in.DryRun)
		})
}

func (s *server) listProductDevices(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	DeviceQuery
	ParticleList
	Pages
}) (*reply[DeviceList], error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return nil, err
	}
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	if q.Skip, q.Limit, err = in.window(); err != nil {
		return nil, err
	}
	q.Product = product.ID
	views, err := s.find(ctx, who, q, in.GroupsQuery)
	if err != nil {
		return nil, err
	}
	return &reply[DeviceList]{DeviceList{
		Devices: shownDevices(views), Customers: []struct{}{},
		Meta: ListMeta{TotalPages: pageCount(views.Total, q.Limit), Page: in.Page, PerPage: q.Limit, Total: views.Total},
	}}, nil
}

// find resolves the names of groups and lists devices. Names that are no group the actor
// sees select nothing.
func (s *server) find(ctx context.Context, who fleet.Actor, q fleet.DeviceQuery, groups GroupsQuery) (fleet.DeviceViews, error) {
	if groups.given && len(groups.names) > 0 {
		ids, err := s.groupIDs(ctx, who, q.Product, groups.names)
		if err != nil {
			return fleet.DeviceViews{}, err
		}
		q.Groups = ids
		if len(ids) == 0 {
			return fleet.DeviceViews{}, nil
		}
	}
	return s.Devices(ctx, who, q)
}

// deviceOf reads the ids of a path. One that can't be a device id names no device.
func (s *server) deviceOf(ctx context.Context, who fleet.Actor, in DevicePath) (fleet.ProductID, fleet.DeviceID, error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return 0, "", err
	}
	id, err := fleet.ParseDeviceID(in.Device)
	if err != nil {
		return 0, "", fleet.Errorf(fleet.NotFound, "no such device: %.140s", in.Device)
	}
	return product.ID, id, nil
}

func shownDevices(views fleet.DeviceViews) []Device {
	devices := make([]Device, 0, len(views.Devices))
	for i := range views.Devices {
		devices = append(devices, shownDevice(&views.Devices[i]))
	}
	return devices
}

// choice is nil for "", else whether text says true.
func choice(text string) *bool {
	if text == "" {
		return nil
	}
	on := text == "true"
	return &on
}

func versionParam(field, text string) (fleet.Version, error) {
	if text == "" {
		return fleet.Version{}, nil
	}
	v, err := fleet.ParseVersion(text)
	if err != nil {
		return v, fleet.FieldErrorf(field, "%s", err)
	}
	return v, nil
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
