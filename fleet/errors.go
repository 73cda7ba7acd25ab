package fleet

import (
	"errors"
	"fmt"
)

// Kind is the class of an error. Callers branch on it with errors.Is; people read the text of
// the Error around it.
type Kind string

// The kinds. api maps each to one HTTP status, broker to one CONNACK code.
const (
	Invalid         Kind = "invalid"         // the input breaks a rule; the text says which
	NotFound        Kind = "not found"       // absent, or not visible to the actor
	Denied          Kind = "denied"          // visible, but not allowed to the actor
	Unauthenticated Kind = "unauthenticated" // no proof of identity, or a wrong one
	Disabled        Kind = "disabled"        // the proof is right, but the device is disabled
	Conflict        Kind = "conflict"        // the state has changed, or does not allow it
	TooLarge        Kind = "too large"       // over a size limit
	Busy            Kind = "busy"            // over a capacity or a rate; try again later
	Unavailable     Kind = "unavailable"     // the store does not answer; try again later
	NoSpace         Kind = "no space"        // the disk of the server is almost full
)

// kinds is the order in which KindOf looks for kinds.
var kinds = [...]Kind{Unauthenticated, Denied, Disabled, NotFound, Conflict, TooLarge, NoSpace, Busy, Unavailable, Invalid}

func (k Kind) Error() string { return string(k) }

// KindOf returns the kind of err; "" for an error without a kind, and for nil. For an error
// that joins several, it always returns the same one of their kinds.
func KindOf(err error) Kind {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return k
		}
	}
	return ""
}

// Error is an error of a kind. Code, if set, is the code that the REST API shows instead of
// the kind's own; Field names the input at fault.
type Error struct {
	Kind  Kind
	Code  string
	Field string
	Text  string
	Cause error
}

func (e *Error) Error() string { return e.Text }

// Unwrap makes errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// CodeChanged is the Code of a Conflict with an edit's If: the state is no longer what the
// actor has seen.
const CodeChanged = "precondition_failed"

// Errorf returns an Error of kind k. A %w in format keeps its cause reachable.
func Errorf(k Kind, format string, args ...any) error {
	formatted := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: formatted.Error(), Cause: errors.Unwrap(formatted)}
}

// FieldErrorf returns an Error of kind Invalid about the input field.
func FieldErrorf(field, format string, args ...any) error {
	return &Error{Kind: Invalid, Field: field, Text: fmt.Sprintf(format, args...)}
}

// Hide replaces an error of kind NotFound by one with this text, so that an object that
// does not exist and one the actor can't see answer the same. Other errors, and nil, are
// returned as they are.
func Hide(err error, format string, args ...any) error {
	if errors.Is(err, NotFound) {
		return Errorf(NotFound, format, args...)
	}
	return err
}
