package cloud_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire/mqtt"
)

// With a limit of open files that is far too low, devices are refused, and everything else works.
func TestDevicesLeaveDescriptorsForEverythingElse(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t, func(p *cloudtest.Process) { p.Files = 256 })
	c := p.Owner()
	if _, err := c.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp); err != nil {
		t.Fatal(err)
	}
	var ids []fleet.DeviceID
	for i := range 200 {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("d%d", i)))
	}
	credentials := cloudtest.Enroll(t, c, ids...)
	connected := 0
	for _, credential := range credentials {
		conn, err := mqttlite.Dial(t.Context(), p.Broker(), mqtt.Client{ID: string(credential.ID), User: string(credential.ID), Password: credential.Secret})
		if err == nil {
			connected++
			defer conn.Close()
		}
	}
	if connected == 0 || connected == len(credentials) {
		t.Errorf("%d devices of %d are connected, want some", connected, len(credentials))
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		answer := cloudtest.Must[*http.Response](t)(http.Get(p.URL + path))
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d, want 200", path, answer.StatusCode)
		}
	}
	p.Kill()
	if !strings.Contains(p.Output.String(), "the limit of open files is too low") {
		t.Errorf("no warning in the log:\n%s", p.Output)
	}
}
