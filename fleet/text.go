package fleet

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what operators write, in bytes.
const (
	MaxName  = 128  // of devices, products, teams and users
	MaxNotes = 4096 // notes and descriptions
)

// CheckName accepts text that is not blank, of at most MaxName bytes. Errors are Invalid
// and name field.
func CheckName(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return FieldErrorf(field, "%s is missing", field)
	}
	return CheckText(field, value, MaxName)
}

// CheckText accepts UTF-8 of at most limit bytes without control characters other than
// line ends and tabs, and without characters that reorder text. Errors are Invalid and name field.
func CheckText(field, value string, limit int) error {
	if len(value) > limit || !utf8.ValidString(value) {
		return FieldErrorf(field, "%s: use UTF-8 of at most %d bytes", field, limit)
	}
	if strings.ContainsFunc(value, func(c rune) bool { return unicode.IsControl(c) && !strings.ContainsRune("\n\r\t", c) }) {
		return FieldErrorf(field, "%s: control characters are not allowed", field)
	}
	if at := strings.IndexFunc(value, reorders); at >= 0 {
		c, _ := utf8.DecodeRuneInString(value[at:])
		return FieldErrorf(field, "%s: remove the invisible character %U, which reorders the text around it", field, c)
	}
	return nil
}

// reorders reports whether c is a bidirectional override, embedding or isolate (UAX #9): text with
// one can look like another text.
func reorders(c rune) bool { return '\u202a' <= c && c <= '\u202e' || '\u2066' <= c && c <= '\u2069' }

// Bounds of a password, in bytes.
const (
	MinPassword = 10
	MaxPassword = 256
)

// CheckPassword accepts UTF-8 of MinPassword to MaxPassword bytes. Errors are Invalid.
func CheckPassword(password string) error {
	if len(password) < MinPassword || len(password) > MaxPassword || !utf8.ValidString(password) {
		return FieldErrorf("password", "a password has %d to %d bytes", MinPassword, MaxPassword)
	}
	return nil
}

// ParseEmail accepts an email address of the form name@host and returns it without
// surrounding space and in lower case, which identifies an account. Errors are Invalid.
func ParseEmail(s string) (string, error) {
	email := NormalEmail(s)
	name, host, ok := strings.Cut(email, "@")
	if !ok || name == "" || host == "" || len(email) > MaxName || !utf8.ValidString(email) || strings.ContainsFunc(email, notInEmail) {
		return "", FieldErrorf("email", "email %.140q: use the form name@host", email)
	}
	return email, nil
}

func notInEmail(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || c == '/' }

// NormalEmail returns s in the spelling that addresses are kept and compared in. It does
// not check it.
func NormalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
