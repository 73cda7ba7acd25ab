package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Client calls the API of one server with one token. It may be used concurrently. Its
// methods return errors of fleet's kinds as the server gave them, with the server's
// description as their text, and fleet.Unavailable where the server can't be reached.
type Client struct {
	base  string
	token string
	seen  string // ETag that edits depend on; "": they don't
	http  *http.Client
}

// NewClient makes a client of the server at base, such as "http://127.0.0.1:8080", that
// carries token. Calls end with their context: the client sets no time limit of its own.
func NewClient(base, token string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{}}
}

// If is a client whose edits fail with fleet.Conflict, fleet.CodeChanged, where what they
// change is not what tag came with any more. An empty tag matches all.
func (c *Client) If(tag string) *Client {
	conditional := *c
	conditional.seen = tag
	return &conditional
}

// SignIn makes a token by password, for the user's oldest team, and a client with it. A
// wrong proof is fleet.Unauthenticated.
func SignIn(ctx context.Context, base, email, password string) (*Client, Token, error) {
	return Authorize(ctx, base, TokenRequest{GrantType: "password", Username: email, Password: password})
}

// Authorize is SignIn with all that a TokenRequest may say: which team, and for how long.
func Authorize(ctx context.Context, base string, r TokenRequest) (*Client, Token, error) {
	c := NewClient(base, "")
	var t Token
	err := c.call(ctx, http.MethodPost, "/oauth/token", r, &t)
	if err != nil {
		return nil, t, err
	}
	c.token = t.AccessToken
	return c, t, nil
}

// SignOut ends the client's token.
func (c *Client) SignOut(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/v1/access_tokens/current", nil, nil)
}

// ChangePassword gives the client's user another password. Their tokens end, in every
// team, but the client's own.
func (c *Client) ChangePassword(ctx context.Context, current, password string) error {
	return c.call(ctx, http.MethodPut, "/v1/user", UserUpdates{Password: password, Current: current}, nil)
}

// Account is who the token's holder is.
func (c *Client) Account(ctx context.Context) (a Account, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/account", nil, &a)
	return a, err
}

// Server says what serves.
func (c *Client) Server(ctx context.Context) (s System, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/version", nil, &s)
	return s, err
}

// Products are all products of the team.
func (c *Client) Products(ctx context.Context) ([]Product, error) {
	var out ProductList
	err := c.call(ctx, http.MethodGet, "/v1/products", nil, &out)
	return out.Products, err
}

// Product is one, by id or slug.
func (c *Client) Product(ctx context.Context, product string) (Product, error) {
	var out OneProduct
	err := c.call(ctx, http.MethodGet, path("products", product), nil, &out)
	return out.Product, err
}

// EditProduct changes a product; absent fields stay as they are.
func (c *Client) EditProduct(ctx context.Context, product string, fields ProductFields) (Product, error) {
	var out OneProduct
	err := c.call(ctx, http.MethodPut, path("products", product), fields, &out)
	return out.Product, err
}

// DeleteProduct deletes a product that has no devices any more, with its firmware.
func (c *Client) DeleteProduct(ctx context.Context, product string) error {
	return c.call(ctx, http.MethodDelete, path("products", product), nil, nil)
}

// CreateProduct makes a product; an empty slug is made from the name.
func (c *Client) CreateProduct(ctx context.Context, name, slug string) (Product, error) {
	fields := ProductFields{Name: &name}
	if slug != "" {
		fields.Slug = &slug
	}
	var out OneProduct
	err := c.call(ctx, http.MethodPost, "/v1/products", fields, &out)
	return out.Product, err
}

// path joins elements below /v1, escaped.
func path(elements ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, e := range elements {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(e))
	}
	return b.String()
}

// call sends in as JSON, where it is not nil, and reads the answer into out, where that
// is not nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	return c.exchange(ctx, method, path, "application/json", body, out)
}

// tagged reads what is at path into out, and returns its ETag.
func (c *Client) tagged(ctx context.Context, path string, out any) (tag string, err error) {
	answer, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return "", err
	}
	return answer.Header.Get("ETag"), readAnswer(answer, out)
}

// exchange sends body and reads the answer into out, where that is not nil.
func (c *Client) exchange(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	answer, err := c.send(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	return readAnswer(answer, out)
}

// readAnswer reads an answer into out, where that is not nil, and closes it.
func readAnswer(answer *http.Response, out any) error {
	defer answer.Body.Close()
	if out == nil || answer.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("answer to %s %s: %w; is that address a Muster server's?", answer.Request.Method, answer.Request.URL.Path, err)
	}
	return nil
}

// send returns the answer of a success, whose body the caller closes.
func (c *Client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fleet.Errorf(fleet.Invalid, "address %q: %w", c.base, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.seen != "" {
		request.Header.Set("If-Match", c.seen)
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

// failure is the error of an answer that is no success: statuses read backwards.
func failure(answer *http.Response) error {
	var p Problem
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxBody)) // what came before it broke is all there is to tell
	if json.Unmarshal(body, &p) != nil || p.Description == "" {
		first, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		p.Description = strings.TrimSuffix(fmt.Sprintf("the server answered %s: %.200s", answer.Status, first), ": ")
	}
	e := &fleet.Error{Kind: kindOf(answer.StatusCode, p.Code), Code: p.Code, Text: p.Description}
	if len(p.Fields) == 1 {
		for field := range p.Fields {
			e.Field = field
		}
	}
	if e.Kind == "" {
		return errors.New(p.Description)
	}
	return e
}

// kindOf finds the kind by its code, or else by the status alone; "" for a failure of
// the server that has no kind.
func kindOf(status int, code string) fleet.Kind {
	if code == codeInvalidGrant {
		return fleet.Unauthenticated
	}
	switch status {
	case http.StatusPreconditionFailed:
		return fleet.Conflict
	case http.StatusBadGateway, http.StatusGatewayTimeout: // a proxy's word for a server that restarts
		return fleet.Unavailable
	}
	for _, row := range statuses {
		if row.status == status && row.code == code {
			return row.kind
		}
	}
	for _, row := range statuses {
		if row.status == status {
			return row.kind
		}
	}
	if status >= http.StatusInternalServerError {
		return ""
	}
	return fleet.Invalid
}
