package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
)

// TestTwoWritersNeverLoseAnEditSilently lets two writers add words to the same text, each by
// reading it and writing it back: every word is there in the end, because the second writer
// gets 412 and reads again.
func TestTwoWritersNeverLoseAnEditSilently(t *testing.T) {
	t.Parallel()
	const edits = 10 // of each writer; the words fit into a name
	w := serve(t)
	w.UploadVersions(100, 1)
	if _, err := w.CreateGroup(t.Context(), cloudtest.Lamp, "beta", ""); err != nil {
		t.Fatal(err)
	}
	o := &editor{server: w.URL(""), token: w.Token()}
	for path, field := range map[string]string{
		"/v1/products/lamp":             "description",
		"/v1/products/lamp/groups/beta": "description",
		"/v1/products/lamp/firmware/1":  "description",
		"/v1/team":                      "name",
	} {
		t.Run(path, func(t *testing.T) {
			var writers sync.WaitGroup
			refused := make([]int, 2)
			for writer := range refused {
				writers.Go(func() {
					for i := range edits {
						refused[writer] += o.addWord(t, path, field, fmt.Sprintf("w%d-%d", writer, i))
					}
				})
			}
			writers.Wait()
			text, tag := o.read(t, path, field)
			if words := strings.Fields(text); strings.Count(text, "w0-") != edits || strings.Count(text, "w1-") != edits {
				t.Errorf("got %d words: %s", len(words), text)
			}
			t.Logf("%v edits were refused and made again", refused)
			if status := o.write(t, path, field, "late", `"0000000000000000"`); status != http.StatusPreconditionFailed {
				t.Errorf("a tag of another state: got %d, want 412", status)
			}
			if now, same := o.read(t, path, field); now != text || same != tag {
				t.Errorf("a refused edit changed %q %s to %q %s", text, tag, now, same)
			}
		})
	}
}

// editor is a client that sends the ETags it has read.
type editor struct{ server, token string }

// addWord appends word to a text as often as it takes, and returns how often someone else
// came first.
func (o *editor) addWord(t *testing.T, path, field, word string) (refused int) {
	for {
		text, tag := o.read(t, path, field)
		switch status := o.write(t, path, field, text+" "+word, tag); status {
		case http.StatusOK:
			return refused
		case http.StatusPreconditionFailed:
			refused++
		default:
			t.Errorf("%s: got %d", path, status)
			return refused
		}
	}
}

// read is a text field of what is at path, below one name or not, and its tag.
func (o *editor) read(t *testing.T, path, field string) (text, tag string) {
	answer := o.ask(t, http.MethodGet, path, "", nil)
	var object map[string]json.RawMessage
	if err := json.Unmarshal(answer.body, &object); err != nil {
		t.Errorf("%s: got %s", path, answer.body)
	}
	for _, wrapper := range []string{"product", "group"} {
		if inner, ok := object[wrapper]; ok {
			_ = json.Unmarshal(inner, &object) // the field is missed then
		}
	}
	if err := json.Unmarshal(object[field], &text); err != nil || answer.tag == "" {
		t.Errorf("%s: got %s, tag %q", path, answer.body, answer.tag)
	}
	return text, answer.tag
}

func (o *editor) write(t *testing.T, path, field, text, tag string) (status int) {
	body, _ := json.Marshal(map[string]string{field: text}) // always can be
	return o.ask(t, http.MethodPut, path, tag, body).status
}

// send writes a whole body; 0 when no answer came.
func (o *editor) send(t *testing.T, path string, body any) (status int) {
	text, err := json.Marshal(body)
	if err != nil {
		t.Error(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, o.server+path, bytes.NewReader(text))
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("Content-Type", asJSON)
	r.Header.Set("Authorization", "Bearer "+o.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

type asked struct {
	status int
	tag    string
	body   []byte
}

// ask sends one request as the owner.
func (o *editor) ask(t *testing.T, method, path, match string, body []byte) (a asked) {
	r, err := http.NewRequestWithContext(t.Context(), method, o.server+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return a
	}
	r.Header.Set("Content-Type", asJSON)
	r.Header.Set("Authorization", "Bearer "+o.token)
	if match != "" {
		r.Header.Set("If-Match", match)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return a
	}
	defer answer.Body.Close()
	a.body, err = io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	a.status, a.tag = answer.StatusCode, answer.Header.Get("ETag")
	return a
}
