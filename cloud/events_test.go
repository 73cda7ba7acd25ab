package cloud_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// listen opens an event stream and returns its event lines, one by one; "" at the end.
func (s *stage) listen(path, token string) (next func() string) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.URL("")+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.Fatalf("got %v, %v", answer, err)
	}
	s.Cleanup(func() { _ = answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	next = func() string {
		for lines.Scan() {
			if line := lines.Text(); line != "" && line != ":" {
				return line
			}
		}
		return ""
	}
	if got := next(); got != ":ok" {
		s.Fatalf("a stream begins with %q", got)
	}
	return next
}

// TestEventReachesThoseWhoSeeItsDeviceNow changes rights while a stream is open.
func TestEventReachesThoseWhoSeeItsDeviceNow(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	seen, hidden := s.subject(own, "{device}")["device"], s.subject(foreign, "{device}")["device"]
	next := s.listen("/v1/events/muster%2Fdevice", s.tokens[fleet.Viewer])
	name := func(id, text string) {
		t.Helper()
		cloudtest.Must[fleet.DeviceView](t)(s.Cloud.Registry().EditDevice(ctx, s.actors[fleet.Owner], 0, fleet.DeviceID(id), fleet.DeviceEdit{Name: &text}))
	}
	heard := func() string {
		t.Helper()
		if got := next(); got != "event: muster/device/update" {
			t.Fatalf("got %q", got)
		}
		_, data, _ := strings.Cut(next(), `"data":"{\"name\":\"`)
		word, _, _ := strings.Cut(data, `\"`)
		return word
	}
	name(hidden, "secret")
	name(seen, "first")
	if got := heard(); got != "first" {
		t.Errorf("got %q, want the event of the device the viewer sees", got)
	}
	if _, err := s.Cloud.Accounts().EditMember(ctx, s.actors[fleet.Owner], "viewer@example.com", nil, &[]string{"*"}); err != nil {
		t.Fatal(err)
	}
	name(hidden, "shown")
	if got := heard(); got != "shown" {
		t.Errorf("after all groups were given: got %q", got)
	}
	if err := s.Cloud.Accounts().RemoveMember(ctx, s.actors[fleet.Owner], "viewer@example.com"); err != nil {
		t.Fatal(err)
	}
	name(seen, "gone")
	if got := next(); got != "" {
		t.Errorf("after the viewer was removed: got %q, want the end of the stream", got)
	}
}

// TestReleaseEventsOmitHiddenGroups lets an editor listen to two releases.
func TestReleaseEventsOmitHiddenGroups(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hidden := s.subject(foreign, "{group}")["group"]
	next := s.listen("/v1/products/"+cloudtest.Lamp+"/events/particle%2Ffirmware%2Frelease", s.tokens[fleet.Editor])
	s.ReleaseVersion(1, func(r *api.Release) { r.Groups = api.Some(api.Names{hidden}) })
	s.ReleaseVersion(1, func(r *api.Release) { r.Groups = api.Some(api.Names{hidden, "own"}) })
	if got := next(); got != "event: particle/firmware/release" {
		t.Fatalf("got %q", got)
	}
	if got := next(); !strings.Contains(got, `\"groups\":[\"own\"]`) || strings.Contains(got, hidden) {
		t.Errorf("got %s, want group own and no other", got)
	}
}

// TestShutdownEndsEventStreams would hang, or be reported as a failed end, otherwise.
func TestShutdownEndsEventStreams(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	next := s.listen("/v1/devices/events", s.tokens[fleet.Owner])
	s.Stop()
	if got := next(); got != "" {
		t.Errorf("got %q after the end", got)
	}
}
