package api

import (
	"errors"
	"net/http"

	"github.com/muster-iot/muster/fleet"
)

// Statuses is the one table from the kind of an error to its HTTP status and to the code
// in the body, which an error's own Code replaces. KindOf reads it backwards.
var Statuses = []struct {
	Kind   fleet.Kind
	Status int
	Code   string
}{
	{fleet.Unauthenticated, http.StatusUnauthorized, "unauthenticated"},
	{fleet.Denied, http.StatusForbidden, "denied"},
	{fleet.Disabled, http.StatusForbidden, "disabled"},
	{fleet.NotFound, http.StatusNotFound, "not_found"},
	{fleet.Conflict, http.StatusConflict, "conflict"},
	{fleet.TooLarge, http.StatusRequestEntityTooLarge, "too_large"},
	{fleet.Busy, http.StatusTooManyRequests, "busy"},
	{fleet.Unavailable, http.StatusServiceUnavailable, "unavailable"},
	{fleet.NoSpace, http.StatusInsufficientStorage, "insufficient_storage"},
	{fleet.Invalid, http.StatusUnprocessableEntity, "invalid"},
}

// Problem is the body of every error answer.
type Problem struct {
	Code        string            `json:"error" doc:"A stable code" example:"not_found"`
	Description string            `json:"error_description" doc:"What went wrong and what to do" example:"no such device: lamp-7"`
	Fields      map[string]string `json:"fields,omitempty" doc:"The inputs at fault and what is wrong with each"`

	Status int `json:"-"` // HTTP status
}

// Error returns the description.
func (p *Problem) Error() string { return p.Description }

// GetStatus returns the HTTP status; huma calls it.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns headers that clients need in addition to the body; huma calls it.
func (p *Problem) GetHeaders() http.Header {
	switch p.Status {
	case http.StatusUnauthorized:
		return http.Header{"Www-Authenticate": {"Bearer"}}
	case http.StatusTooManyRequests:
		return http.Header{"Retry-After": {"10"}}
	case http.StatusServiceUnavailable:
		return http.Header{"Retry-After": {"2"}}
	}
	return nil
}

// ProblemOf returns what a client may see of an error. The text of an error without a kind,
// which is a fault of the server, belongs in the log.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	kind := fleet.KindOf(err)
	for _, row := range Statuses {
		if row.Kind != kind {
			continue
		}
		p := &Problem{Code: row.Code, Description: err.Error(), Status: row.Status}
		var detail *fleet.Error
		if errors.As(err, &detail) {
			if detail.Code != "" {
				p.Code = detail.Code
			}
			if detail.Code == fleet.CodeChanged {
				p.Status = http.StatusPreconditionFailed
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
	return &Problem{
		Code: "internal", Description: "an error in the server: try again, and see the server's log", Status: http.StatusInternalServerError,
	}
}

// parameters are the API's names of fields that have other names in the domain.
var parameters = map[string]string{"after": "pageNextToken", "skip": "page"}

// KindOf returns the kind of error that an answer's status and code stand for, or "" for a
// failure of the server itself, which has no kind.
func KindOf(status int, code string) fleet.Kind {
	if code == CodeInvalidGrant {
		return fleet.Unauthenticated
	}
	switch status {
	case http.StatusPreconditionFailed:
		return fleet.Conflict
	case http.StatusBadGateway, http.StatusGatewayTimeout: // from a proxy in front of a server that restarts
		return fleet.Unavailable
	}
	for _, row := range Statuses {
		if row.Status == status && row.Code == code {
			return row.Kind
		}
	}
	for _, row := range Statuses {
		if row.Status == status {
			return row.Kind
		}
	}
	if status >= http.StatusInternalServerError {
		return ""
	}
	return fleet.Invalid
}

// CodeInvalidGrant is OAuth's code for a wrong password; its status is 400 (RFC 6749 §5.2).
const CodeInvalidGrant = "invalid_grant"
