package cloud

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// TestASlowListenerIsToldWhatItMissed fills a listener's queue: nobody waits for it.
func TestASlowListenerIsToldWhatItMissed(t *testing.T) {
	e := newEvents()
	slow, leave := e.Listen(1)
	defer leave()
	for range 3 * maxQueued {
		e.tell(fleet.Event{Payload: fleet.HandshakeDone{}, Team: 1})
		e.tell(fleet.Event{Payload: fleet.GroupChanged{}, Team: 2})
	}
	names := map[fleet.EventName]int{}
	for range maxQueued {
		names[(<-slow).Name()]++
	}
	if names[fleet.EventHandshake] != maxQueued-1 || names[fleet.EventMissed] != 1 || len(slow) != 0 {
		t.Errorf("got %v, want %d events of its team and one marker", names, maxQueued-1)
	}
	e.tell(fleet.Event{Payload: fleet.MessageReceived{}, Team: 1})
	if got := <-slow; got.Name() != fleet.EventMessage {
		t.Errorf("after it caught up: got %q", got.Name())
	}
	e.close()
	if _, more := <-slow; more {
		t.Error("the server ended and the subscription went on")
	}
	after, leave2 := e.Listen(1)
	defer leave2()
	if _, more := <-after; more {
		t.Error("a subscription after the end must end at once")
	}
}

// listen opens an event stream and returns its event lines, one by one; "" at the end.
func (s *stage) listen(path, token string) (next func() string) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+s.cloud.Addresses().HTTP+path, nil)
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

// TestAnEventIsHeardByWhoSeesItsDeviceNow changes rights while a stream is open.
func TestAnEventIsHeardByWhoSeesItsDeviceNow(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	seen, hidden := s.subject(own)["device"], s.subject(foreign)["device"]
	next := s.listen("/v1/events/muster%2Fdevice", s.tokens[fleet.Viewer])
	name := func(id, text string) {
		t.Helper()
		must[fleet.DeviceView](t)(s.cloud.registry.EditDevice(ctx, s.actors[fleet.Owner], 0, fleet.DeviceID(id), fleet.DeviceEdit{Name: &text}))
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
	if _, err := s.cloud.registry.EditMember(ctx, s.actors[fleet.Owner], "viewer@example.com", nil, &[]string{"*"}); err != nil {
		t.Fatal(err)
	}
	name(hidden, "shown")
	if got := heard(); got != "shown" {
		t.Errorf("after all groups were given: got %q", got)
	}
	if err := s.cloud.registry.RemoveMember(ctx, s.actors[fleet.Owner], "viewer@example.com"); err != nil {
		t.Fatal(err)
	}
	name(seen, "gone")
	if got := next(); got != "" {
		t.Errorf("after the viewer was removed: got %q, want the end of the stream", got)
	}
}

// TestReleasesAreToldWithoutHiddenGroups has an editor listen to two releases.
func TestReleasesAreToldWithoutHiddenGroups(t *testing.T) {
	s := newStage(t)
	hidden := s.subject(foreign)["group"]
	next := s.listen("/v1/products/"+lamp+"/events/particle%2Ffirmware%2Frelease", s.tokens[fleet.Editor])
	s.release(1, func(r *api.Release) { r.Groups = api.Some(api.Names{hidden}) })
	s.release(1, func(r *api.Release) { r.Groups = api.Some(api.Names{hidden, "own"}) })
	if got := next(); got != "event: particle/firmware/release" {
		t.Fatalf("got %q", got)
	}
	if got := next(); !strings.Contains(got, `\"groups\":[\"own\"]`) || strings.Contains(got, hidden) {
		t.Errorf("got %s, want group own and no other", got)
	}
}

// TestShutdownEndsEventStreams would hang, or be reported as a failed end, otherwise.
func TestShutdownEndsEventStreams(t *testing.T) {
	s := newStage(t)
	next := s.listen("/v1/devices/events", s.tokens[fleet.Owner])
	s.stop()
	if got := next(); got != "" {
		t.Errorf("got %q after the end", got)
	}
}
