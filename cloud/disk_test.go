//go:build linux

package cloud_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// smallDisk mounts a file system of megabytes, which takes root.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	folder := cloudtest.Must[string](t)(os.MkdirTemp("", "d"))
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		_ = os.Remove(folder)
		t.Skipf("a disk can't be filled here: mount: %v", err)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(folder, unix.MNT_DETACH)
		_ = os.Remove(folder)
	})
	return folder
}

// fill writes until megabytes are free.
func fill(t *testing.T, folder string, megabytes int) (undo func()) {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "filler")
	size := int64(s.Bavail)*s.Bsize - int64(megabytes)<<20
	err := os.WriteFile(path, make([]byte, size), 0o600)
	if full := megabytes == 0 && errors.Is(err, unix.ENOSPC); err != nil && !full { // the server writes meanwhile
		t.Fatal(err)
	}
	return func() { _ = os.Remove(path) }
}

func TestAnAlmostFullDiskKeepsRoomForReportsAndStops(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 64)
	log, text := newLog()
	w := serve(t, func(c *cloud.Config) { c.Data, c.Logger = filepath.Join(disk, "data"), log })
	w.UploadVersions(20<<10, 1, 2)
	w.ReleaseVersion(2)
	credentials := w.Enroll("a", "stopped")
	d, other := w.Dial(credentials[0]), w.Dial(credentials[1])
	d.Hello(1)
	other.Hello(1)
	offer := d.ReceiveOffer()
	other.ReceiveOffer()
	undo := fill(t, disk, 5) // the reserve is a tenth
	cloudtest.Until(t, "the alert is raised", func() bool {
		alerts := cloudtest.Must[api.Page[api.Alert]](t)(w.Alerts(t.Context(), api.AlertFilter{}))
		return len(alerts.Items) == 1 && alerts.Items[0].Name == "disk_low"
	})
	var form bytes.Buffer
	form.WriteString("--x\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n3\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" +
		strings.Repeat("x", 4<<20) + "\r\n--x--\r\n")
	if status, answer := w.post(t, cloudtest.Lamp, "multipart/form-data; boundary=x", &form); status != http.StatusInsufficientStorage || !strings.Contains(answer, "disk") {
		t.Errorf("upload: got %d %s, want 507", status, answer)
	}
	if _, err := w.SendCommand(t.Context(), "a", api.NewCommand{Name: "blink"}); err == nil || !strings.Contains(err.Error(), "disk") {
		t.Errorf("command: got %v, want 507", err)
	}
	d.Report(offer, wire.ReportDownloading, 0)
	if err := w.StopUpdate(t.Context(), "stopped"); err != nil {
		t.Errorf("stop: got %v", err)
	}
	var stop cloudtest.Message
	for stop.Topic.Kind != wire.TopicStop { // chunks come before
		_, stop = other.Next()
	}
	if s := cloudtest.Must[wire.Stop](t)(wire.DecodeStop(stop.Payload)); s.Reason != wire.ReasonStopped {
		t.Errorf("the device got %+v", s)
	}
	if r := w.Record("stopped"); !r.Attempts.Held || r.Update.State != fleet.Stopped {
		t.Errorf("stopped: got %+v, %+v", r.Attempts, r.Update)
	}
	d.Send(wire.TopicMessage, 1, []byte("too much"))
	d.WaitClosed() // MQTT 3.1.1 has no other refusal
	if status, body := w.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: got %d %s", status, body)
	}
	undo()
	cloudtest.Until(t, "there is room again", func() bool { return strings.Contains(text.String(), "has room again") })
	again := w.Dial(w.Enroll("b")[0])
	again.SendMessage("x", "fits")
	if n := strings.Count(text.String(), "level=ERROR"); n != 1 {
		t.Errorf("got %d lines, want one:\n%s", n, text)
	}
}

func TestAFullDiskDoesNotRestartRedisInALoop(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 24)
	log, text := newLog()
	w := serve(t, func(c *cloud.Config) { c.Data, c.Logger = filepath.Join(disk, "data"), log })
	undo := fill(t, disk, 0)
	for i := 0; !strings.Contains(text.String(), "started again when there is room"); i++ { // it ends at a write that does not fit

		_ = w.Cloud.Store().Devices.Create(t.Context(), &fleet.Device{ID: fleet.DeviceID(fmt.Sprint("1/d", i)), Team: 1, Product: 1, Notes: strings.Repeat("x", 4000)})
	}
	cloudtest.Until(t, "the server is not ready", w.ready(http.StatusServiceUnavailable))
	undo()
	cloudtest.Until(t, "the server is ready", w.ready(http.StatusOK))
	if n := strings.Count(text.String(), "redis-server ended"); n != 1 {
		t.Errorf("redis-server ended %d times:\n%s", n, text)
	}
}

// TestADownloadNobodyReadsDoesNotKeepTheServer fails by Stop, which reports the error of Run.
func TestADownloadNobodyReadsDoesNotKeepTheServer(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(32<<20, 1)
	conn := cloudtest.Must[net.Conn](t)(net.Dial("tcp", w.Cloud.Addresses().HTTP))
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /v1/products/lamp/firmware/1/binary HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", w.Token()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil { // the rest stays unread
		t.Fatal(err)
	}
	w.Stop()
}
