package nrf

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// TagsBody is a list of tags and nothing around it. A tag is a group by nRF Cloud's name.
type TagsBody struct {
	tags *api.Names // nil: none were sent
}

// Resolve reads the body; huma calls it after the parameters.
func (b *TagsBody) Resolve(ctx huma.Context) []error {
	data, err := route.SmallBody(ctx)
	if err != nil {
		return []error{err}
	}
	r, _ := humago.Unwrap(ctx)
	if !route.IsJSON(r) {
		return []error{route.Unsupported(r, "application/json")}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil // the operation rejects that
	}
	if !json.Valid(data) {
		return []error{route.Malformed("the body is not well-formed JSON: send a list of tags")}
	}
	var body struct {
		Tags *[]string `json:"tags"`
	}
	faults := map[string]string{}
	route.DecodeObject(slices.Concat([]byte(`{"tags":`), data, []byte("}")), reflect.ValueOf(&body).Elem(), "", faults)
	if len(faults) > 0 {
		return []error{route.WrongInput(faults)}
	}
	b.tags = (*api.Names)(body.Tags)
	return nil
}

// RequestBody describes the body in the document.
func (b *TagsBody) RequestBody(r huma.Registry) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: r.Schema(reflect.TypeFor[string](), true, "")}},
	}}
}

func (n *adapter) listTags(ctx context.Context, who fleet.Actor, in *struct{ route.Cursors }) (*route.Reply[api.Page[string]], error) {
	groups, err := n.Registry.Groups(ctx, who, 0)
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
		return route.Answer(api.PageOf(names, ""), nil)
	}
	names = names[:in.PageLimit]
	return route.Answer(api.PageOf(names, names[in.PageLimit-1]), nil)
}

func (n *adapter) updateTags(ctx context.Context, who fleet.Actor, in *struct {
	rest.TeamDevicePath
	rest.Preview
	route.IfMatch
	TagsBody
}) (*route.Tagged[any], error) {
	if in.tags == nil {
		return nil, fleet.FieldErrorf("tags", "expected a list of tags: send [] to take the device out of all groups")
	}
	return n.UpdateDevice(ctx, who, in.Target(), api.DeviceUpdate{Groups: api.Some(*in.tags)}, in.IfMatch, in.Preview)
}
