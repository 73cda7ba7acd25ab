package feed

import (
	"log/slog"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/keys"
)

// in is an entry for a device of bucket 7 in team 1.
func in(seq uint64, nonce, on, id, revision, name string) entry {
	fields := map[string]string{"r": revision, "t": "1"}
	if name != "" {
		fields["n"] = name
	}
	return entry{seq: seq, id: id, nonce: nonce, on: on, fields: fields}
}

// two are devices of bucket 7 in team 1.
var two = func() (ids [2]string) {
	for n, found := 0, 0; found < 2; n++ {
		if id := fleet.DeviceID("d" + strconv.Itoa(n)).In(1); keys.Bucket(id) == 7 {
			ids[found] = keys.Name(id)
			found++
		}
	}
	return ids
}()

// newFollowed returns a feed whose index has both devices, at entry 10 of bucket 7.
func newFollowed() *Feed {
	f := New(Config{Index: index.New(), Joined: true, Log: slog.New(slog.DiscardHandler)})
	for _, id := range two {
		f.config.Index.Put(&fleet.Device{ID: fleet.DeviceID(id), Team: 1, Revision: 50, Name: "before"})
	}
	f.config.Index.Finish()
	f.parts[7].at = position{10, "w10"}
	return f
}

// names are what the index has: "" for a device that it does not have.
func (f *Feed) named() [2]string {
	var all [2]string
	for i, id := range two {
		if e, err := f.config.Index.Entry(fleet.DeviceID(id)); err == nil {
			all[i] = e.Name
		}
	}
	return all
}

func TestEntriesAreAppliedIfTheyFollowOnWhatWas(t *testing.T) {
	t.Parallel()
	a, b := two[0], two[1]
	own := func(seq uint64, nonce, name string) func(*Feed) {
		return func(f *Feed) {
			f.Saved(&fleet.Device{ID: fleet.DeviceID(a), Team: 1, Name: name, Base: fleet.Base{Written: nonce}}, seq)
		}
	}
	for name, row := range map[string]struct {
		first   func(*Feed) // what this process writes before
		end     position
		entries []entry
		broken  bool
		want    [2]string
	}{
		"nothing new":                {end: position{10, "w10"}, want: [2]string{"before", "before"}},
		"one entry":                  {end: position{11, "w11"}, entries: []entry{in(11, "w11", "w10", a, "51", "new")}, want: [2]string{"new", "before"}},
		"a lower revision":           {end: position{11, "w11"}, entries: []entry{in(11, "w11", "w10", a, "3", "new")}, want: [2]string{"new", "before"}},
		"more than the end promised": {end: position{11, "w11"}, entries: []entry{in(11, "w11", "w10", a, "51", "x"), in(12, "w12", "w11", a, "52", "new")}, want: [2]string{"new", "before"}},
		"a deletion":                 {end: position{11, "w11"}, entries: []entry{in(11, "w11", "w10", b, "", "")}, want: [2]string{"before", ""}},
		"deleted and created again": {end: position{12, "w12"}, entries: []entry{in(11, "w11", "w10", b, "", ""), in(12, "w12", "w11", b, "4", "new")},
			want: [2]string{"before", "new"}},
		"the first are trimmed": {end: position{13, "w13"}, entries: []entry{in(12, "w12", "w11", a, "52", "x"), in(13, "w13", "w12", a, "53", "y")}, broken: true, want: [2]string{"before", "before"}},
		"all are trimmed":       {end: position{13, "w13"}, broken: true, want: [2]string{"before", "before"}},
		"another predecessor":   {end: position{11, "w11"}, entries: []entry{in(11, "w11", "other", a, "51", "x")}, broken: true, want: [2]string{"before", "before"}},
		"a shorter feed":        {end: position{9, "w9"}, broken: true, want: [2]string{"before", "before"}},
		"another end":           {end: position{10, "other"}, broken: true, want: [2]string{"before", "before"}},

		"the own write is skipped": {first: own(11, "w11", "own"), end: position{11, "w11"}, entries: []entry{in(11, "w11", "w10", a, "51", "as stored")}, want: [2]string{"own", "before"}},
		"what is before the own write is skipped": {first: own(12, "w12", "own"), end: position{11, "w11"}, entries: []entry{in(11, "w11", "w10", a, "", "")}, broken: true,
			want: [2]string{"own", "before"}}, // the end was read after the write: that is lost
		"older entries do not undo the own write": {first: own(12, "w12", "own"), end: position{12, "w12"},
			entries: []entry{in(11, "w11", "w10", a, "", ""), in(12, "w12", "w11", a, "51", "as stored")}, want: [2]string{"own", "before"}},
		"what is after the own write is applied": {first: own(11, "w11", "own"), end: position{12, "w12"},
			entries: []entry{in(11, "w11", "w10", a, "51", "as stored"), in(12, "w12", "w11", a, "52", "new")}, want: [2]string{"new", "before"}},
		"another write at the place of the own": {first: own(11, "lost", "own"), end: position{11, "w11"}, entries: []entry{in(11, "w11", "w10", b, "51", "x")}, broken: true, want: [2]string{"own", "before"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFollowed()
			if row.first != nil {
				row.first(f)
			}
			p := &f.parts[7]
			l, ok := p.look(7, time.Now())
			if !ok {
				t.Fatal("the part is not followed")
			}
			if name == "what is before the own write is skipped" && l.ahead != 12 {
				t.Fatalf("the look requires entry %d, want 12", l.ahead)
			}
			if p.judge(l, row.end) {
				f.apply(l, row.end, row.entries)
			}
			if got := f.named(); !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if broken := p.state == broken; broken != row.broken {
				t.Errorf("broken: %v, want %v", broken, row.broken)
			}
			if !row.broken && (p.at.seq < row.end.seq || p.behind != 0 || len(p.ahead) > 0) {
				t.Errorf("it is at %v, %d behind, %v ahead", p.at, p.behind, p.ahead)
			}
		})
	}
}

func TestALateAnswerToAnOwnWriteChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFollowed()
	p, d := &f.parts[7], fleet.Device{ID: fleet.DeviceID(two[0]), Team: 1, Name: "late", Base: fleet.Base{Written: "w11"}}
	l, _ := p.look(7, time.Now())
	f.apply(l, position{12, "w12"}, []entry{in(11, "w11", "w10", two[0], "51", "late"), in(12, "w12", "w11", two[0], "52", "newer")})
	f.Saved(&d, 11)
	f.Deleted(d.ID, "w11", 11)
	if got := f.named()[0]; got != "newer" {
		t.Errorf("got %q", got)
	}
	f.Saved(&fleet.Device{ID: d.ID, Team: 1, Name: "newest", Base: fleet.Base{Written: "w14"}}, 14)
	f.Saved(&d, 13)
	if got := f.named()[0]; got != "newest" {
		t.Errorf("got %q", got)
	}
}

func TestAFeedThatIsGoneIsNotBelievedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFollowed()
	p, now := &f.parts[7], time.Now()
	for _, row := range []struct {
		after time.Duration
		end   position
		want  state
	}{
		{0, position{}, following}, {emptied / 2, position{}, following}, {emptied * 3 / 4, position{10, "w10"}, following}, // there again
		{emptied, position{}, following}, {2 * emptied, position{}, broken},
	} {
		l, _ := p.look(7, now.Add(row.after))
		p.judge(l, row.end)
		if p.state != row.want {
			t.Fatalf("after %s: got %d, want %d", row.after, p.state, row.want)
		}
	}
}

func TestAnEditIsFinishedWhenItHasBeenOpenForLong(t *testing.T) {
	t.Parallel()
	e, now := edits{since: map[string]time.Time{}}, time.Now()
	e.saw(map[string]string{"a": "1"}, now)
	e.saw(map[string]string{"a": "1", "b": "2"}, now.Add(abandoned/2))
	e.saw(map[string]string{"a": "1", "b": "2"}, now.Add(abandoned+time.Second))
	if old := e.old(now.Add(abandoned + time.Second)); !reflect.DeepEqual(old, map[string]fleet.ProductID{"a": 1}) {
		t.Errorf("got %v", old)
	}
	e.saw(map[string]string{"b": "2"}, now.Add(2*abandoned))
	if old := e.old(now.Add(2 * abandoned)); !reflect.DeepEqual(old, map[string]fleet.ProductID{"b": 2}) {
		t.Errorf("got %v, want that a finished one is forgotten", old)
	}
}
