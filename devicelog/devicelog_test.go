package devicelog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestContactsAreKeptNewestFirstWithinABound(t *testing.T) {
	packed := ""
	for i := range 3 * MaxContacts {
		packed = WithContact(packed, Contact{Began: noon.Add(time.Duration(i) * time.Minute)})
	}
	last := noon.Add(time.Duration(3*MaxContacts-1) * time.Minute)
	packed = WithContact(packed, Contact{Began: last, Ended: last.Add(1500 * time.Millisecond), Code: Lost})
	packed = WithContact(packed, Contact{Began: last.Add(-time.Minute), Ended: last, Code: 0x8E}) // known later
	got := Contacts(packed)
	if len(got) != MaxContacts || len(packed) > 14*MaxContacts {
		t.Fatalf("%d contacts in %d bytes, want %d", len(got), len(packed), MaxContacts)
	}
	if c := got[0]; !c.Began.Equal(last) || c.Ended.Sub(c.Began) != 1500*time.Millisecond || c.Why() != "connection lost" {
		t.Errorf("the newest is %+v", c)
	}
	if c := got[1]; !c.Ended.Equal(last) || c.Why() != "replaced by a newer connection" {
		t.Errorf("the one before is %+v", c)
	}
	if c := (Contact{Code: 0x9C}); !strings.Contains(c.Why(), "another server") {
		t.Errorf("a drained one: %s", c.Why())
	}
	for i, c := range got[2:] {
		if want := last.Add(-time.Duration(i+2) * time.Minute); !c.Began.Equal(want) || !c.Ended.IsZero() {
			t.Errorf("number %d is %+v, want an open one of %s", i+2, c, want)
		}
	}
}

func TestAContactOlderThanAllThatAreKeptIsNot(t *testing.T) {
	packed := ""
	for i := range MaxContacts {
		packed = WithContact(packed, Contact{Began: noon.Add(time.Duration(i) * time.Minute)})
	}
	if got := WithContact(packed, Contact{Began: noon.Add(-time.Hour), Ended: noon}); got != packed {
		t.Errorf("got %v", Contacts(got))
	}
}

// Whatever order contacts come in, the newest are kept, each as it was said last.
func TestTheNewestContactsAreKeptInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		packed := ""
		var want []Contact
		for range rapid.IntRange(0, 3*MaxContacts).Draw(rt, "contacts") {
			c := Contact{Began: noon.Add(time.Duration(rapid.IntRange(0, 2*MaxContacts).Draw(rt, "minute")) * time.Minute), Code: rapid.Byte().Draw(rt, "code")}
			if rapid.Bool().Draw(rt, "ended") {
				c.Ended = c.Began.Add(time.Duration(rapid.IntRange(0, 1<<40).Draw(rt, "ms")) * time.Millisecond)
			}
			want = slices.DeleteFunc(want, func(w Contact) bool { return w.Began.Equal(c.Began) })
			want = append(want, c)
			slices.SortFunc(want, func(a, b Contact) int { return cmp.Compare(b.Began.UnixMicro(), a.Began.UnixMicro()) })
			want = want[:min(len(want), MaxContacts)]
			packed = WithContact(packed, c)
		}
		if got := Contacts(packed); !slices.Equal(got, want) {
			rt.Fatalf("got %v, want %v", got, want)
		}
		if cut := packed[:max(0, len(packed)-1)]; len(want) > 1 { // by a fault: what can't be read is dropped
			later := Contact{Began: noon.Add(time.Hour * 24)}
			if got := Contacts(WithContact(cut, later)); !slices.Equal(got, append([]Contact{later}, want[:min(len(want), MaxContacts)-1]...)) {
				rt.Fatalf("of a cut record: got %v", got)
			}
		}
	})
}

// facts are name, value, name, value, ... as a CBOR map.
func facts(pairs ...any) []byte {
	packed := head(0xa0, len(pairs)/2)
	for _, each := range pairs {
		switch v := each.(type) {
		case string:
			packed = append(append(packed, head(0x60, len(v))...), v...)
		case int:
			packed = append(packed, head(0x00, v)...)
		case []byte: // another map
			packed = append(packed, v...)
		}
	}
	return packed
}

// head begins a CBOR item (RFC 8949 §3).
func head(kind byte, n int) []byte {
	if n < 24 {
		return []byte{kind + byte(n)}
	}
	return []byte{kind + 25, byte(n >> 8), byte(n)}
}

func shown(packed string) string {
	var lines []string
	for _, v := range Values(packed) {
		lines = append(lines, fmt.Sprintf("%s=%s@%d", v.Fact, v.Text, v.Until.Sub(noon)/time.Second))
	}
	return strings.Join(lines, " ")
}

func TestEarlierValuesOfFactsAreKept(t *testing.T) {
	packed, is := "", facts("modem", facts("fw", "1.3.2"), "battery", 90, "sim", "a")
	for i, next := range [][]byte{
		facts("modem", facts("fw", "1.3.3"), "battery", 90, "sim", "a"),
		facts("modem", facts("fw", "1.3.3"), "battery", 89),
		facts("battery", 89, "modem", facts("fw", "1.3.3")), // another order
	} {
		packed, is = Changed(packed, is, next, noon.Add(time.Duration(i)*time.Second)), next
	}
	if got, want := shown(packed), "battery=90@1 sim=a@1 modem.fw=1.3.2@0"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAFactThatChangesOftenDisplacesNoOther(t *testing.T) {
	packed, is := "", facts("fw", "old", "rssi", 1, "noise", strings.Repeat("x", 300))
	for i := range 200 {
		next := facts("fw", "new", "rssi", i+2, "noise", strings.Repeat("é", 100+i%40))
		packed, is = Changed(packed, is, next, noon.Add(time.Duration(i)*time.Second)), next
		if len(packed) > maxFacts {
			t.Fatalf("%d bytes, want at most %d", len(packed), maxFacts)
		}
	}
	got := shown(packed)
	if !strings.Contains(got, "fw=old@0") || strings.Count(got, "rssi=") < 3 || !strings.HasPrefix(got, "noise=éé") {
		t.Errorf("got %s", got)
	}
	if strings.ToValidUTF8(packed[:0]+got, "?") != got {
		t.Error("a character was cut in two")
	}
}

func TestFactsWithManyNamesAreBounded(t *testing.T) {
	packed, is := "", facts("a", 1)
	for i := range 100 {
		next := facts(fmt.Sprintf("name-%d", i), i, strings.Repeat("n", maxName+1), i)
		packed, is = Changed(packed, is, next, noon), next
	}
	if n := len(Values(packed)); len(packed) > maxFacts || n < 10 || strings.Contains(packed, "nnn") {
		t.Errorf("%d values in %d bytes: %s", n, len(packed), shown(packed))
	}
}

func TestWhatIsBrokenIsReadAsFarAsItGoes(t *testing.T) {
	whole := WithContact(WithContact("", Contact{Began: noon}), Contact{Began: noon.Add(time.Hour), Ended: noon.Add(2 * time.Hour)})
	old := Changed("", facts("a", 1, "b", 2), facts("a", 2, "b", 3), noon)
	for i := range whole {
		if n := len(Contacts(whole[:i])); n > 1 {
			t.Errorf("%d contacts in %d bytes of %d", n, i, len(whole))
		}
	}
	for i := range old {
		if n := len(Values(old[:i])); n > 1 {
			t.Errorf("%d values in %d bytes of %d", n, i, len(old))
		}
	}
}
