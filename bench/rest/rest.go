// Package rest calls Muster for bench: against any version of the server under test, so that
// old and new binaries are measured the same way; it therefore does not use api/client.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"time"
)

// Client calls the few operations of Muster's REST API that prepare a benchmark.
type Client struct {
	Base  string // http://host:port
	HTTP  *http.Client
	token string
}

// Timeout bounds one request; an import hashes a thousand secrets.
const Timeout = 2 * time.Minute

// New returns a client of the server at address, host:port.
func New(address string) *Client {
	return &Client{Base: "http://" + address, HTTP: &http.Client{Timeout: Timeout}}
}

// SignIn makes the calls that follow those of a user.
func (r *Client) SignIn(ctx context.Context, email, password string) error {
	in := map[string]string{"grant_type": "password", "username": email, "password": password}
	var out struct {
		Token string `json:"access_token"`
	}
	if err := r.Call(ctx, http.MethodPost, "/oauth/token", in, &out); err != nil {
		return err
	}
	r.token = out.Token
	return nil
}

// CreateProduct creates a product.
func (r *Client) CreateProduct(ctx context.Context, slug string) error {
	return r.Call(ctx, http.MethodPost, "/v1/products", map[string]string{"name": slug, "slug": slug}, nil)
}

const importBatch = 1000 // devices per request

// Import adds ids to product, as members of groups, and returns their secrets in the same
// order.
func (r *Client) Import(ctx context.Context, product string, ids []string, groups ...string) ([]string, error) {
	secrets := make([]string, 0, len(ids))
	for batch := range slices.Chunk(ids, importBatch) {
		var out struct {
			Secrets map[string]string `json:"secrets"`
		}
		in := map[string][]string{"ids": batch, "groups": append([]string{}, groups...)}
		if err := r.Call(ctx, http.MethodPost, "/v1/products/"+product+"/devices", in, &out); err != nil {
			return nil, err
		}
		for _, id := range batch {
			secret, ok := out.Secrets[id]
			if !ok {
				return nil, fmt.Errorf("import: no secret for %s", id)
			}
			secrets = append(secrets, secret)
		}
	}
	return secrets, nil
}

// Upload adds image as a version of product.
func (r *Client) Upload(ctx context.Context, product, version string, image []byte) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "firmware.bin")
	if err != nil {
		return err
	}
	if _, err := file.Write(image); err != nil {
		return err
	}
	for _, field := range [][2]string{{"version", version}, {"title", "bench " + version}} {
		if err := form.WriteField(field[0], field[1]); err != nil {
			return err
		}
	}
	if err := form.Close(); err != nil {
		return err
	}
	return r.Send(ctx, http.MethodPost, "/v1/products/"+product+"/firmware", form.FormDataContentType(), &body, nil)
}

// Release makes version the default of product.
func (r *Client) Release(ctx context.Context, product, version string) error {
	in := map[string]any{"version": version, "product_default": true}
	return r.Call(ctx, http.MethodPut, "/v1/products/"+product+"/firmware/release", in, nil)
}

// Ready reports whether the server is ready.
func (r *Client) Ready(ctx context.Context) bool {
	return r.Send(ctx, http.MethodGet, "/readyz", "", nil, nil) == nil
}

// Metrics returns the server's /metrics as text.
func (r *Client) Metrics(ctx context.Context) ([]byte, error) {
	var text []byte
	err := r.Send(ctx, http.MethodGet, "/metrics", "", nil, &text)
	return text, err
}

// Call sends in as JSON; out is as for Send.
func (r *Client) Call(ctx context.Context, method, path string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return r.Send(ctx, method, path, "application/json", bytes.NewReader(data), out)
}

// Send makes one request. out takes the JSON of the answer, or its bytes when it is a
// *[]byte, or nothing when it is nil.
func (r *Client) Send(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, r.Base+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	response, err := r.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, path, err)
	case response.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s %s: %s: %.500s", method, path, response.Status, data)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = data
		return nil
	default:
		return json.Unmarshal(data, out)
	}
}
