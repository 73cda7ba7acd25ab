package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"
)

// rest speaks to Muster's REST API: the few operations that set the scene.
type rest struct {
	base   string // http://host:port
	token  string
	client *http.Client
}

const restTimeout = 2 * time.Minute // one request; an import hashes a thousand secrets

func newRest(address string) *rest {
	return &rest{base: "http://" + address, client: &http.Client{Timeout: restTimeout}}
}

func (r *rest) signIn(ctx context.Context, email, password string) error {
	in := map[string]string{"grant_type": "password", "username": email, "password": password}
	var out struct {
		Token string `json:"access_token"`
	}
	if err := r.call(ctx, http.MethodPost, "/oauth/token", in, &out); err != nil {
		return err
	}
	r.token = out.Token
	return nil
}

func (r *rest) createProduct(ctx context.Context, slug string) error {
	return r.call(ctx, http.MethodPost, "/v1/products", map[string]string{"name": slug, "slug": slug}, nil)
}

const importBatch = 1000 // devices per request

// importDevices adds ids to product, as members of groups, and returns them with their
// secrets.
func (r *rest) importDevices(ctx context.Context, product string, ids []string, groups ...string) ([]identity, error) {
	devices := make([]identity, 0, len(ids))
	for from := 0; from < len(ids); from += importBatch {
		batch := ids[from:min(from+importBatch, len(ids))]
		var out struct {
			Secrets map[string]string `json:"secrets"`
		}
		if err := r.call(ctx, http.MethodPost, "/v1/products/"+product+"/devices", map[string][]string{"ids": batch, "groups": append([]string{}, groups...)}, &out); err != nil {
			return nil, err
		}
		for _, id := range batch {
			secret, ok := out.Secrets[id]
			if !ok {
				return nil, fmt.Errorf("import: no secret for %s", id)
			}
			devices = append(devices, identity{id: id, password: secret})
		}
	}
	return devices, nil
}

// upload adds image as a version of product.
func (r *rest) upload(ctx context.Context, product, version string, image []byte) error {
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
	return r.send(ctx, http.MethodPost, "/v1/products/"+product+"/firmware", form.FormDataContentType(), &body, nil)
}

// release makes version the default of product.
func (r *rest) release(ctx context.Context, product, version string) error {
	in := map[string]any{"version": version, "product_default": true}
	return r.call(ctx, http.MethodPut, "/v1/products/"+product+"/firmware/release", in, nil)
}

// ready reports whether the server says that it is.
func (r *rest) ready(ctx context.Context) bool {
	return r.send(ctx, http.MethodGet, "/readyz", "", nil, nil) == nil
}

// metrics returns the server's /metrics as text.
func (r *rest) metrics(ctx context.Context) ([]byte, error) {
	var text []byte
	err := r.send(ctx, http.MethodGet, "/metrics", "", nil, &text)
	return text, err
}

func (r *rest) call(ctx context.Context, method, path string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return r.send(ctx, method, path, "application/json", bytes.NewReader(data), out)
}

// send makes one request. out takes the JSON of the answer, or its bytes when it is a
// *[]byte, or nothing when it is nil.
func (r *rest) send(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	response, err := r.client.Do(request)
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
