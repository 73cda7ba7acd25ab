package console

import (
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muster-iot/muster/fleet"
)

// statuses is the HTTP status of each kind of error.
var statuses = map[fleet.Kind]int{
	fleet.Unauthenticated: http.StatusUnauthorized,
	fleet.Denied:          http.StatusForbidden,
	fleet.Disabled:        http.StatusForbidden,
	fleet.NotFound:        http.StatusNotFound,
	fleet.Conflict:        http.StatusConflict,
	fleet.TooLarge:        http.StatusRequestEntityTooLarge,
	fleet.Busy:            http.StatusTooManyRequests,
	fleet.Unavailable:     http.StatusServiceUnavailable,
	fleet.Invalid:         http.StatusUnprocessableEntity,
}

// status returns err's HTTP status: 500 for an error without a kind.
func status(err error) int {
	if code, known := statuses[fleet.KindOf(err)]; known {
		return code
	}
	return http.StatusInternalServerError
}

// sentence returns err as a sentence. The text of an error without a kind appears in the log
// only.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	if status(err) == http.StatusInternalServerError {
		return "Something went wrong on the server. Try again, and check the server's log."
	}
	text := err.Error()
	var detail *fleet.Error
	if errors.As(err, &detail) && detail.Text != "" {
		text = detail.Text
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// problem is an error and the field of the form that caused it, if any.
type problem struct{ Text, Field string }

func field(err error) string {
	var detail *fleet.Error
	if errors.As(err, &detail) {
		return detail.Field
	}
	return ""
}

// fail answers with err: as a fragment for htmx, or as a page.
func (v *visit) fail(err error) {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		err = fleet.Errorf(fleet.TooLarge, "that is too long: the limit is %d bytes", long.Limit)
	}
	code := status(err)
	if code == http.StatusInternalServerError {
		v.log.Error("console", "path", v.r.URL.Path, "err", err)
	}
	if v.fragment() {
		v.code = code
		if err := v.part("problem", problem{sentence(err), field(err)}); err != nil {
			v.log.Error("console", "path", v.r.URL.Path, "err", err)
		}
		return
	}
	if code == http.StatusServiceUnavailable {
		v.w.Header().Set("Retry-After", "2")
	}
	v.code = code
	if err := v.show("error", http.StatusText(code), sentence(err)); err != nil {
		v.log.Error("console", "path", v.r.URL.Path, "err", err)
		_, _ = v.w.Write([]byte(sentence(err)))
	}
}

// nowhere handles every path without a page.
func (v *visit) nowhere() error {
	return fleet.Errorf(fleet.NotFound, "there is no such page")
}
