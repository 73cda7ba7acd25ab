package console

import (
	"net/http"
	"strings"
	"testing"
)

func TestAReleaseIsRehearsedFromItsWizard(t *testing.T) {
	w := withDevices(t)
	q := presetForm(planCareful, "").values()
	q.Set("default", "yes")
	confirm := body(t, w.send(http.MethodGet, "/p/lamp/firmware/1/confirm?"+q.Encode(), nil, w.signed))
	if !strings.Contains(confirm, `id="rehearse" href="/p/lamp/firmware/1/rehearsal?`) {
		t.Errorf("no way from the wizard to a rehearsal:\n%s", confirm)
	}
	for name, row := range map[string]struct {
		part, phase, want string
		status            int
	}{
		"without faults":   {"", "", "It agrees with the impact", http.StatusOK},
		"with faults":      {"30 %", "verify", `<option value="verify" selected`, http.StatusOK},
		"no share":         {"some", "verify", "is not a share", http.StatusUnprocessableEntity},
		"an unknown fault": {"5 %", "boot", "is not a phase", http.StatusUnprocessableEntity},
	} {
		q.Set("part", row.part)
		q.Set("phase", row.phase)
		answer := w.send(http.MethodGet, "/p/lamp/firmware/1/rehearsal?"+q.Encode(), nil, w.signed)
		if page := body(t, answer); answer.StatusCode != row.status || !strings.Contains(strings.ReplaceAll(page, "\n        ", " "), row.want) {
			t.Errorf("%s: got %d, want %d with %q:\n%s", name, answer.StatusCode, row.status, row.want, page)
		}
	}
}
