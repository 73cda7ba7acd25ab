package rest_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
)

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// TestEveryRouteNeedsAToken walks the routes as they are registered, so that a new one
// can't be forgotten.
func TestEveryRouteNeedsAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var public []string
	for _, r := range w.routes() {
		if r.Access.IsPublic() {
			public = append(public, r.ID)
			continue
		}
		for name, header := range map[string]string{"none": "", "wrong": "Bearer nonsense", "no bearer": "Basic Z29vZDpnb29k"} {
			request, err := http.NewRequestWithContext(t.Context(), r.Method, w.server.URL+pathParameter.ReplaceAllString(r.Path, "1"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				request.Header.Set("Authorization", header)
			}
			status, body := w.send(request)
			if status != http.StatusUnauthorized || !strings.Contains(body, `"error":"unauthenticated"`) {
				t.Errorf("%s %s, token %s: got %d %s, want 401", r.Method, r.Path, name, status, body)
			}
		}
	}
	if got, want := strings.Join(public, " "), "CreateToken AcceptInvitation ShowInvitation InvitationPage GetVersion Reference"; got != want {
		t.Errorf("operations without a token: got %s, want %s", got, want)
	}
}

// TestDocumentDescribesEveryRoute reads the OpenAPI document as a client would.
func TestDocumentDescribesEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, body := w.do("GET", "/v1/openapi.json", "", "")
	if status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	var document struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			ID          string                     `json:"operationId"`
			Security    []map[string]any           `json:"security"`
			RequestBody json.RawMessage            `json:"requestBody"`
			Responses   map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("got OpenAPI %s, want 3.1", document.OpenAPI)
	}
	operations := 0
	for _, methods := range document.Paths {
		operations += len(methods)
	}
	if operations != len(w.routes()) {
		t.Errorf("the document has %d operations, %d are in tables", operations, len(w.routes()))
	}
	seen := map[string]bool{}
	for _, r := range w.routes() {
		op, ok := document.Paths[r.Path][strings.ToLower(r.Method)]
		if !ok || op.ID != r.ID || seen[op.ID] {
			t.Errorf("%s %s: got operation %q, want %q once", r.Method, r.Path, op.ID, r.ID)
		}
		seen[op.ID] = true
		if (len(op.Security) == 0) != r.Access.IsPublic() {
			t.Errorf("%s: security %v does not say what is asked", r.ID, op.Security)
		}
		if (r.Method == http.MethodPut || r.ID == "CreateToken") && op.RequestBody == nil {
			t.Errorf("%s: no request body is described", r.ID)
		}
		if op.Responses["422"] == nil {
			t.Errorf("%s: no errors are described", r.ID)
		}
	}
}

// TestEveryBodyHasAnExample checks the fields of each example in the document against the
// schema of its body.
func TestEveryBodyHasAnExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, text := w.do("GET", "/v1/openapi.json", "", "")
	type schema struct {
		Ref        string             `json:"$ref"`
		Type       any                `json:"type"`
		Properties map[string]*schema `json:"properties"`
	}
	var document struct {
		Paths map[string]map[string]struct {
			ID          string `json:"operationId"`
			RequestBody struct {
				Content map[string]struct {
					Schema  schema          `json:"schema"`
					Example json.RawMessage `json:"example"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, r := range w.routes() {
		body, ok := document.Paths[r.Path][strings.ToLower(r.Method)].RequestBody.Content["application/json"]
		if !ok {
			continue
		}
		checked++
		if len(body.Example) == 0 {
			t.Errorf("%s: its body has no example", r.ID)
			continue
		}
		var list []string
		if body.Schema.Type == "array" && json.Unmarshal(body.Example, &list) == nil {
			continue
		}
		var shown map[string]json.RawMessage
		if err := json.Unmarshal(body.Example, &shown); err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		if body.Schema.Ref != "" {
			body.Schema = document.Components.Schemas[body.Schema.Ref[strings.LastIndexByte(body.Schema.Ref, '/')+1:]]
		}
		for name := range shown {
			if body.Schema.Properties[name] == nil {
				t.Errorf("%s: the example has %q, the schema has not", r.ID, name)
			}
		}
	}
	if checked == 0 {
		t.Error("no operation has a body")
	}
}

func TestErrorsOfTheRouterAreJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct {
		method, path string
		status       int
		code         string
	}{
		"unknown path":  {"GET", "/v1/nothing", 404, "not_found"},
		"outside":       {"GET", "/favicon.ico", 404, "not_found"},
		"wrong method":  {"PATCH", "/v1/products", 405, "method_not_allowed"},
		"trailing /":    {"GET", "/v1/products/", 404, "not_found"},
		"no such thing": {"GET", "/v1/products/nope", 404, "not_found"},
		"no device id":  {"GET", "/v1/devices/a%20b", 404, "not_found"},
		"no version":    {"GET", "/v1/products/lamp/firmware/x", 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := w.do(row.method, row.path, "", "")
			var p api.Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || status != row.status || p.Code != row.code || p.Description == "" {
				t.Errorf("got %d %s, want %d %s with a description", status, body, row.status, row.code)
			}
		})
	}
}
