package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
)

// TestUnknownParametersAreNamedOnEveryRoute walks the routes as they are registered.
func TestUnknownParametersAreNamedOnEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range w.routes() {
		status, body := w.do(r.Method, pathParameter.ReplaceAllString(r.Path, "1")+"?grops=beta&access_token=x", "", "")
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != http.StatusUnprocessableEntity || p.Fields["grops"] == "" || len(p.Fields) != 1 {
			t.Errorf("%s %s: got %d %.200s, want 422 that names grops alone", r.Method, r.Path, status, body)
		}
	}
	_, body := w.do(http.MethodGet, "/v1/products/lamp/groups?nam=x", "", "")
	if !strings.Contains(body, "use name") {
		t.Errorf("got %s, want what there is instead", body)
	}
	if status, body := w.do(http.MethodGet, "/v1/products?%zz=1", "", ""); status != http.StatusBadRequest {
		t.Errorf("a query that is none: got %d %s, want 400", status, body)
	}
}

// TestParametersOfPublicClientsAreTaken sends what the clients of Particle and nRF Cloud
// may send, and what particle-api-js does.
func TestParametersOfPublicClientsAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{
		"/v1/user?access_token=x",
		"/v1/products/lamp/devices?deviceId=a&deviceName=b&groups=beta&sortAttr=deviceId&sortDir=asc&page=1&per_page=5&serialNumber=1&quarantined=false&access_token=x",
		"/v1/products/lamp/devices?groups[0]=beta&groups[1]=eu&groups[]=eu&perPage=5",
		"/v1/products/lamp/groups?name=b",
		"/v1/products/lamp/impact?action=edit_groups_for_firmware&firmware_version=7&groups[0]=beta&product_default=true",
		"/v1/devices?includeState=true&includeStateMeta=false&transform=id&pageLimit=5&pageNextToken=a&tags=beta&deviceIds=a,b&deviceIdentifiers=x&firmwareSupport=APP&firmwareSupportExclude=BOOT&bleFirmwareSupport=a&deviceTypes=BLE&gatewayId=g&subTypes=x&deviceNameFuzzy=a",
		"/v1/devices/lamp-7?transform=id",
		"/v1/messages?inclusiveStart=2026-01-01T00:00:00Z&exclusiveEnd=2026-02-01T00:00:00Z&deviceId=a&appId=TEMP&topic=t&pageLimit=5&pageSort=asc&pageNextToken=5-0",
	} {
		if status, body := w.do(http.MethodGet, path, "", ""); status != http.StatusOK {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	if status, body := w.do(http.MethodPost, "/v1/products/lamp/devices?claim_user=x", "application/json", `{"id":"a"}`); status != http.StatusOK {
		t.Errorf("import: got %d %s", status, body)
	}
}
