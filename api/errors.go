package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// statuses is the one table from the kind of an error to its HTTP status and to the code
// in the body, which an error's own Code replaces. KindOf reads it backwards.
var statuses = []struct {
	kind   fleet.Kind
	status int
	code   string
}{
	{fleet.Unauthenticated, http.StatusUnauthorized, "unauthenticated"},
	{fleet.Denied, http.StatusForbidden, "denied"},
	{fleet.Disabled, http.StatusForbidden, "disabled"},
	{fleet.NotFound, http.StatusNotFound, "not_found"},
	{fleet.Conflict, http.StatusConflict, "conflict"},
	{fleet.TooLarge, http.StatusRequestEntityTooLarge, "too_large"},
	{fleet.Busy, http.StatusTooManyRequests, "busy"},
	{fleet.Unavailable, http.StatusServiceUnavailable, "unavailable"},
	{fleet.Invalid, http.StatusUnprocessableEntity, "invalid"},
}

// Problem is the body of every answer that is not a success.
type Problem struct {
	Code        string            `json:"error" doc:"A stable code" example:"not_found"`
	Description string            `json:"error_description" doc:"What went wrong and what to do" example:"no such device: lamp-7"`
	Fields      map[string]string `json:"fields,omitempty" doc:"The inputs at fault and what is wrong with each"`

	status int
}

// Error is the description.
func (p *Problem) Error() string { return p.Description }

// GetStatus is the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.status }

// GetHeaders adds what clients need beside the body; huma asks for it.
func (p *Problem) GetHeaders() http.Header {
	switch p.status {
	case http.StatusUnauthorized:
		return http.Header{"Www-Authenticate": {"Bearer"}}
	case http.StatusTooManyRequests:
		return http.Header{"Retry-After": {"10"}}
	case http.StatusServiceUnavailable:
		return http.Header{"Retry-After": {"2"}}
	}
	return nil
}

// problem turns any error into what a client may know of it. An error without a kind is
// our own fault: its text stays in the log.
func problem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	kind := fleet.KindOf(err)
	for _, row := range statuses {
		if row.kind != kind {
			continue
		}
		p := &Problem{Code: row.code, Description: err.Error(), status: row.status}
		var detail *fleet.Error
		if errors.As(err, &detail) {
			if detail.Code != "" {
				p.Code = detail.Code
			}
			if detail.Code == fleet.CodeChanged {
				p.status = http.StatusPreconditionFailed
			}
			if detail.Field != "" {
				field := detail.Field
				if outer, differs := parameters[field]; differs {
					field = outer
				}
				p.Fields = map[string]string{field: detail.Text}
			}
		}
		return p
	}
	return &Problem{Code: "internal", Description: "something went wrong on our side: try again, and look into the server's log", status: http.StatusInternalServerError}
}

// about names the input that err is about: outer, which the rooms behind call inner, or
// can't know of at all where inner is "".
func about(err error, inner, outer string) error {
	var detail *fleet.Error
	if !errors.As(err, &detail) || detail.Field != inner || detail.Kind != fleet.Invalid && detail.Kind != fleet.NotFound {
		return err
	}
	named := *detail
	named.Field = outer
	return &named
}

// parameters are the names of what the rooms behind call otherwise.
var parameters = map[string]string{"after": "pageNextToken", "skip": "page"}

// wrongInput is a request that was read but breaks rules, by field.
func wrongInput(fields map[string]string) *Problem {
	return &Problem{Code: "invalid", Description: "some fields are wrong: " + sentence(fields), Fields: fields, status: http.StatusUnprocessableEntity}
}

// malformed is a request that can't be read at all.
func malformed(text string) *Problem {
	return &Problem{Code: "malformed", Description: text, status: http.StatusBadRequest}
}

func init() {
	huma.NewError = fromHuma // the only hook huma has for its own errors; set once, before any API exists
}

// fromHuma turns an error huma found itself, such as a query parameter that is no
// number, into a Problem.
func fromHuma(status int, text string, causes ...error) huma.StatusError {
	fields := map[string]string{}
	for _, cause := range causes {
		var p *Problem
		if errors.As(cause, &p) {
			return p
		}
		var detail huma.ErrorDetailer
		if errors.As(cause, &detail) {
			d := detail.ErrorDetail()
			fields[strings.TrimPrefix(strings.TrimPrefix(d.Location, "query."), "path.")] = d.Message
		}
	}
	switch {
	case len(fields) > 0:
		return wrongInput(fields)
	case status == http.StatusInternalServerError:
		return problem(errors.New(text))
	}
	return &Problem{Code: codeOf(status), Description: text, status: status}
}

// codeOf is the code of a status that comes without a kind.
func codeOf(status int) string {
	for _, row := range statuses {
		if row.status == status {
			return row.code
		}
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}

// KindOf returns the kind of error that an answer's status and code stand for, or "" for a
// failure of the server itself, which has no kind.
func KindOf(status int, code string) fleet.Kind {
	if code == codeInvalidGrant {
		return fleet.Unauthenticated
	}
	switch status {
	case http.StatusPreconditionFailed:
		return fleet.Conflict
	case http.StatusBadGateway, http.StatusGatewayTimeout: // of a proxy in front of a server that restarts
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
