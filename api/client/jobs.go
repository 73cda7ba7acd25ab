package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/muster-iot/muster/api"
)

// StartJob changes many devices of a product in the background.
func (c *Client) StartJob(ctx context.Context, product string, j api.NewJob) (api.Job, error) {
	out, err := post[api.StartedJob](ctx, c, path("products", product, "jobs"), j)
	if err != nil || out.Job == nil {
		return api.Job{}, err
	}
	return *out.Job, nil
}

// PreviewJob returns what StartJob would do.
func (c *Client) PreviewJob(ctx context.Context, product string, j api.NewJob) (api.JobImpact, error) {
	out, err := post[api.StartedJob](ctx, c, dryRun(path("products", product, "jobs")), j)
	if err != nil || out.Impact == nil {
		return api.JobImpact{}, err
	}
	return *out.Impact, nil
}

// Jobs retrieves the latest jobs, newest first.
func (c *Client) Jobs(ctx context.Context) ([]api.Job, error) {
	out, err := get[api.Page[api.Job]](ctx, c, "/v1/jobs")
	return out.Items, err
}

// Job retrieves one job, with the first devices that it skipped or could not do.
func (c *Client) Job(ctx context.Context, number uint32) (api.Job, error) {
	return get[api.Job](ctx, c, path("jobs", numberText(number)))
}

// CancelJob ends a job. The devices it has not come to are left as they are.
func (c *Client) CancelJob(ctx context.Context, number uint32) (api.Job, error) {
	return post[api.Job](ctx, c, path("jobs", numberText(number), "cancel"), nil)
}

func numberText(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// SavedFilters retrieves the saved filters of a product's devices, by name.
func (c *Client) SavedFilters(ctx context.Context, product string) ([]api.SavedFilter, error) {
	out, err := get[api.Page[api.SavedFilter]](ctx, c, path("products", product, "filters"))
	return out.Items, err
}

// SaveFilter saves a filter, in the place of one with that name.
func (c *Client) SaveFilter(ctx context.Context, product, name, query string) (api.SavedFilter, error) {
	return put[api.SavedFilter](ctx, c, path("products", product, "filters", name), api.FilterFields{Query: query})
}

// DeleteFilter deletes a saved filter.
func (c *Client) DeleteFilter(ctx context.Context, product, name string) error {
	return c.do(ctx, http.MethodDelete, path("products", product, "filters", name), nil)
}
