package record

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
)

// stored is one way of storing values of a type: a codec, or the hash of a device.
type stored struct {
	any    func(t *rapid.T) error // any value comes back as it was written
	whole  func() error           // so does one without a zero
	golden func() []string        // which is stored like this
}

// all has a row for each codec and for the device hash, with the fields that are stored
// elsewhere.
var all = map[string]stored{
	"Alert":         packedBy(Alert, "ID", "Team", "Archived"),
	"Attempts":      packedBy(Attempts),
	"AuditEntry":    packedBy(AuditEntry, "Cursor", "Team"),
	"Command":       packedBy(Command, "Number", "Device", "Done", "Result"),
	"CommandResult": packedBy(CommandResult, "Number", "Device", "Name", "Payload", "Queued", "Expires"),
	"Device":        storedBy(writeDevice, readDevice, "ID", "Namesakes", "Revision", "Base", "Later"),
	"Firmware":      packedBy(Firmware),
	"Group":         packedBy(Group),
	"Invitation":    packedBy(Invitation),
	"Member":        packedBy(Member),
	"Moves":         packedBy(Moves),
	"Message":       packedBy(Message, "Cursor", "Team"),
	"Move":          packedBy(Move),
	"Product":       packedBy(Product),
	"Release":       packedBy(Release),
	"Team":          packedBy(Team),
	"Token":         packedBy(Token),
	"Update":        packedBy(Update),
	"User":          packedBy(User),
}

func packedBy[T any](c Codec[T], elsewhere ...string) stored {
	write := func(value *T) map[string]string { return map[string]string{"": c.Pack(value)} }
	read := func(fields map[string]string, value *T) error { return c.Unpack(fields[""], value) }
	return storedBy(write, read, elsewhere...)
}

func writeDevice(d *fleet.Device) map[string]string {
	fields := map[string]string{}
	args := AppendDevice(nil, d).All
	for ; len(args) > 0; args = args[2:] {
		fields[args[0].(string)] = *args[1].(*string)
	}
	return fields
}

// readDevice leaves out the base, which is not stored a second time.
func readDevice(fields map[string]string, d *fleet.Device) error {
	err := ReadDevice(fields, d)
	if d.Base.Node != d.Node {
		return fmt.Errorf("read from %q, held by %q", d.Node, d.Base.Node)
	}
	d.Base = fleet.Base{}
	return err
}

// TestASaveNamesTheFieldsThatARecordHasNoMore has a save write over the fields of another state, as its script does.
func TestASaveNamesTheFieldsThatARecordHasNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) fleet.Device {
			d := filled[fleet.Device]()
			if rapid.Bool().Draw(t, label+" is any") {
				d = rapid.MakeCustom[fleet.Device](drawn).Draw(t, label)
			}
			d.ID, d.Later, d.Base.Fields = "", nil, 0
			return d
		}
		before, after := draw("before"), draw("after")
		hash := writeDevice(&before)
		var read fleet.Device
		if err := ReadDevice(hash, &read); err != nil || read.Base.Fields != AppendDevice(nil, &before).Fields {
			t.Fatalf("read %v with the fields %b, written were %b", err, read.Base.Fields, AppendDevice(nil, &before).Fields)
		}
		after.Base.Fields = read.Base.Fields
		written := writeDevice(&after)
		maps.Copy(hash, written)
		for _, field := range AppendDevice(nil, &after).Gone {
			if _, is := hash[field.(string)]; !is {
				t.Errorf("%s was not there", field)
			}
			delete(hash, field.(string))
		}
		if diff := cmp.Diff(hash, written); diff != "" {
			t.Fatalf("left (-), written (+):\n%s", diff)
		}
	})
}

func storedBy[T any](write func(*T) map[string]string, read func(map[string]string, *T) error, elsewhere ...string) stored {
	roundTrip := func(in *T) error {
		for _, name := range elsewhere {
			reflect.ValueOf(in).Elem().FieldByName(name).SetZero()
		}
		if d, ok := any(in).(*fleet.Device); ok {
			d.Gateway = d.Gateway.In(d.Team) // what is stored is the id alone
		}
		var out T
		if err := read(write(in), &out); err != nil {
			return err
		}
		if diff := cmp.Diff(out, *in, sameVersion); diff != "" {
			return fmt.Errorf("read (-) differs from written (+):\n%s", diff)
		}
		return nil
	}
	return stored{
		any: func(t *rapid.T) error {
			in := rapid.MakeCustom[T](drawn).Draw(t, "value")
			return roundTrip(&in)
		},
		whole: func() error {
			in := filled[T]()
			return roundTrip(&in)
		},
		golden: func() (lines []string) {
			in := filled[T]()
			if d, ok := any(&in).(*fleet.Device); ok {
				d.Later = nil
			}
			for field, text := range write(&in) {
				lines = append(lines, strings.TrimSuffix("."+field, ".")+" "+hex.EncodeToString([]byte(text)))
			}
			return lines
		},
	}
}

var sameVersion = cmp.Comparer(func(a, b fleet.Version) bool { return a == b })

// drawn configures what rapid can't draw by reflection, or would draw with values that are never
// stored.
var drawn = rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
	reflect.TypeFor[time.Time](): rapid.Custom(func(t *rapid.T) any {
		if rapid.Bool().Draw(t, "never") {
			return time.Time{}
		}
		return time.Unix(0, rapid.Int64Range(-1, 1<<62).Draw(t, "ns")).UTC()
	}),
	reflect.TypeFor[fleet.Version](): rapid.Custom(func(t *rapid.T) any { return drawVersion(t) }),
	reflect.TypeFor[fleet.DeviceID](): rapid.Custom(func(t *rapid.T) any {
		return fleet.DeviceID(strings.ReplaceAll(rapid.String().Draw(t, "id"), "/", ""))
	}),
	reflect.TypeFor[[]byte](): rapid.Custom(func(t *rapid.T) any {
		if b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"); len(b) > 0 {
			return b
		}
		return []byte(nil) // an empty one is stored as none
	}),
	reflect.TypeFor[[]fleet.Move](): rapid.Custom(func(t *rapid.T) any {
		var moves []fleet.Move
		for range rapid.IntRange(0, 3).Draw(t, "moves") {
			moves = append(moves, fleet.Move{
				Revision: rapid.Uint64Min(1).Draw(t, "revision"), Group: fleet.GroupID(rapid.Uint32().Draw(t, "group")), From: drawVersion(t),
			})
		}
		return moves
	}),
	reflect.TypeFor[[]string](): rapid.Custom(func(t *rapid.T) any {
		if all := rapid.SliceOfN(rapid.StringMatching(`[a-z0-9 ,-]{1,8}`), 0, 3).Draw(t, "words"); len(all) > 0 {
			return all
		}
		return []string(nil)
	}),
	reflect.TypeFor[[]fleet.ReleaseStage](): rapid.Custom(func(t *rapid.T) any {
		var stages []fleet.ReleaseStage
		for range rapid.IntRange(0, 3).Draw(t, "stages") {
			stages = append(stages, rapid.Make[fleet.ReleaseStage]().Draw(t, "stage"))
		}
		return stages
	}),
	reflect.TypeFor[[]calendar.Window](): rapid.Custom(func(t *rapid.T) any {
		var windows []calendar.Window
		for range rapid.IntRange(0, 3).Draw(t, "windows") {
			windows = append(windows, rapid.Make[calendar.Window]().Draw(t, "window"))
		}
		return windows
	}),
	reflect.TypeFor[[]fleet.GroupID](): rapid.Custom(func(t *rapid.T) any {
		var ids []fleet.GroupID
		for _, n := range rapid.SliceOfN(rapid.Uint32Min(1), 0, 5).Draw(t, "groups") {
			ids = append(ids, fleet.GroupID(n))
		}
		return fleet.SortGroups(ids)
	}),
}}

func drawVersion(t *rapid.T) fleet.Version {
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		return fleet.Version{}
	case 1:
		return fleet.WholeVersion(rapid.Uint32Max(fleet.MaxWholeVersion).Draw(t, "whole"))
	case 2:
		return fleet.ReportedVersion(fmt.Sprintf("1.%d.0-rc.1", rapid.IntRange(0, 99).Draw(t, "minor")))
	}
	return fleet.ReportedVersion(rapid.StringN(1, 20, 60).Draw(t, "unreadable"))
}

func TestEveryRecordComesBackAsItWentIn(t *testing.T) {
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			if err := row.whole(); err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) {
				if err := row.any(t); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestEveryCodecIsInTheTable finds the codecs in the source.
func TestEveryCodecIsInTheTable(t *testing.T) {
	codec := regexp.MustCompile(`(?m)^var (\w+) += Codec\[`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range codec.FindAllSubmatch(text, -1) {
			found++
			if _, ok := all[string(match[1])]; !ok {
				t.Errorf("%s: codec %s has no row in the table", file, match[1])
			}
		}
	}
	if want := len(all) - 1; found != want { // the device hash is not a codec
		t.Errorf("found %d codecs, the table has %d", found, want)
	}
}

// TestRecordsOfEarlierVersionsAreRead compares what is written with what was written when the
// files of installations were: testdata/records.txt only ever gets more lines.
func TestRecordsOfEarlierVersionsAreRead(t *testing.T) {
	golden, err := os.ReadFile("testdata/records.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for name, row := range all {
		for _, line := range row.golden() {
			lines = append(lines, name+line)
		}
	}
	slices.Sort(lines)
	if diff := cmp.Diff(lines, strings.Split(strings.TrimSpace(string(golden)), "\n")); diff != "" {
		t.Errorf("written now (-), before (+):\n%s", diff)
	}
}

// filled is a T none of whose fields is zero, the same in each run.
func filled[T any]() (value T) {
	n := 0
	fill(reflect.ValueOf(&value).Elem(), &n)
	return value
}

// cameLater are fields that count for nothing, so that what was stored before keeps its values.
var cameLater = []string{"Release.Alert", "Update.Goal", "Attempts.NoWay", "ReleaseLimits.Most", "ReleaseLimits.Behind", "ReleasePlan.Spread", "Firmware.Notes", "Device.Namesakes", "Device.Later", "Base.Written", "Base.Node", "Base.Fields"}

// fill fills v with values that follow from n, which counts fields.
func fill(v reflect.Value, n *int) {
	*n++
	switch field := v.Addr().Interface().(type) {
	case *fleet.Version:
		*field = fleet.ReportedVersion(fmt.Sprintf("1.%d.0", *n))
		return
	case *time.Time:
		*field = time.Unix(1_700_000_000, int64(*n)).UTC()
		return
	case *[]byte:
		*field = fmt.Appendf(nil, "bytes %d", *n)
		return
	case *[]fleet.Move:
		*field = make([]fleet.Move, 2)
		for i := range *field {
			fill(reflect.ValueOf(&(*field)[i]).Elem(), n)
		}
		return
	case *[]string:
		*field = []string{fmt.Sprintf("word %d", *n), "another"}
		return
	case *fleet.ReleaseID: // it came later: what was stored before keeps its values
		*field, *n = 900, *n-1
		return
	case *[]fleet.ReleaseStage:
		*field = make([]fleet.ReleaseStage, 2)
		fill(reflect.ValueOf(&(*field)[0]).Elem(), n)
		return
	case **fleet.Release:
		*field = &fleet.Release{ID: fleet.ReleaseID(*n), Salt: 1 << 40}
		return
	case *[]calendar.Window:
		*field = []calendar.Window{{Days: 1, From: 2, To: 3, Zone: "UTC"}}
		return
	case *[]fleet.GroupID:
		*field = []fleet.GroupID{fleet.GroupID(*n), fleet.GroupID(*n + 1)}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if later := 900; slices.Contains(cameLater, v.Type().Name()+"."+v.Type().Field(i).Name) {
				fill(v.Field(i), &later)
				continue
			}
			fill(v.Field(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(*n))
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) * 100)
	case reflect.Uint8:
		v.SetUint(uint64(*n))
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n) * 1000)
	default:
		panic(fmt.Sprint("a field of kind ", v.Kind(), ": add it here"))
	}
}

func TestABrokenRecordIsAnError(t *testing.T) {
	whole := Update.Pack(&fleet.Update{To: fleet.ReportedVersion("7"), Text: "some text"})
	for n := 1; n < len(whole); n++ {
		var u fleet.Update
		if err := Update.Unpack(whole[:n], &u); err == nil && u.Text == "some text" {
			t.Errorf("cut at %d of %d bytes: read as whole", n, len(whole))
		}
	}
	if err := Update.Unpack("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", new(fleet.Update)); err == nil {
		t.Error("a length beyond the end was taken")
	}
	if err := Attempts.Unpack(Attempts.Pack(&fleet.Attempts{Spent: 2})+"\xc8\x05", new(fleet.Attempts)); err == nil {
		t.Error("a broken field of a later version was taken")
	}
}

// Firmware that was uploaded before images were read, and before they were kept in buckets.
func TestFirmwareWithoutMetadataIsRead(t *testing.T) {
	want := filled[fleet.Firmware]()
	want.Forced, want.Metadata, want.Object = false, fleet.Metadata{}, ""
	want.Hardware, want.Requires, want.Floor, want.Notes = nil, fleet.Range{}, 0, ""
	old, err := hex.DecodeString("0102d00f0205312e332e300306746578742034040674657874203505067465787420360602bc050720080808080808080808080808080808080808080808080808080808080808080808098980a8b1e39fe7cb170907746578742031300a01010b098c80a8b1e39fe7cb17")
	if err != nil {
		t.Fatal(err)
	}
	var got fleet.Firmware
	if err := Firmware.Unpack(string(old), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameVersion); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestARecordWithFieldsOfALaterVersionIsRead(t *testing.T) {
	f := fields{record: []byte(Attempts.Pack(&fleet.Attempts{Spent: 2}))}
	f.put(200, "new")
	var a fleet.Attempts
	if err := Attempts.Unpack(string(f.record), &a); err != nil || a.Spent != 2 {
		t.Errorf("got %+v, %v", a, err)
	}
}

// Roaming was a flag: products of that time roam within groups, the default since.
func TestAProductThatRoamedRoamsWithinGroups(t *testing.T) {
	var p fleet.Product
	if err := Product.Unpack("\x07\x01\x01", &p); err != nil || p.Roaming != fleet.RoamingGroups {
		t.Errorf("got %s, %v", p.Roaming, err)
	}
}
