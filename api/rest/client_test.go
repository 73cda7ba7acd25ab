package rest_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
)

func isKind(err error, kind fleet.Kind) bool { return errors.Is(err, kind) }

func whole(n uint32) api.Version { return api.Version{Version: fleet.WholeVersion(n)} }

func TestClientSignsIn(t *testing.T) {
	s := newServe(t)
	if _, _, err := client.SignIn(t.Context(), s.server.URL, "me@example.com", "wrong"); !isKind(err, fleet.Unauthenticated) {
		t.Errorf("got %v, want Unauthenticated", err)
	}
	c, token, err := client.SignIn(t.Context(), s.server.URL, "me@example.com", "right")
	if err != nil || token.ID != "abc" {
		t.Fatalf("got %+v, %v", token, err)
	}
	if _, err := c.Products(t.Context()); err != nil {
		t.Errorf("the client that signed in can't ask: %v", err)
	}
}

// TestUnknownGroupSelectsNothing: a name that is no group the actor sees is like one
// that does not exist.
func TestUnknownGroupSelectsNothing(t *testing.T) {
	s := newServe(t)
	list, err := s.Devices(t.Context(), "42", api.DeviceFilter{Groups: []string{"hidden"}})
	if err != nil || len(list.Devices) != 0 || list.Meta.Total != 0 || list.Meta.TotalPages != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestClientEditsGroups(t *testing.T) {
	s := newServe(t)
	if err := s.EditGroups(t.Context(), "42", []string{"a"}, []string{"beta"}, []string{"eu"}); err != nil {
		t.Fatal(err)
	}
	want := fleet.GroupsEdit{Product: 42, Devices: []fleet.DeviceID{"a"}, Add: []string{"beta"}, Remove: []string{"eu"}}
	if diff := cmp.Diff(want, s.registry.batch); diff != "" {
		t.Error(diff)
	}
}

// TestKindsReachTheClient sends each kind of error through HTTP and back.
func TestKindsReachTheClient(t *testing.T) {
	s := newServe(t)
	for _, kind := range kinds() {
		sent := fleet.Errorf(kind, "the text of %s", string(kind))
		s.registry.fails = sent
		_, err := s.Device(t.Context(), "lamp-7")
		if !isKind(err, kind) || err.Error() != sent.Error() {
			t.Errorf("%s: got %v", kind, err)
		}
	}
	s.registry.fails = &fleet.Error{Kind: fleet.Denied, Code: "group_restricted", Text: "ask an admin"}
	_, err := s.Device(t.Context(), "lamp-7")
	var detail *fleet.Error
	if !errors.As(err, &detail) || detail.Code != "group_restricted" || !isKind(err, fleet.Denied) {
		t.Errorf("a code of its own: got %#v", err)
	}
	s.registry.fails = json.Unmarshal([]byte("{"), new(int))
	if _, err := s.Device(t.Context(), "lamp-7"); err == nil || strings.Contains(err.Error(), "JSON") {
		t.Errorf("an error without a kind must not show its text: got %v", err)
	}
	gone := client.New("http://127.0.0.1:1", "")
	if _, err := gone.Server(t.Context()); !isKind(err, fleet.Unavailable) {
		t.Errorf("no server: got %v, want Unavailable", err)
	}
}

func TestClientSeesThatSomeoneCameFirst(t *testing.T) {
	s := newServe(t)
	s.registry.fails = &fleet.Error{Kind: fleet.Conflict, Code: fleet.CodeChanged, Text: "look again"}
	_, err := s.UpdateDevice(t.Context(), "lamp", "lamp-7", api.DeviceUpdate{})
	var detail *fleet.Error
	if !errors.As(err, &detail) || detail.Code != fleet.CodeChanged || !isKind(err, fleet.Conflict) {
		t.Errorf("got %#v", err)
	}
}

func TestClientStreamsImages(t *testing.T) {
	s := newServe(t)
	image, err := s.Download(t.Context(), "lamp", whole(7))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if data, err := io.ReadAll(image); err != nil || string(data) != "abc" {
		t.Errorf("download: got %q, %v", data, err)
	}
}

// TestClientUploadEndsWhenRefused: the server may answer before it read everything.
func TestClientUploadEndsWhenRefused(t *testing.T) {
	s := newServe(t)
	if _, err := s.Upload(t.Context(), "nope", api.NewFirmware{Version: whole(8)}, strings.NewReader(strings.Repeat("x", 10<<20))); err == nil {
		t.Error("an upload to an unknown product went through")
	}
}

// kinds are the kinds of error that have a status.
func kinds() (kinds []fleet.Kind) {
	for _, row := range api.Statuses {
		kinds = append(kinds, row.Kind)
	}
	return kinds
}
