package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// access says who may call an operation at all. There is no default: the zero access is
// refused when the operation is registered.
type access struct {
	declared bool
	public   bool
	action   fleet.Action
}

// public is for operations that need no token.
var public = access{declared: true, public: true}

// needs is for operations of a signed-in member who may do action; the operation's own
// code asks fleet.May about the very object.
func needs(action fleet.Action) access { return access{declared: true, action: action} }

// route declares one operation.
type route struct {
	id      string // operationId
	method  string
	path    string
	summary string
	access  access
	status  int // of success; 0: 200, or 204 without a body
	errors  []int
	tag     string
	example string // of a JSON body
}

// reply is an answer with a body.
type reply[T any] struct{ Body T }

// none is an answer without a body: 204.
type none struct{}

func answer[T any](body T, err error) (*reply[T], error) {
	if err != nil {
		return nil, err
	}
	return &reply[T]{body}, nil
}

// add registers an operation. It panics on one that declares no access: who may call an
// operation is never left open. Of I, huma fills exported and embedded exported fields
// only, and calls Resolve of I itself or else of each embedded field that has one: embed
// one such field or several at the same depth, never one deeper than another.
func add[I, O any](s *server, r route, handle func(ctx context.Context, who fleet.Actor, in *I) (*O, error)) {
	if !r.access.declared {
		panic("api: operation " + r.id + " declares no access")
	}
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary,
		DefaultStatus: r.status, Tags: []string{r.tag},
		Errors: append([]int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable}, r.errors...),
	}
	reader, readsBody := any(new(I)).(interface {
		requestBody(huma.Registry) *huma.RequestBody
	})
	if readsBody {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if strings.Contains(r.path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if !r.access.public {
		op.Security = []map[string][]string{{"bearer": {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		op.Middlewares = huma.Middlewares{s.authenticate}
	}
	op.Middlewares = append(op.Middlewares, s.knownQuery) // after authenticate: a stranger learns nothing
	if r.method == http.MethodPost && !r.access.public {
		op.Middlewares = append(op.Middlewares, s.repeatable)
	}
	s.routes = append(s.routes, r)
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		who, _ := ctx.Value(actorKey{}).(fleet.Actor)
		out, err := handle(ctx, who, in)
		if err != nil {
			return nil, s.told(ctx, r.id, err)
		}
		return out, nil
	})
	if readsBody { // only now: huma would read a body it knows of itself
		body := reader.requestBody(s.huma.OpenAPI().Components.Schemas)
		s.operation(r).RequestBody = body
		if kind := body.Content["application/json"]; r.example != "" && kind != nil {
			kind.Example = json.RawMessage(r.example)
		}
	}
}

// operation is r in the OpenAPI document.
func (s *server) operation(r route) *huma.Operation {
	item := s.huma.OpenAPI().Paths[r.path]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[r.method]
}

// told makes err fit to be sent and logs what its Problem hides.
func (s *server) told(ctx context.Context, operation string, err error) error {
	p := problem(err)
	if p.status >= http.StatusInternalServerError {
		s.log.LogAttrs(ctx, slog.LevelError, "request failed", slog.String("operation", operation), slog.Any("err", err))
	}
	return p
}

type actorKey struct{}

// authenticate lets a request with a valid bearer token through, with its actor. Rights
// are read anew for each request.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	who, err := s.actor(ctx.Context(), ctx.Header("Authorization"))
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	next(huma.WithValue(ctx, actorKey{}, who))
}

func (s *server) actor(ctx context.Context, header string) (fleet.Actor, error) {
	secret := bearer(header)
	if secret == "" {
		return fleet.Actor{}, fleet.Errorf(fleet.Unauthenticated, "send a token in the header Authorization: Bearer ...; POST /oauth/token gives one")
	}
	return s.Actor(ctx, secret)
}

// bearer is the token of an Authorization header, "" when there is none.
func bearer(header string) string {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}
