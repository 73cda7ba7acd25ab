package fleet_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

var kinds = []fleet.Kind{
	fleet.Invalid, fleet.NotFound, fleet.Denied, fleet.Unauthenticated, fleet.Disabled,
	fleet.Conflict, fleet.TooLarge, fleet.Busy, fleet.Unavailable,
}

func TestErrorIsOfItsKindAndOfNoOther(t *testing.T) {
	for _, kind := range kinds {
		err := fmt.Errorf("device a: %w", fleet.Errorf(kind, "no more than %d", 3))
		for _, other := range kinds {
			if got := errors.Is(err, other); got != (kind == other) {
				t.Errorf("an error of kind %v is %v: got %v", kind, other, got)
			}
		}
		if got := fleet.KindOf(err); got != kind {
			t.Errorf("an error of kind %v: got kind %q", kind, got)
		}
		if want := "device a: no more than 3"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestJoinedErrorsAreOfOneKind(t *testing.T) {
	conflict, away := fleet.Errorf(fleet.Conflict, "somebody came first"), fleet.Errorf(fleet.Unavailable, "redis: %w", io.ErrUnexpectedEOF)
	for name, row := range map[string]struct {
		err  error
		want fleet.Kind
	}{
		"two kinds":            {errors.Join(conflict, away), fleet.Conflict},
		"in the other order":   {errors.Join(away, conflict), fleet.Conflict},
		"one that has no kind": {errors.Join(io.EOF, away), fleet.Unavailable},
		"none has a kind":      {errors.Join(io.EOF, io.ErrUnexpectedEOF), ""},
		"no error":             {nil, ""},
	} {
		if got := fleet.KindOf(row.err); got != row.want {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := fleet.Errorf(fleet.Unavailable, "redis: %w", io.ErrUnexpectedEOF)
	if !errors.Is(err, fleet.Unavailable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want it to be %v and %v", err, fleet.Unavailable, io.ErrUnexpectedEOF)
	}
	if want := "redis: unexpected EOF"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestFieldErrorNamesItsField(t *testing.T) {
	err := fleet.FieldErrorf("name", "too long: %d bytes", 65)
	var detail *fleet.Error
	if !errors.As(err, &detail) || detail.Field != "name" || !errors.Is(err, fleet.Invalid) || err.Error() != "too long: 65 bytes" {
		t.Errorf("got %+v", err)
	}
}
