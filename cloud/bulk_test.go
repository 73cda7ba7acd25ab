package cloud_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// crowd is how many devices the test of imports imports; by hand also 100,000.
const crowd = 3500

// TestImportReportsEachLineAsItGoes imports a file with a few lines that are wrong.
func TestImportReportsEachLineAsItGoes(t *testing.T) {
	t.Parallel()
	w := serve(t)
	outcomes, progress := importFile(w, crowd)
	want := map[string]int{"updated": crowd, "existing": 1, "invalid": 1}
	if fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", outcomes, want)
	}
	if len(progress) != 4 || progress[0] != 1000 || progress[3] != crowd+2 {
		t.Errorf("progress: %v", progress)
	}
	if again, _ := importFile(w, crowd); again["existing"] != crowd+1 {
		t.Errorf("the same file again: got %v", again)
	}
}

// TestABatchOfGroupsOutlivesACrash kills the server in the middle of a batch: after the
// next start every device has all of it.
func TestABatchOfGroupsOutlivesACrash(t *testing.T) {
	t.Parallel()
	const devices = 5000
	p := cloudtest.Spawn(t)
	operator := p.Owner()
	list := prepareBatch(t, operator, devices)
	answered := make(chan error, 1)
	go func() {
		answered <- operator.EditGroups(t.Context(), cloudtest.Lamp, list, []string{"one", "two"}, []string{"old"})
	}()
	cloudtest.Until(t, "some devices are changed", func() bool { return members(t, operator, "one") > 0 })
	p.Kill()
	if err := <-answered; err == nil {
		t.Log("the batch was done before the server was killed")
	}
	p.Start()
	operator = p.Owner()
	cloudtest.Until(t, "the lists are back", func() bool {
		_, err := operator.Devices(t.Context(), cloudtest.Lamp, api.DeviceFilter{})
		return err == nil
	})
	for group, want := range map[string]int{"one": devices, "two": devices, "old": 0} {
		if got := members(t, operator, group); got != want {
			t.Errorf("%d devices are in %s, want %d", got, group, want)
		}
	}
}

// prepareBatch makes three groups and devices, all in group old.
func prepareBatch(t testing.TB, operator *client.Client, devices int) (ids []string) {
	t.Helper()
	if _, err := operator.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp); err != nil && !errors.Is(err, fleet.Conflict) {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two", "old"} {
		if _, err := operator.CreateGroup(t.Context(), cloudtest.Lamp, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i := range devices {
		ids = append(ids, fmt.Sprintf("lamp-%06d", i))
	}
	if _, err := operator.Import(t.Context(), cloudtest.Lamp, api.NewDevices{IDs: ids, Groups: api.Names{"old"}}); err != nil {
		t.Fatal(err)
	}
	return ids
}

func members(t testing.TB, operator *client.Client, name string) int {
	t.Helper()
	groups, err := operator.Groups(t.Context(), cloudtest.Lamp)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g.Name == name {
			return g.Devices
		}
	}
	return 0
}

// BenchmarkBatch changes the groups of 10,000 devices, on a real redis-server.
func BenchmarkBatch(b *testing.B) {
	w := serve(b)
	ids := prepareBatch(b, w.Client, 10_000)
	for b.Loop() {
		for _, names := range [][]string{{"one", "old"}, {"old", "one"}} {
			if err := w.EditGroups(b.Context(), cloudtest.Lamp, ids, names[:1], names[1:]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(2*len(ids)*b.N)/b.Elapsed().Seconds(), "devices/s")
}

// BenchmarkImport imports 100,000 devices by file, into a real redis-server.
func BenchmarkImport(b *testing.B) {
	const devices = 100_000 - 2 // and the two lines that are wrong
	for b.Loop() {
		b.StopTimer()
		w := serve(b)
		b.StartTimer()
		if got, _ := importFile(w, devices); got["updated"] != devices {
			b.Fatal(got)
		}
		b.StopTimer()
		w.Stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(devices*b.N)/b.Elapsed().Seconds(), "devices/s")
}

// importFile imports n devices, one of them named twice, and a line that is not an id.
func importFile(w *world, n int) (outcomes map[string]int, progress []int) {
	w.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file := cloudtest.Must[io.Writer](w)(form.CreateFormFile("file", "devices.txt"))
	for i := range n {
		fmt.Fprintf(file, "lamp-%06d\r\n", i)
	}
	fmt.Fprint(file, "lamp-000000\nnot an id\n")
	if err := form.Close(); err != nil {
		w.Fatal(err)
	}
	request := cloudtest.Must[*http.Request](w)(http.NewRequestWithContext(w.Context(), http.MethodPost, w.URL("")+"/v1/products/"+cloudtest.Lamp+"/devices", &body))
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Accept", "application/x-ndjson")
	request.Header.Set("Authorization", "Bearer "+w.Token())
	answer := cloudtest.Must[*http.Response](w)(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		w.Fatal(answer.Status)
	}
	outcomes = map[string]int{}
	secrets := map[string]bool{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		var line api.ImportLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Error != "" {
			w.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if line.ID == "" {
			progress = append(progress, *line.Done)
			continue
		}
		outcomes[line.Outcome]++
		if (line.Secret != "") != (line.Outcome == "updated") || line.Secret != "" && secrets[line.Secret] {
			w.Fatalf("a secret that should not be, or should: %s", lines.Bytes())
		}
		secrets[line.Secret] = true
	}
	if lines.Err() != nil {
		w.Fatal(lines.Err())
	}
	return outcomes, progress
}
