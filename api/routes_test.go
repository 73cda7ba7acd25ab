package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// TestEveryRouteNeedsAToken walks the routes as they are registered, so that a new one
// can't be forgotten.
func TestEveryRouteNeedsAToken(t *testing.T) {
	s := newServe(t)
	var public []string
	for _, r := range s.routes {
		if r.access.public {
			public = append(public, r.id)
			continue
		}
		for name, header := range map[string]string{"none": "", "wrong": "Bearer nonsense", "no bearer": "Basic Z29vZDpnb29k"} {
			request, err := http.NewRequestWithContext(t.Context(), r.method, s.server.URL+pathParameter.ReplaceAllString(r.path, "1"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				request.Header.Set("Authorization", header)
			}
			status, body := read(t, request)
			if status != http.StatusUnauthorized || !strings.Contains(body, `"error":"unauthenticated"`) {
				t.Errorf("%s %s, token %s: got %d %s, want 401", r.method, r.path, name, status, body)
			}
		}
	}
	if got, want := strings.Join(public, " "), "CreateToken AcceptInvitation InvitationPage GetVersion Reference"; got != want {
		t.Errorf("operations without a token: got %s, want %s", got, want)
	}
}

func TestOperationWithoutAccessIsRefused(t *testing.T) {
	_, s := build(Config{}, &fakeRegistry{}, &fakeOTA{}, nil, nil, nil)
	defer func() {
		if recover() == nil {
			t.Error("an operation that declares no access was registered")
		}
	}()
	add(s, route{id: "Open", method: http.MethodGet, path: "/v1/open"}, s.listProductDevices)
}

// TestDocumentDescribesEveryRoute reads the OpenAPI document as a client would.
func TestDocumentDescribesEveryRoute(t *testing.T) {
	s := newServe(t)
	status, body := s.do(t, "GET", "/v1/openapi.json", "", "")
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
	seen := map[string]bool{}
	for _, r := range s.routes {
		op, ok := document.Paths[r.path][strings.ToLower(r.method)]
		if !ok || op.ID != r.id || seen[op.ID] {
			t.Errorf("%s %s: got operation %q, want %q once", r.method, r.path, op.ID, r.id)
		}
		seen[op.ID] = true
		if (len(op.Security) == 0) != r.access.public {
			t.Errorf("%s: security %v does not say what is asked", r.id, op.Security)
		}
		if (r.method == http.MethodPut || r.id == "CreateToken") && op.RequestBody == nil {
			t.Errorf("%s: no request body is described", r.id)
		}
		if op.Responses["422"] == nil {
			t.Errorf("%s: no errors are described", r.id)
		}
	}
}

// TestEveryBodyHasAnExample holds each example in the document to the fields of its body.
func TestEveryBodyHasAnExample(t *testing.T) {
	s := newServe(t)
	for _, r := range s.routes {
		op := s.built.operation(r)
		if op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
			continue
		}
		if r.example == "" {
			t.Errorf("%s: its body has no example", r.id)
			continue
		}
		schema := op.RequestBody.Content["application/json"].Schema
		var list []string
		if schema.Type == "array" && json.Unmarshal([]byte(r.example), &list) == nil {
			continue
		}
		var shown map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r.example), &shown); err != nil {
			t.Errorf("%s: %v", r.id, err)
			continue
		}
		if schema.Ref != "" {
			schema = s.built.huma.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
		}
		for name := range shown {
			if schema.Properties[name] == nil {
				t.Errorf("%s: the example has %q, the schema has not", r.id, name)
			}
		}
	}
}

func TestErrorsOfTheRouterAreJSON(t *testing.T) {
	s := newServe(t)
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
		"no version":    {"GET", "/v1/products/42/firmware/x", 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := s.do(t, row.method, row.path, "", "")
			var p Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || status != row.status || p.Code != row.code || p.Description == "" {
				t.Errorf("got %d %s, want %d %s with a description", status, body, row.status, row.code)
			}
		})
	}
}
