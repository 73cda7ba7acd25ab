package cloud_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
)

// tag replaces a device's tags as nRF Cloud's clients do.
func (w *world) tag(t testing.TB, token, device, body string) (status int, answer string) {
	t.Helper()
	request := cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPut,
		w.URL("")+"/v1/devices/"+device+"/tags", strings.NewReader(body)))
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	got := cloudtest.Must[*http.Response](t)(http.DefaultClient.Do(request))
	defer got.Body.Close()
	return got.StatusCode, string(cloudtest.Must[[]byte](t)(io.ReadAll(got.Body)))
}

func TestTagsOfADeviceAreReplacedAndMissingOnesMadeInTheTeam(t *testing.T) {
	t.Parallel()
	w, token := nrfFleet(t)
	if status, body := w.tag(t, token, "lamp-3", `["eu","new:one"]`); status != http.StatusAccepted {
		t.Fatalf("got %d %s", status, body)
	}
	for tags, want := range map[string][]string{"beta": {"lamp-1", "lamp-2"}, "new:one": {"lamp-3"}} {
		if got := nrfAll(t, w, token, "/v1/devices?tags="+tags, deviceKey, func() {}); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tags, got, want)
		}
	}
	if status, body := w.tag(t, token, "tag-1", `["new:one"]`); status != http.StatusAccepted {
		t.Errorf("a group of the team takes any device: got %d %s", status, body)
	}
	if status, _ := w.tag(t, token, "lamp-3", `[]`); status != http.StatusAccepted {
		t.Errorf("got %d", status)
	}
	if got := nrfAll(t, w, token, "/v1/devices?tags=new:one", deviceKey, func() {}); !slices.Equal(got, []string{"tag-1"}) {
		t.Errorf("got %q", got)
	}
}

func TestInvalidTagsAreRefusedByName(t *testing.T) {
	t.Parallel()
	w, token := nrfFleet(t)
	for _, body := range []string{``, `null`, `{}`, `"beta"`, `["two words"]`, `[1]`, `[null`, `["` + strings.Repeat("x", 100) + `"]`} {
		status, answer := w.tag(t, token, "lamp-1", body)
		if status < 400 || status > 499 || !strings.Contains(answer, "tags") && !strings.Contains(answer, "groups") {
			t.Errorf("%.40s: got %d %s", body, status, answer)
		}
	}
	if status, _ := w.tag(t, token, "nobody", `[]`); status != http.StatusNotFound {
		t.Errorf("got %d, want 404", status)
	}
	if got := nrfAll(t, w, token, "/v1/devices?tags=beta", deviceKey, func() {}); len(got) != 3 {
		t.Errorf("%q are in beta still, want 3", got)
	}
}

func TestTagsOfTheTeamAreListedByPage(t *testing.T) {
	t.Parallel()
	w, token := nrfFleet(t)
	w.tag(t, token, "lamp-1", `["beta","a","b","c"]`)
	own := func(tag string) string { return tag }
	for _, limit := range []string{"1", "2", "100"} {
		got := nrfAll(t, w, token, "/v1/devices/tags?pageLimit="+limit, own, func() {})
		if want := []string{"a", "b", "beta", "c", "eu"}; !slices.Equal(got, want) {
			t.Errorf("pages of %s: got %q, want %q", limit, got, want)
		}
	}
}
