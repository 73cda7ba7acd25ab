package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/fleet"
)

// TagsBody is a list of tags and nothing around it. A tag is a group by nRF Cloud's name.
type TagsBody struct {
	tags *Names // nil: none were sent
}

// Resolve reads the body; huma calls it after the parameters.
func (b *TagsBody) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	data, err := smallBody(r, w)
	if err != nil {
		return []error{err}
	}
	if !isJSON(r) {
		return []error{unsupported(r, "application/json")}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil // which the operation refuses
	}
	if !json.Valid(data) {
		return []error{malformed("the body is not well-formed JSON: send a list of tags")}
	}
	var body struct {
		Tags *[]string `json:"tags"`
	}
	faults := map[string]string{}
	decodeObject(slices.Concat([]byte(`{"tags":`), data, []byte("}")), reflect.ValueOf(&body).Elem(), "", faults)
	if len(faults) > 0 {
		return []error{wrongInput(faults)}
	}
	b.tags = (*Names)(body.Tags)
	return nil
}

func (b *TagsBody) requestBody(r huma.Registry) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: r.Schema(typeOf[string](), true, "")}},
	}}
}

func (s *server) tags() {
	const tag = "team devices"
	add(s, route{id: "ListDeviceTags", method: http.MethodGet, path: "/v1/devices/tags", summary: "Tags of the team's devices: the names of its groups", tag: tag, access: needs(fleet.SeeGroup)},
		func(ctx context.Context, who fleet.Actor, in *struct{ Cursors }) (*reply[Page[string]], error) {
			groups, err := s.Groups(ctx, who, 0)
			if err != nil {
				return nil, err
			}
			names := make([]string, 0, len(groups)) // sorted, as groups are
			for _, g := range groups {
				if g.Name > in.PageNextToken {
					names = append(names, g.Name)
				}
			}
			if len(names) <= in.PageLimit {
				return answer(page(names, ""), nil)
			}
			names = names[:in.PageLimit]
			return answer(page(names, names[in.PageLimit-1]), nil)
		})
	add(s, route{id: "UpdateDeviceTags", method: http.MethodPut, path: "/v1/devices/{device}/tags", summary: "Put a device into these groups and out of all others", tag: tag, status: http.StatusAccepted, access: needs(fleet.AssignGroups), errors: []int{http.StatusConflict, http.StatusPreconditionFailed}, example: `["beta"]`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			Preview
			IfMatch
			TagsBody
		}) (*tagged[any], error) {
			id, err := in.id()
			if err != nil {
				return nil, err
			}
			if in.tags == nil {
				return nil, fleet.FieldErrorf("tags", "expected a list of tags: send [] to take the device out of all groups")
			}
			return s.updateDevice(ctx, who, 0, id, DeviceUpdate{Groups: Some(*in.tags)}, in.seen, in.DryRun)
		})
}
