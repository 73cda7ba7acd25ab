package client

import (
	"context"
	"strconv"

	"github.com/muster-iot/muster/api"
)

// Releases retrieves the releases with a plan of a product, newest first.
func (c *Client) Releases(ctx context.Context, product string) ([]api.StagedRelease, error) {
	return get[[]api.StagedRelease](ctx, c, path("products", product, "releases"))
}

// OneRelease retrieves one release with a plan.
func (c *Client) OneRelease(ctx context.Context, product string, id uint32) (api.StagedRelease, error) {
	return get[api.StagedRelease](ctx, c, path("products", product, "releases", strconv.FormatUint(uint64(id), 10)))
}

// ActOnRelease approves, pauses, resumes, halts, reverts or finishes a release with a plan.
func (c *Client) ActOnRelease(ctx context.Context, product string, id uint32, action string) (api.StagedRelease, error) {
	return post[api.StagedRelease](ctx, c, path("products", product, "releases", strconv.FormatUint(uint64(id), 10), "actions"), api.ReleaseAction{Action: action})
}

// RehearseRelease runs a release on a copy of the fleet, in a time of its own. It changes nothing.
func (c *Client) RehearseRelease(ctx context.Context, product string, r api.Rehearse) (api.Rehearsal, error) {
	return post[api.Rehearsal](ctx, c, path("products", product, "firmware", "rehearsal"), r)
}
