package cloud_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// An export has what the list has, for each user what they see, over several pages.
func TestAnExportHasWhatItsReaderSees(t *testing.T) {
	t.Parallel()
	w := serve(t)
	ids := make([]fleet.DeviceID, 250)
	for i := range ids {
		ids[i] = fleet.DeviceID("lamp-" + string(rune('a'+i/26)) + string(rune('a'+i%26)))
	}
	w.Enroll(ids...)
	cloudtest.Must[api.Group](t)(w.CreateGroup(t.Context(), cloudtest.Lamp, "secretive", ""))
	w.EditDevice("lamp-aa", api.DeviceUpdate{Groups: api.Some(api.Names{"secretive"}), Name: api.Some("=1+1")})
	rows := func(c *client.Client, f api.DeviceFilter) [][]string {
		t.Helper()
		var out bytes.Buffer
		if err := c.ExportDevices(t.Context(), &out, "csv", cloudtest.Lamp, f); err != nil {
			t.Fatal(err)
		}
		return cloudtest.Must[[][]string](t)(csv.NewReader(&out).ReadAll())[1:]
	}
	all := rows(w.Client, api.DeviceFilter{})
	if len(all) != len(ids) || !slices.IsSortedFunc(all, func(a, b []string) int { return strings.Compare(a[0], b[0]) }) || all[0][1] != "'=1+1" || all[0][4] != "secretive" {
		t.Errorf("%d rows, the first %q", len(all), all[0])
	}
	if some := rows(w.Client, api.DeviceFilter{Groups: []string{"secretive"}}); len(some) != 1 {
		t.Errorf("of a group: %d rows", len(some))
	}
	added := cloudtest.Must[api.AddedUser](t)(w.AddUser(t.Context(), api.NewUser{Name: "reader", Role: "viewer"}))
	reader := client.New(w.URL(""), added.Token.AccessToken)
	if seen := rows(reader, api.DeviceFilter{}); len(seen) != len(ids)-1 || strings.Contains(strings.Join(slices.Concat(seen...), " "), "secretive") {
		t.Errorf("a viewer got %d rows", len(seen))
	}
	var out bytes.Buffer
	if err := reader.ExportAudit(t.Context(), &out, "csv", api.AuditFilter{}); fleet.KindOf(err) != fleet.Denied {
		t.Errorf("audit as viewer: %v", err)
	}
	if err := w.ExportAudit(t.Context(), &out, "jsonl", api.AuditFilter{Action: "group"}); err != nil {
		t.Fatal(err)
	}
	var entry struct{ Action, Object string }
	if err := json.Unmarshal([]byte(strings.TrimSpace(out.String())), &entry); err != nil || entry.Action != "group.create" {
		t.Errorf("got %s, %v", out.String(), err)
	}
	if err := w.ExportDevices(t.Context(), &out, "xls", cloudtest.Lamp, api.DeviceFilter{}); fleet.KindOf(err) != fleet.Invalid {
		t.Errorf("another format: %v", err)
	}
}
