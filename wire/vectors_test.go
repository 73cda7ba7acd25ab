package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// vector is one record of testdata/vectors; the README there says what its lines mean.
type vector struct {
	message string // file name without .txt
	name    string
	expect  string // ok, decode, refused N
	data    []byte
	diag    string
	fields  []string // "name = value", in the order of the file
}

func TestVectorsDecodeToTheirFields(t *testing.T) {
	for v := range vectors(t) {
		t.Run(v.message+"/"+v.name, func(t *testing.T) {
			got, err := codecs[v.message].decode(v.data)
			if reason, refused := strings.CutPrefix(v.expect, "refused "); refused {
				wantRefusal(t, err, reason)
				return
			}
			if err != nil {
				t.Fatalf("got error %v, want fields %v", err, v.fields)
			}
			if diff := cmp.Diff(v.fields, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFieldsEncodeToTheirVector(t *testing.T) {
	for v := range vectors(t) {
		if strings.HasPrefix(v.expect, "refused ") {
			continue
		}
		t.Run(v.message+"/"+v.name, func(t *testing.T) {
			got := codecs[v.message].encode(t, v.fields)
			if same := bytes.Equal(got, v.data); same != (v.expect == "ok") {
				t.Errorf("got %x, and expect says %s for %x", got, v.expect, v.data)
			}
			fields, err := codecs[v.message].decode(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.fields, fields); diff != "" {
				t.Errorf("after encoding and decoding again (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVectorsAreWhatTheirDiagnosticNotationSays(t *testing.T) {
	for v := range vectors(t) {
		if v.diag == "" {
			if !strings.HasPrefix(v.expect, "refused ") {
				t.Errorf("%s/%s: no diagnostic notation", v.message, v.name)
			}
			continue
		}
		if got, err := cbor.Diagnose(v.data); err != nil || got != v.diag {
			t.Errorf("%s/%s: got %s, %v, want %s", v.message, v.name, got, err, v.diag)
		}
	}
}

// Every message has vectors of every sort, and every reason a decoder gives is seen.
func TestVectorsCoverEveryMessage(t *testing.T) {
	seen := map[string]map[string]bool{}
	for v := range vectors(t) {
		if seen[v.message] == nil {
			seen[v.message] = map[string]bool{}
		}
		seen[v.message][v.expect] = true
	}
	for message := range codecs {
		for _, expect := range []string{"ok", "decode", "refused 11", "refused 12"} {
			if !seen[message][expect] {
				t.Errorf("%s: no vector with expect: %s", message, expect)
			}
		}
	}
}

func wantRefusal(t *testing.T, err error, reason string) {
	t.Helper()
	var refusal *wire.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, fleet.Invalid) {
		t.Fatalf("got %v, want a refusal with reason %s", err, reason)
	}
	if got := uitoa(refusal.Reason); got != reason {
		t.Errorf("got reason %s (%v), want %s", got, err, reason)
	}
}

// vectors yields every record of every file.
func vectors(t testing.TB) func(func(vector) bool) {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(files) != len(codecs) {
		t.Fatalf("got %d vector files, %v, want one for each of %d messages", len(files), err, len(codecs))
	}
	return func(yield func(vector) bool) {
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for record := range strings.SplitSeq(string(text), "\n\n") {
				v := parseVector(t, strings.TrimSuffix(filepath.Base(file), ".txt"), record)
				if v.name != "" && !yield(v) {
					return
				}
			}
		}
	}
}

func parseVector(t testing.TB, message, record string) vector {
	t.Helper()
	v := vector{message: message}
	for line := range strings.SplitSeq(strings.TrimSpace(record), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "#", "note:":
		case "name:":
			v.name = rest
		case "expect:":
			v.expect = rest
		case "diag:":
			v.diag = rest
		case "hex:":
			data, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatalf("%s/%s: %v", message, v.name, err)
			}
			v.data = data
		default:
			if !strings.HasPrefix(rest, "= ") {
				t.Fatalf("%s/%s: unknown line %q", message, v.name, line)
			}
			v.fields = append(v.fields, line)
		}
	}
	return v
}
