package route

import (
	"net/url"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{`"abc"`, `W/"abc"`, "*", "", `""`, `"a", "b"`, `W/`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := IfMatch{Match: text}
		if faults := m.Resolve(nil); faults != nil {
			t.Fatal(faults)
		}
		if m.Seen != "" && quoted(m.Seen) == "" {
			t.Fatalf("%q: got %q", text, m.Seen)
		}
		again := IfMatch{Match: quoted("0123456789abcdef")}
		if _ = again.Resolve(nil); again.Seen != "0123456789abcdef" {
			t.Fatalf("our own tag comes back as %q", again.Seen)
		}
	})
}

func FuzzQuery(f *testing.F) {
	known := []*huma.Param{{Name: "groups", In: "query"}, {Name: "page", In: "query"}, {Name: "If-Match", In: "header"}}
	for _, seed := range []string{"groups[]=a&page=1", "groups[0]=a", "tags[]=a", "If-Match=x", "a%00b=1", "%ff=1", "groups[=1", "access_token=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		faults := unknownParameters(query, known)
		unknown := 0
		for key := range query {
			if key != "groups" && key != "page" && key != tokenParam && !strings.HasPrefix(key, "groups[") {
				unknown++
			}
		}
		if unknown > 0 && len(faults) == 0 || len(WrongInput(faults).Fields) > maxFaults {
			t.Fatalf("%q: got %v", text, faults)
		}
	})
}

func TestAnotherTokenOpensNoKeptAnswer(t *testing.T) {
	theirs := newRepeatKeys("another", "POST /v1/products/42/devices", "my key")
	if _, err := theirs.open(newRepeatKeys("good", "POST /v1/products/42/devices", "my key").seal([]byte("x"))); err == nil {
		t.Error("another token opens the answer")
	}
}

func FuzzIdempotencyKey(f *testing.F) {
	f.Add("k", "body")
	f.Add("\xff\x00", "")
	f.Fuzz(func(t *testing.T, key, body string) {
		k := newRepeatKeys("good", "POST /", key)
		plain, err := k.open(k.seal([]byte(body)))
		if err != nil || string(plain) != body {
			t.Fatalf("%q came back as %q, %v", body, plain, err)
		}
		if other := newRepeatKeys("good", "POST /", key+"x"); other.id == k.id {
			t.Fatalf("%q and %q have one id", key, key+"x")
		}
	})
}
