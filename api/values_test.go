package api

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

func isKind(err error, kind fleet.Kind) bool { return errors.Is(err, kind) }

func TestVersionIsANumberWhereItIsWhole(t *testing.T) {
	for in, want := range map[string]string{
		`7`: `7`, `"7"`: `7`, `"1.4.0-rc.1"`: `"1.4.0-rc.1"`, `null`: `null`, `2147483647`: `2147483647`,
	} {
		var v Version
		if err := json.Unmarshal([]byte(in), &v); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		got, err := json.Marshal(v)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{`""`, `7.5`, `-1`, `1e3`, `2147483648`, `true`, `[]`, `{}`, `"1.4"`, `"v1.4.0"`, `"1.4.0+b"`} {
		var v Version
		if err := json.Unmarshal([]byte(in), &v); !isKind(err, fleet.Invalid) {
			t.Errorf("%s: got %v, %v, want Invalid", in, v, err)
		}
	}
}

func TestReportedKeepsAnyText(t *testing.T) {
	var v Reported
	if err := json.Unmarshal([]byte(`"dev build"`), &v); err != nil || v.String() != "dev build" || v.Valid() {
		t.Errorf("got %q, %v", v, err)
	}
}

func TestPayloadKeepsEveryByte(t *testing.T) {
	for name, row := range map[string]struct {
		payload Payload
		want    string
	}{
		"object":       {Payload(`{"t":21}`), `{"t":21}`},
		"number":       {Payload(`5`), `5`},
		"bytes":        {Payload{0xff, 0}, `{"base64":"/wA="}`},
		"none":         {Payload{}, `{"base64":""}`},
		"looks base64": {Payload(`{"base64":"/wA="}`), `{"base64":"eyJiYXNlNjQiOiIvd0E9In0="}`},
	} {
		got, err := json.Marshal(row.payload)
		if err != nil || string(got) != row.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, row.want)
		}
		var back Payload
		if err := json.Unmarshal(got, &back); err != nil || string(back) != string(row.payload) {
			t.Errorf("%s: came back as %q, %v", name, back, err)
		}
	}
}

func FuzzVersion(f *testing.F) {
	for _, seed := range []string{`7`, `"1.4.0-rc.1"`, `null`, `1e400`, `"`, `-0`, "{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v Version
		if json.Unmarshal(data, &v) != nil {
			return
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back Version
		if err := json.Unmarshal(out, &back); err != nil || back.String() != v.String() {
			t.Fatalf("%q: wrote %s, read %q, %v", data, out, back, err)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"base64":"eyJ9"}`))
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := json.Marshal(Payload(data))
		if err != nil {
			t.Fatal(err)
		}
		var back Payload
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatal(err)
		}
		if string(back) != string(data) && !sameJSON(back, data) {
			t.Fatalf("%q came back as %q", data, back)
		}
	})
}

// sameJSON allows what encoding/json may change of raw JSON: white space and escapes.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}
