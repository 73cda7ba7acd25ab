//go:build interop

package cloud_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator"
)

const scripts = "../testdata/interop/"

// program runs a foreign client to its end and returns what it wrote to standard output
// and to standard error, and whether it succeeded.
func program(t *testing.T, name string, args ...string) (out, trouble string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cloudtest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return stdout.String(), stderr.String(), err == nil
}

// python is an interpreter that sees paho and cbor2: Debian's, or the first on PATH.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import paho.mqtt.client, cbor2").Run() == nil {
			return name
		}
	}
	t.Fatal("no python3 with paho.mqtt and cbor2: install python3-paho-mqtt and python3-cbor2")
	return ""
}

// at is the arguments by which mosquitto's clients connect as c, with protocol version.
func (w *world) at(c simulator.Credential, version string, args ...string) []string {
	host, port, err := net.SplitHostPort(w.Cloud.Addresses().MQTT)
	if err != nil {
		w.Fatal(err)
	}
	return append([]string{"-h", host, "-p", port, "-V", version, "-i", string(c.ID), "-u", string(c.ID), "-P", c.Secret}, args...)
}

func TestPythonDeviceTakesAWholeUpdate(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	device := w.Enroll("snake")[0]
	host, port, err := net.SplitHostPort(w.Cloud.Addresses().MQTT)
	if err != nil {
		t.Fatal(err)
	}
	out, trouble, ok := program(t, python(t), scripts+"device.py", host, port, string(device.ID), device.Secret)
	if !ok {
		t.Fatalf("the device failed: %s%s", out, trouble)
	}
	var verdict struct {
		Version, Target, Chunks int
		SHA256                  string
	}
	if err := json.Unmarshal([]byte(out), &verdict); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(cloudtest.Image(2, imageSize))); verdict.Version != 2 || verdict.Target != 2 || verdict.SHA256 != want || verdict.Chunks != imageSize/2048 {
		t.Errorf("got %+v, want version 2 with SHA-256 %s in chunks of 2 KiB", verdict, want)
	}
	updates := cloudtest.Must[[]api.Update](t)(w.DeviceUpdates(t.Context(), "snake"))
	if len(updates) != 1 || updates[0].State != "confirmed" {
		t.Errorf("got updates %+v, want one, confirmed", updates)
	}
}

func TestJavaScriptDeviceShakesHandsOverWebSocket(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	device := w.Enroll("web")[0]
	out, trouble, ok := program(t, "node", scripts+"device.mjs", w.Cloud.Addresses().WebSocket, string(device.ID), device.Secret, "1")
	if !ok {
		t.Fatalf("the device failed: %s%s", out, trouble)
	}
	var welcome struct{ Nonce, Target, Reason int }
	if err := json.Unmarshal([]byte(out), &welcome); err != nil {
		t.Fatal(err)
	}
	if welcome.Nonce != 77 || welcome.Target != 2 || welcome.Reason != 14 {
		t.Errorf("got %+v, want its nonce, target 2, and reason 14 since it takes no updates", welcome)
	}
	if d := w.Record("web"); d.Running.String() != "1" || d.UpdatesOn {
		t.Errorf("got record %+v", d)
	}
	if out, trouble, ok = program(t, "node", scripts+"device.mjs", w.Cloud.Addresses().WebSocket, string(device.ID), "wrong", "1"); ok || !strings.Contains(trouble, "Not authorized") {
		t.Errorf("a wrong secret: got %s%s", out, trouble)
	}
}

func TestMosquittoWithADevicesSecretReachesItsOwnTopicsOnly(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"mqttv311", "mqttv5"} {
		t.Run(version, func(t *testing.T) {
			w := serve(t)
			devices := w.Enroll("a", "b")
			pub := func(c simulator.Credential, topic string) bool {
				_, trouble, ok := program(t, "mosquitto_pub", w.at(c, version, "-q", "1", "-t", topic, "-m", topic)...)
				return ok && !strings.Contains(strings.ToLower(trouble), "not authorized")
			}
			for topic, want := range map[string]bool{"d/a/up/msg/x": true, "d/b/up/msg/x": false, "d/a/down/cmd/1": false, "d/a/up": false} {
				if got := pub(devices[0], topic); got != want {
					t.Errorf("publishing to %s: got %v, want %v", topic, got, want)
				}
			}
			if pub(simulator.Credential{ID: "a", Secret: devices[1].Secret}, "d/a/up/msg/x") {
				t.Error("it came in with another device's secret")
			}
			page := cloudtest.Must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{}))
			if len(page.Items) != 1 || page.Items[0].Topic != "d/a/up/msg/x" || string(page.Items[0].Message) != "d/a/up/msg/x" {
				t.Errorf("got messages %+v, want the one", page.Items)
			}
		})
	}
}

func TestMosquittoReceivesACommandItSubscribedTo(t *testing.T) {
	t.Parallel()
	w := serve(t)
	devices := w.Enroll("a", "b")
	cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "b", api.NewCommand{Name: "secret", Message: api.Payload(`1`)}))
	heard := make(chan string, 1)
	go func() {
		out, trouble, _ := program(t, "mosquitto_sub", w.at(devices[0], "mqttv5", "-t", "d/a/down/#", "-C", "1", "-v")...)
		heard <- out + trouble
	}()
	cloudtest.Until(t, "it is online", func() bool { return w.Online("a") })
	cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Name: "blink", Message: api.Payload(`3`)}))
	if got := <-heard; got != "d/a/down/cmd/1/blink 3\n" {
		t.Errorf("got %q", got)
	}
	out, trouble, _ := program(t, "mosquitto_sub", w.at(devices[0], "mqttv5", "-t", "d/b/down/#", "-W", "1")...)
	if !strings.Contains(trouble, "denied") && !strings.Contains(trouble, "failed") {
		t.Errorf("subscribing to another's topics: got %q %q", out, trouble)
	}
}
