package wire_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestChunkSizeIsTheLargestPowerOfTwo(t *testing.T) {
	for limit, want := range map[uint32]uint32{
		0: 128, 127: 128, 128: 128, 255: 128, 256: 256, 1000: 512, 4096: 4096, 65535: 32768, 65536: 65536, 1 << 31: 65536,
	} {
		if got := wire.ChunkSize(limit); got != want {
			t.Errorf("takes up to %d bytes: got %d, want %d", limit, got, want)
		}
	}
}

func TestLastChunkMayBeShort(t *testing.T) {
	for _, row := range []struct {
		size  int64
		chunk uint32
		want  uint32
	}{{1, 128, 1}, {128, 128, 1}, {129, 128, 2}, {1000, 128, 8}, {1024, 128, 8}, {1 << 32, 65536, 65536}} {
		if got := wire.ChunkCount(row.size, row.chunk); got != row.want {
			t.Errorf("%d bytes in chunks of %d: got %d, want %d", row.size, row.chunk, got, row.want)
		}
	}
}

func TestWelcomeCutsWhyAtTheStartOfARune(t *testing.T) {
	long := strings.Repeat("a", wire.MaxText-1) + "ä and more"
	want := strings.Repeat("a", wire.MaxText-1)
	for name, why := range map[string]string{"too long": long, "cut by its author": long[:wire.MaxText]} {
		w, err := wire.DecodeWelcome(wire.Welcome{Time: time.Unix(1, 0), Why: why}.Encode())
		if err != nil || w.Why != want {
			t.Errorf("%s: got %d bytes, %v, want %d", name, len(w.Why), err, len(want))
		}
	}
}

func TestWelcomeWithoutATimeIsAtTheEpoch(t *testing.T) {
	w, err := wire.DecodeWelcome(wire.Welcome{}.Encode())
	if err != nil || w.Time.Unix() != 0 {
		t.Errorf("got %v, %v", w.Time, err)
	}
}

func TestDecodedMessageKeepsNothingOfItsInput(t *testing.T) {
	facts := marshal(t, map[string]any{"battery": 87})
	hello := wire.NewHello(fleet.ReportedVersion("1.4.0"))
	hello.Facts, hello.Product = facts, "thermostat"
	data := hello.Encode()
	got, err := wire.DecodeHello(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if diff := cmp.Diff(hello, got, cmp.Comparer(func(a, b fleet.Version) bool { return a == b })); diff != "" {
		t.Errorf("after its input was overwritten (-want +got):\n%s", diff)
	}
	data = wire.Alert{Type: 1, Value: facts}.Encode()
	alert, err := wire.DecodeAlert(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if diff := cmp.Diff(facts, alert.Value); diff != "" {
		t.Errorf("value after its input was overwritten (-want +got):\n%s", diff)
	}
}

// 0, 1, 2, 13, 14, 15, 17 never cost an attempt.
func TestReasonsThatCostNoAttempt(t *testing.T) {
	free := map[fleet.ReasonCode]bool{0: true, 1: true, 2: true, 13: true, 14: true, 15: true, 17: true}
	for r := range fleet.ReasonCode(300) {
		if got := wire.Free(r); got != free[r] {
			t.Errorf("reason %d, %s: free: got %v, want %v", r, wire.ReasonText(r), got, free[r])
		}
	}
}

func TestUnknownReasonHasAText(t *testing.T) {
	if got := wire.ReasonText(99); got != "reason 99" {
		t.Errorf("got %q", got)
	}
}

func TestRefusalIsInvalidInput(t *testing.T) {
	_, err := wire.DecodeWant(nil)
	if !errors.Is(err, fleet.Invalid) {
		t.Errorf("got %v, want an error of kind %v", err, fleet.Invalid)
	}
}

// Key k of a record is its field k: null is looked for by that rule.
func TestRecordsDeclareTheirKeysInOrder(t *testing.T) {
	packages, err := parser.ParseDir(token.NewFileSet(), ".", nil, 0) //nolint:staticcheck // one folder without build tags
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	ast.Inspect(packages["wire"], func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || !strings.HasSuffix(spec.Name.Name, "Record") {
			return true
		}
		record, ok := spec.Type.(*ast.StructType)
		if !ok || strings.Contains(record.Fields.List[0].Tag.Value, "toarray") {
			return true
		}
		records++
		for k, field := range record.Fields.List {
			if want := `cbor:"` + uitoa(fleet.ReasonCode(k)) + `,keyasint`; !strings.Contains(field.Tag.Value, want) {
				t.Errorf("%s: field %d has tag %s, want %s", spec.Name.Name, k, field.Tag.Value, want)
			}
		}
		return true
	})
	if want := len(codecs); records != want {
		t.Errorf("got %d records, want %d", records, want)
	}
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	data, err := mode.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheTextOfARefusalNamesTheKeyAndNoGoType(t *testing.T) {
	for name, data := range map[string]string{
		"key 2 is a number":          "\xa3\x00\x01\x01\x07\x02\x05",
		"key 4 does not fit":         "\xa3\x00\x01\x01\x07\x04\x1b\x00\x00\x01\x00\x00\x00\x00\x00",
		"key 9 is a text":            "\xa3\x00\x01\x01\x07\x09\x61a",
		"key 9 has texts":            "\xa3\x00\x01\x01\x07\x09\x83\x61a\x61a\x61a",
		"key 1 is a map":             "\xa2\x00\x01\x01\xa0",
		"key 8 is a negative number": "\xa3\x00\x01\x01\x07\x08\x20",
	} {
		_, err := wire.DecodeHello([]byte(data))
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		for _, word := range []string{"Go ", "wire.", "Record", "uint", "bool"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q is in the text: %v", name, word, err)
			}
		}
	}
}
