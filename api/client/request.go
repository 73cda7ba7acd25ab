package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// maxProblem bounds what is read of an error answer, in bytes.
const maxProblem = 1 << 20

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return call[T](ctx, c, http.MethodGet, path, nil)
}

func post[T any](ctx context.Context, c *Client, path string, in any) (T, error) {
	return call[T](ctx, c, http.MethodPost, path, in)
}

func put[T any](ctx context.Context, c *Client, path string, in any) (T, error) {
	return call[T](ctx, c, http.MethodPut, path, in)
}

// call sends in as JSON, unless it is nil, and decodes the answer.
func call[T any](ctx context.Context, c *Client, method, path string, in any) (out T, err error) {
	answer, err := c.sendJSON(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	return out, decode(answer, &out)
}

// tagged retrieves what is at path, with its ETag.
func tagged[T any](ctx context.Context, c *Client, path string) (out T, tag string, err error) {
	answer, err := c.sendJSON(ctx, http.MethodGet, path, nil)
	if err != nil {
		return out, "", err
	}
	return out, answer.Header.Get("ETag"), decode(answer, &out)
}

// do sends a request whose answer's body does not matter.
func (c *Client) do(ctx context.Context, method, path string, in any) error {
	answer, err := c.sendJSON(ctx, method, path, in)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (c *Client) sendJSON(ctx context.Context, method, path string, in any) (*http.Response, error) {
	if in == nil {
		return c.send(ctx, method, path, "", nil)
	}
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, method, path, "application/json", bytes.NewReader(data))
}

// send returns the answer of a successful request. The caller closes its body.
func (c *Client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fleet.Errorf(fleet.Invalid, "address %q: %w", c.base, err)
	}
	for name, value := range map[string]string{"Content-Type": contentType, "If-Match": c.match} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fleet.Errorf(fleet.Unavailable, "%w", err)
	}
	if answer.StatusCode < http.StatusBadRequest {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, failure(answer)
}

// decode reads a JSON answer into out and closes it.
func decode(answer *http.Response, out any) error {
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("answer to %s %s: %w; is there a Muster server at that address?", answer.Request.Method, answer.Request.URL.Path, err)
	}
	return nil
}

// failure returns the error of an unsuccessful answer.
func failure(answer *http.Response) error {
	var p api.Problem
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxProblem)) // after a broken connection, the part received has to do
	if json.Unmarshal(body, &p) != nil || p.Description == "" {
		first, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		p.Description = strings.TrimSuffix(fmt.Sprintf("the server answered %s: %.200s", answer.Status, first), ": ")
	}
	kind := api.KindOf(answer.StatusCode, p.Code)
	if kind == "" {
		return errors.New(p.Description)
	}
	e := &fleet.Error{Kind: kind, Code: p.Code, Text: p.Description}
	if len(p.Fields) == 1 {
		for field := range p.Fields {
			e.Field = field
		}
	}
	return e
}

// path joins elements below /v1, each escaped.
func path(elements ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, e := range elements {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(e))
	}
	return b.String()
}

// dryRun is the path of a write that changes nothing and answers its impact.
func dryRun(path string) string { return path + "?dry_run=true" }

// query builds a query string. Its methods leave out zero values.
type query map[string]string

func (q query) text(key, value string) query {
	if value != "" {
		q[key] = value
	}
	return q
}

func (q query) number(key string, n int) query {
	if n > 0 {
		q[key] = strconv.Itoa(n)
	}
	return q
}

func (q query) flag(key string, on *bool) query {
	if on != nil {
		q[key] = strconv.FormatBool(*on)
	}
	return q
}

func (q query) moment(key string, t time.Time) query {
	if !t.IsZero() {
		q[key] = t.UTC().Format(time.RFC3339Nano)
	}
	return q
}

// on appends the query to a path.
func (q query) on(path string) string {
	if len(q) == 0 {
		return path
	}
	values := url.Values{}
	for key, value := range q {
		values.Set(key, value)
	}
	return path + "?" + values.Encode()
}
