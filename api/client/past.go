package client

import (
	"context"
	"strconv"

	"github.com/muster-iot/muster/api"
)

// Past retrieves what the fleet of a product did over time.
func (c *Client) Past(ctx context.Context, product string, f api.PastFilter) (api.Past, error) {
	return get[api.Past](ctx, c, pastQuery(f).on(path("products", product, "history")))
}

// GroupPast retrieves what the devices of a product in one group did over time.
func (c *Client) GroupPast(ctx context.Context, product, group string, f api.PastFilter) (api.Past, error) {
	return get[api.Past](ctx, c, pastQuery(f).on(path("products", product, "groups", group, "history")))
}

// TeamPast retrieves what all products of the team did over time, without versions.
func (c *Client) TeamPast(ctx context.Context, f api.PastFilter) (api.Past, error) {
	return get[api.Past](ctx, c, pastQuery(f).on("/v1/team/history"))
}

func pastQuery(f api.PastFilter) query {
	q := query{}.moment("to", f.To)
	if f.Range > 0 {
		q = q.text("range", f.Range.String())
	}
	if f.Step > 0 {
		q = q.text("step", f.Step.String())
	}
	return q
}

// BurnDown retrieves how the devices of a release with a plan stood over time.
func (c *Client) BurnDown(ctx context.Context, product string, release uint32) (api.BurnDown, error) {
	return get[api.BurnDown](ctx, c, path("products", product, "releases", strconv.FormatUint(uint64(release), 10), "history"))
}
