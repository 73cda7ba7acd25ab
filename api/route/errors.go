package route

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// About returns err with outer as the input at fault, if the domain reports it as inner;
// "" stands for an error without an input.
func About(err error, inner, outer string) error {
	var detail *fleet.Error
	if !errors.As(err, &detail) || detail.Field != inner || detail.Kind != fleet.Invalid && detail.Kind != fleet.NotFound {
		return err
	}
	named := *detail
	named.Field = outer
	return &named
}

// Limits of the faults that one answer names: a short request must not have a long answer.
const (
	maxFaults    = 10
	maxFaultName = 100  // bytes
	maxFaultText = 1000 // bytes
)

// WrongInput is the error of a request with invalid fields. It names some of many.
func WrongInput(fields map[string]string) *api.Problem {
	named := make(map[string]string, min(len(fields), maxFaults))
	for _, field := range slices.Sorted(maps.Keys(fields))[:min(len(fields), maxFaults)] {
		named[shortened(field, maxFaultName)] = shortened(fields[field], maxFaultText)
	}
	text := "some fields are wrong: " + sentence(named)
	if len(fields) > maxFaults {
		text += "; and others"
	}
	return &api.Problem{Code: "invalid", Description: text, Fields: named, Status: http.StatusUnprocessableEntity}
}

// shortened is text as UTF-8, with an ellipsis where it had more bytes than limit.
func shortened(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

// Malformed is the error of a request that can't be parsed.
func Malformed(text string) *api.Problem {
	return &api.Problem{Code: "malformed", Description: text, Status: http.StatusBadRequest}
}

func init() {
	huma.NewError = fromHuma // the only hook huma has for its own errors; set once, before any API exists
}

// fromHuma turns an error of huma's, such as a query parameter that should be a number,
// into a Problem.
func fromHuma(status int, text string, causes ...error) huma.StatusError {
	fields := map[string]string{}
	for _, cause := range causes {
		var p *api.Problem
		var ours *fleet.Error
		if errors.As(cause, &p) || errors.As(cause, &ours) {
			return api.ProblemOf(cause)
		}
		var detail huma.ErrorDetailer
		if errors.As(cause, &detail) {
			d := detail.ErrorDetail()
			fields[strings.TrimPrefix(strings.TrimPrefix(d.Location, "query."), "path.")] = d.Message
		}
	}
	switch {
	case len(fields) > 0:
		return WrongInput(fields)
	case status == http.StatusInternalServerError:
		return api.ProblemOf(errors.New(text))
	}
	return &api.Problem{Code: codeOf(status), Description: text, Status: status}
}

// codeOf returns the code of a status without a kind.
func codeOf(status int) string {
	for _, row := range api.Statuses {
		if row.Status == status {
			return row.Code
		}
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}

// refuse answers err instead of the operation.
func (s *service) refuse(ctx huma.Context, err error) {
	p := s.report(ctx.Context(), ctx.Operation().OperationID, err)
	for name, values := range p.GetHeaders() {
		ctx.SetHeader(name, values[0])
	}
	_ = huma.WriteErr(s.huma, ctx, p.Status, p.Description, p) // the client has gone
}

// Report returns what a client may see of err, and logs what that hides.
func Report(ctx context.Context, log *slog.Logger, operation string, err error) *api.Problem {
	p := api.ProblemOf(err)
	level := slog.LevelError
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusInsufficientStorage { // that the store can't be used, or the disk is full, is logged once
		level = slog.LevelDebug
	}
	if p.Status >= http.StatusInternalServerError {
		log.LogAttrs(ctx, level, "request failed", slog.String("operation", operation), slog.Any("err", err))
	}
	return p
}

func (s *service) report(ctx context.Context, operation string, err error) *api.Problem {
	return Report(ctx, s.config.Log, operation, err)
}

// sentence is "field: text" for each field, in order.
func sentence(fields map[string]string) string {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if strings.HasPrefix(fields[field], field) {
			parts = append(parts, fields[field])
		} else {
			parts = append(parts, field+": "+fields[field])
		}
	}
	return strings.Join(parts, "; ")
}
