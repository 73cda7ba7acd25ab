package cloud

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
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

// BenchmarkImport imports 100,000 devices by file, into a real redis-server.
func BenchmarkImport(b *testing.B) {
	const devices = 100_000 - 2 // and the two lines that are wrong
	w := serve(b, redisOfItsOwn)
	for b.Loop() {
		began := time.Now()
		if got, _ := importFile(w, devices); got["updated"] != devices {
			b.Fatal(got)
		}
		b.ReportMetric(devices/time.Since(began).Seconds(), "devices/s")
		break // they exist from now on
	}
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
	_, token, err := api.SignIn(w.Context(), "http://"+w.cloud.Addresses().HTTP, ownerEmail, ownerPassword)
	if err != nil {
		w.Fatal(err)
	}
	request := must[*http.Request](w)(http.NewRequestWithContext(w.Context(), http.MethodPost, "http://"+w.cloud.Addresses().HTTP+"/v1/products/"+lamp+"/devices", &body))
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Accept", "application/x-ndjson")
	request.Header.Set("Authorization", "Bearer "+token.AccessToken)
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
