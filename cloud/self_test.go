package cloud_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

// TestAUserChangesTheirPasswordAndLeaves does both over REST alone, with the fields that
// particle-api-js sends.
func TestAUserChangesTheirPasswordAndLeaves(t *testing.T) {
	t.Parallel()
	w := serve(t)
	const old, fresh = "her first password", "her second password"
	cloudtest.Must[api.AddedUser](t)(w.AddUser(t.Context(), api.NewUser{Email: "ada@example.com", Role: "viewer", Password: old}))
	base := w.URL("")
	sign := func(password string) (*editor, error) {
		_, token, err := client.SignIn(t.Context(), base, "ada@example.com", password)
		return &editor{server: base, token: token.AccessToken}, err
	}
	laptop := cloudtest.Must[*editor](t)(sign(old))
	phone := cloudtest.Must[*editor](t)(sign(old))
	status := func(o *editor) int { return o.ask(t, http.MethodGet, "/v1/account", "", nil).status }
	change := func(current, password string) asked {
		return laptop.ask(t, http.MethodPut, "/v1/user", "", []byte(`{"current_password":"`+current+`","password":"`+password+`","invalidate_tokens":true}`))
	}
	if a := change("not hers", fresh); a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "current_password") {
		t.Errorf("a wrong password: got %d %s", a.status, a.body)
	}
	if status(phone) != http.StatusOK {
		t.Error("a refused change ended a session")
	}
	if a := change(old, fresh); a.status != http.StatusOK || strings.Contains(string(a.body), "password") {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a, b := status(laptop), status(phone); a != http.StatusOK || b != http.StatusUnauthorized {
		t.Errorf("the session that asked: got %d, the other: %d; want 200 and 401", a, b)
	}
	if _, err := sign(old); err == nil {
		t.Error("the old password still signs in")
	}
	if _, err := sign(fresh); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if a := laptop.ask(t, http.MethodPost, "/v1/team/leave", "", nil); a.status != http.StatusNoContent || status(laptop) != http.StatusUnauthorized {
		t.Errorf("leaving: got %d %s", a.status, a.body)
	}
	owner := &editor{server: base, token: w.Token()}
	if a := owner.ask(t, http.MethodPost, "/v1/team/leave", "", nil); a.status != http.StatusConflict || !strings.Contains(string(a.body), "hand it over") {
		t.Errorf("the owner leaves: got %d %s", a.status, a.body)
	}
	log := string(owner.ask(t, http.MethodGet, "/v1/team/audit?pageLimit=100", "", nil).body)
	if !strings.Contains(log, "user.password") || !strings.Contains(log, "user.leave") || strings.Contains(log, fresh) {
		t.Errorf("the audit log: got %s", log)
	}
	if a := owner.ask(t, http.MethodGet, "/v1/events", "", nil); a.status != http.StatusBadRequest || !strings.Contains(string(a.body), "events' names") {
		t.Errorf("events without a prefix: got %d %s", a.status, a.body)
	}
}
