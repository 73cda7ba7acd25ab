//go:build interop

package cloud_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

func TestPythonGatewayUpdatesItsDevicesFromOneImage(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	gateway := w.EnrollGateways("nest")[0]
	w.EnrollBehind("nest", "b1", "b2")
	w.EditDevice("b2", api.DeviceUpdate{Gateway: api.Null[string]()}) // the gateway attaches it
	host, port, err := net.SplitHostPort(w.Cloud.Addresses().MQTT)
	if err != nil {
		t.Fatal(err)
	}
	out, trouble, ok := program(t, python(t), scripts+"gateway.py", host, port, "nest", gateway.Secret, "2", "nest-0", "b1", "b2")
	if !ok {
		t.Fatalf("the gateway failed: %s%s", out, trouble)
	}
	var verdict struct {
		Children map[string]string
		Chunks   int
	}
	if err := json.Unmarshal([]byte(out), &verdict); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%x", sha256.Sum256(cloudtest.Image(2, imageSize)))
	for _, id := range []string{"nest-0", "b1", "b2"} {
		if verdict.Children[id] != want {
			t.Errorf("%s: got %s, want %s", id, verdict.Children[id], want)
		}
	}
	w.runs("nest-0", 2)
	w.runs("b1", 2)
	w.runs("b2", 2)
	if verdict.Chunks != imageSize/2048 {
		t.Errorf("%d chunks came down, want each once: %d", verdict.Chunks, imageSize/2048)
	}
}
