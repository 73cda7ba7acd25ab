package cloud

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
	"github.com/muster-iot/muster/fleet"
)

// crowd is how many devices the test of imports imports; by hand also 100,000.
const crowd = 3500

// TestImportTellsOfEachLineAsItGoes imports a file with a few lines that are wrong.
func TestImportTellsOfEachLineAsItGoes(t *testing.T) {
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
	const devices = 5000
	p := spawn(t)
	operator := p.operator()
	list := prepareBatch(t, operator, devices)
	answered := make(chan error, 1)
	go func() {
		answered <- operator.EditGroups(t.Context(), lamp, list, []string{"one", "two"}, []string{"old"})
	}()
	until(t, "some devices are changed", func() bool { return members(t, operator, "one") > 0 })
	p.kill()
	if err := <-answered; err == nil {
		t.Log("the batch was done before the server was killed")
	}
	p.start()
	operator = p.operator()
	until(t, "the lists are back", func() bool {
		_, err := operator.Devices(t.Context(), lamp, api.DeviceFilter{})
		return err == nil
	})
	for group, want := range map[string]int{"one": devices, "two": devices, "old": 0} {
		if got := members(t, operator, group); got != want {
			t.Errorf("%d devices are in %s, want %d", got, group, want)
		}
	}
}

// prepareBatch makes three groups and devices, all in group old.
func prepareBatch(t testing.TB, operator *api.Client, devices int) (ids []string) {
	t.Helper()
	if _, err := operator.CreateProduct(t.Context(), "Lamp", lamp); err != nil && !errors.Is(err, fleet.Conflict) {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two", "old"} {
		if _, err := operator.CreateGroup(t.Context(), lamp, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i := range devices {
		ids = append(ids, fmt.Sprintf("lamp-%06d", i))
	}
	if _, err := operator.Import(t.Context(), lamp, api.NewDevices{IDs: ids, Groups: api.Names{"old"}}); err != nil {
		t.Fatal(err)
	}
	return ids
}

func members(t testing.TB, operator *api.Client, name string) int {
	t.Helper()
	groups, err := operator.Groups(t.Context(), lamp)
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
	w := serve(b, redisOfItsOwn)
	ids := prepareBatch(b, w.Client, 10_000)
	for b.Loop() {
		for _, names := range [][]string{{"one", "old"}, {"old", "one"}} {
			if err := w.EditGroups(b.Context(), lamp, ids, names[:1], names[1:]); err != nil {
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
		w := serve(b, redisOfItsOwn)
		b.StartTimer()
		if got, _ := importFile(w, devices); got["updated"] != devices {
			b.Fatal(got)
		}
		b.StopTimer()
		w.stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(devices*b.N)/b.Elapsed().Seconds(), "devices/s")
}

// token is one of the owner's.
func (w *world) token() string {
	w.Helper()
	_, token, err := api.SignIn(w.Context(), "http://"+w.cloud.Addresses().HTTP, ownerEmail, ownerPassword)
	if err != nil {
		w.Fatal(err)
	}
	return token.AccessToken
}

// importFile imports n devices, one of them named twice, and a line that is no id.
func importFile(w *world, n int) (outcomes map[string]int, progress []int) {
	w.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file := must[io.Writer](w)(form.CreateFormFile("file", "devices.txt"))
	for i := range n {
		fmt.Fprintf(file, "lamp-%06d\r\n", i)
	}
	fmt.Fprint(file, "lamp-000000\nnot an id\n")
	if err := form.Close(); err != nil {
		w.Fatal(err)
	}
	request := must[*http.Request](w)(http.NewRequestWithContext(w.Context(), http.MethodPost, "http://"+w.cloud.Addresses().HTTP+"/v1/products/"+lamp+"/devices", &body))
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Accept", "application/x-ndjson")
	request.Header.Set("Authorization", "Bearer "+w.token())
	answer := must[*http.Response](w)(http.DefaultClient.Do(request))
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
