package route

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// Access defines who may call an operation at all. There is no default: Serve panics on the
// zero Access.
type Access struct {
	declared bool
	public   bool
	action   fleet.Action
}

// Public is the access of operations without a token.
var Public = Access{declared: true, public: true}

// Needs is the access of operations for a signed-in member who may do action. Serve checks
// the part of fleet.May that concerns the team; the function checks the objects.
func Needs(action fleet.Action) Access { return Access{declared: true, action: action} }

// IsPublic reports whether an operation needs no token.
func (a Access) IsPublic() bool { return a.public }

// Route is one operation. Get, Post, Put, Patch and Delete make one.
type Route struct {
	ID      string // operationId in the OpenAPI document
	Method  string
	Path    string
	Summary string
	Access  Access

	tag       string // of its table
	status    int    // of success; 0: 200, or 204 without a body
	errors    []int
	example   string // of a JSON body
	responses func(huma.Registry) map[string]*huma.Response
	register  func(*service, Route) // with its function's types
}

// Table is the routes of one resource.
type Table struct {
	Tag    string // groups operations in the OpenAPI document
	Routes []Route
	// Wrap, unless nil, wraps the handler of all routes.
	Wrap func(http.Handler) http.Handler
}

// Func is what an operation does. who is the zero Actor where the access is Public. Of I,
// huma fills exported and embedded exported fields only, and calls Resolve of I itself or
// else of each embedded field that has one: embed one such field or several at the same
// depth, never one deeper than another.
type Func[I, O any] func(ctx context.Context, who fleet.Actor, in *I) (*O, error)

// Get returns a route for GET.
func Get[I, O any](id, path, summary string, access Access, do Func[I, O]) Route {
	return of(http.MethodGet, id, path, summary, access, do)
}

// Post returns a route for POST.
func Post[I, O any](id, path, summary string, access Access, do Func[I, O]) Route {
	return of(http.MethodPost, id, path, summary, access, do)
}

// Put returns a route for PUT.
func Put[I, O any](id, path, summary string, access Access, do Func[I, O]) Route {
	return of(http.MethodPut, id, path, summary, access, do)
}

// Patch returns a route for PATCH.
func Patch[I, O any](id, path, summary string, access Access, do Func[I, O]) Route {
	return of(http.MethodPatch, id, path, summary, access, do)
}

// Delete returns a route for DELETE.
func Delete[I, O any](id, path, summary string, access Access, do Func[I, O]) Route {
	return of(http.MethodDelete, id, path, summary, access, do)
}

func of[I, O any](method, id, path, summary string, access Access, do Func[I, O]) Route {
	return Route{
		ID: id, Method: method, Path: path, Summary: summary, Access: access,
		register: func(s *service, r Route) { register(s, r, do) },
	}
}

// Created makes 201 the status of success.
func (r Route) Created() Route { r.status = http.StatusCreated; return r }

// Accepted makes 202 the status of success.
func (r Route) Accepted() Route { r.status = http.StatusAccepted; return r }

// Fails documents statuses of errors beyond those that every such route may answer.
func (r Route) Fails(statuses ...int) Route { r.errors = statuses; return r }

// Example documents a JSON body.
func (r Route) Example(body string) Route { r.example = body; return r }

// Responds documents responses by status, in the place of those derived from the function.
func (r Route) Responds(responses func(huma.Registry) map[string]*huma.Response) Route {
	r.responses = responses
	return r
}

// bodyReader is an input that reads the request's body itself.
type bodyReader interface {
	RequestBody(huma.Registry) *huma.RequestBody
}

// register adds an operation to the router and the document. It panics on one that
// declares no access: who may call an operation is never left open.
func register[I, O any](s *service, r Route, do Func[I, O]) {
	if !r.Access.declared {
		panic("route: operation " + r.ID + " declares no access")
	}
	body, _ := any(new(I)).(bodyReader) // nil: it has none
	huma.Register(s.huma, s.describe(r, body), func(ctx context.Context, in *I) (*O, error) {
		who, _ := ctx.Value(actorKey{}).(fleet.Actor)
		if !r.Access.public {
			if err := s.config.Admit(ctx, who, r.Access.action, in); err != nil {
				return nil, s.report(ctx, r.ID, err)
			}
			end, err := s.begin(ctx, who, r)
			if err != nil {
				return nil, s.report(ctx, r.ID, err)
			}
			defer end()
		}
		out, err := do(ctx, who, in)
		if err != nil {
			return nil, s.report(ctx, r.ID, err)
		}
		return out, nil
	})
	schemas := s.huma.OpenAPI().Components.Schemas
	if body != nil { // only now: huma would read a body that it has set up
		described := body.RequestBody(schemas)
		s.operation(r).RequestBody = described
		if kind := described.Content["application/json"]; r.example != "" && kind != nil {
			kind.Example = json.RawMessage(r.example)
		}
	}
	if r.responses != nil {
		for status, response := range r.responses(schemas) {
			s.operation(r).Responses[status] = response
		}
	}
}

// begin notes that who is about to change something by r.
func (s *service) begin(ctx context.Context, who fleet.Actor, r Route) (end func(), err error) {
	if r.Method == http.MethodGet {
		return func() {}, nil
	}
	path, _ := ctx.Value(pathKey{}).(string)
	return s.config.Begin(who, r.ID+" "+path)
}

// describe returns the operation for the router and the document, with what runs before it.
func (s *service) describe(r Route, body bodyReader) huma.Operation {
	op := huma.Operation{
		OperationID: r.ID, Method: r.Method, Path: r.Path, Summary: r.Summary,
		DefaultStatus: r.status, Tags: []string{r.tag},
		Errors: append([]int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable}, r.errors...),
	}
	if body != nil {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if strings.Contains(r.Path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if !r.Access.public {
		op.Security = []map[string][]string{{"bearer": {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		op.Middlewares = huma.Middlewares{s.authenticate}
	}
	op.Middlewares = append(op.Middlewares, s.knownQuery) // after authenticate, so that it reveals nothing without a token
	if r.Method == http.MethodPost && !r.Access.public {
		op.Middlewares = append(op.Middlewares, s.repeatable)
	}
	return op
}

// operation is r in the OpenAPI document.
func (s *service) operation(r Route) *huma.Operation {
	item := s.huma.OpenAPI().Paths[r.Path]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[r.Method]
}
