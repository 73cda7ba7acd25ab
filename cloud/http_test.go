package cloud_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// get is the status and the body of a GET.
func (w *world) get(path string) (int, string) {
	w.Helper()
	answer := cloudtest.Must[*http.Response](w)(http.Get(w.URL("") + path))
	defer answer.Body.Close()
	return answer.StatusCode, string(cloudtest.Must[[]byte](w)(io.ReadAll(answer.Body)))
}

func TestHealthIsReported(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.Dial(w.Enroll("a")[0]).Hello(1)
	for _, row := range []struct{ path, want string }{
		{"/healthz", "ok"},
		{"/readyz", "ready"},
		{"/", "Muster"},
		{"/metrics", "\nmuster_connections 1\n"},
		{"/metrics", "\nmuster_handshakes_total 1\n"},
		{"/metrics", "\nmuster_accepted_total 1\n"},
		{"/metrics", `muster_store_trips_total{kind="write"}`},
		{"/metrics", "\ngo_goroutines "},
	} {
		if status, body := w.get(row.path); status != http.StatusOK || !strings.Contains(body, row.want) {
			t.Errorf("%s: got %d %q, want %q in it", row.path, status, body, row.want)
		}
	}
	if status, _ := w.get("/v1/nothing"); status != http.StatusNotFound {
		t.Errorf("unknown path: got %d", status)
	}
}

func TestServerWhoseStoreIsGoneIsAliveButNotReady(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.Cloud.Store().Close()
	if status, body := w.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "store") {
		t.Errorf("/readyz: got %d %q, want 503 and the store", status, body)
	}
	if status, _ := w.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: got %d", status)
	}
}

func TestReadyFileHasTheChosenPorts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ready.json")
	w := serve(t, func(c *cloud.Config) { c.ReadyFile = file })
	var at cloud.Addresses
	if err := json.Unmarshal(cloudtest.Must[[]byte](t)(os.ReadFile(file)), &at); err != nil {
		t.Fatal(err)
	}
	if at != w.Cloud.Addresses() || strings.HasSuffix(at.MQTT, ":0") || strings.HasSuffix(at.HTTP, ":0") || at.MQTTS != "" {
		t.Errorf("got %+v, want %+v", at, w.Cloud.Addresses())
	}
	for _, address := range []string{at.MQTT, at.HTTP} {
		_ = cloudtest.Must[net.Conn](t)(net.Dial("tcp", address)).Close()
	}
	w.Stop()
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: got %v, want no file", err)
	}
}

func TestAReadyFileOfAnEarlierServerIsGoneWhenTheStartFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ready.json")
	if err := os.WriteFile(file, []byte(`{"mqtt": "stale"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ mqtt, file string }{
		{"127.0.0.1:nowhere", file},
		{"127.0.0.1:0", filepath.Join(filepath.Dir(file), "no", "folder.json")},
	} {
		config := cloudtest.Config(t)
		config.MQTT.Addr, config.ReadyFile = row.mqtt, row.file
		if _, err := cloud.New(t.Context(), config); err == nil {
			t.Errorf("%+v: it started", row)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want no file", err)
	}
}

func TestAnEphemeralServerLeavesTheDataFolderAlone(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	w := serve(t, cloudtest.Ephemeral, func(c *cloud.Config) { c.Data = data })
	w.UploadVersions(imageSize, 1, 2)
	used := w.Cloud.Folder()
	w.Stop()
	if entries := cloudtest.Must[[]os.DirEntry](t)(os.ReadDir(data)); len(entries) != 0 {
		t.Errorf("the data folder holds %v", entries)
	}
	if _, err := os.Stat(used); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its own folder: got %v, want that it is gone", err)
	}
}

func TestDevicesConnectOverWebSocketOnThePortOfREST(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	broker := cloudtest.Must[mqttlite.Broker](t)(mqttlite.ParseBroker(w.Cloud.Addresses().WebSocket))
	f := cloudtest.Simulate(t, simulator.Config{Broker: broker, Devices: w.Enroll("a", "b")})
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyExact(t, f, 2, imageSize)
}

func TestAddressInUseIsAClearErrorThatLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	taken := cloudtest.Must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	address := taken.Addr().String()
	for name, take := range map[string]func(*cloud.Config){
		"mqtt": func(c *cloud.Config) { c.MQTT.Addr = address },
		"http": func(c *cloud.Config) { c.HTTP.Addr = address },
	} {
		config := cloudtest.Config(t)
		take(&config)
		_, err := cloud.New(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "in use") {
			t.Errorf("%s: got %v, want an error that names it and %s", name, err, address)
		}
		if left := cloudtest.ChildrenIn(t, filepath.Join(config.Data, "redis")); len(left) != 0 {
			t.Errorf("%s: redis still runs: %v", name, left)
		}
	}
}

func TestShutdownLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	w.ReleaseVersion(2)
	credentials := w.Enroll("a", "b", "c")
	idle, loading, silent := w.Dial(credentials[0]), w.Dial(credentials[1]), w.Dial(credentials[2])
	idle.Hello(2)
	loading.Hello(1) // it takes nothing of the download
	unauthenticated := cloudtest.Must[net.Conn](t)(w.Broker().Dial(t.Context()))
	defer unauthenticated.Close()
	if len(w.Redis()) != 1 {
		t.Fatalf("got redis processes %v, want one", w.Redis())
	}
	w.Stop()
	for _, d := range []*cloudtest.Device{idle, loading, silent} {
		d.WaitClosed()
	}
	if left := w.Redis(); len(left) != 0 {
		t.Errorf("redis still runs: %v", left)
	}
}

func TestSecondServerOnOneFolderWaitsAndNamesTheReason(t *testing.T) {
	t.Parallel()
	w := serve(t)
	upload := filepath.Join(w.Config.Data, "images", "incoming-7")
	if err := os.WriteFile(upload, []byte("half an image"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, elsewhere := w.Config, w.Config
	elsewhere.Redis.URL = "redis://127.0.0.1:1" // the folder is not its own for that
	for _, c := range []cloud.Config{config, elsewhere} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := cloud.New(ctx, c)
		if err == nil || !strings.Contains(err.Error(), "another server uses") {
			t.Fatalf("redis %q: got %v, want that another server uses the folder", c.Redis.URL.Reveal(), err)
		}
		if _, err := os.Stat(upload); err != nil {
			t.Errorf("redis %q: it removed the first server's upload: %v", c.Redis.URL.Reveal(), err)
		}
	}

	w.Enroll("a")
	w.Stop()
	second := cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), config))
	defer cloudtest.Run(t, second)()
	client := cloudtest.SignIn(t, "http://"+second.Addresses().HTTP)
	if _, err := client.Device(t.Context(), "a"); err != nil {
		t.Errorf("after the first ended: %v", err)
	}
}

// TestStartThatCantListenMakesNoOwner leaves it to the next start to report the password.
func TestStartThatCantListenMakesNoOwner(t *testing.T) {
	t.Parallel()
	taken := cloudtest.Must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	reports := 0
	config := kept(t)
	config.HTTP.Addr, config.Owner.Password = taken.Addr().String(), ""
	config.ReportPassword = func(string, string) { reports++ }
	if _, err := cloud.New(t.Context(), config); err == nil || reports != 0 {
		t.Errorf("with its port in use: got %v, and the password %d times; want an error and none", err, reports)
	}
	config.HTTP.Addr = "127.0.0.1:0"
	cloudtest.Run(t, cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), config)))()
	if reports != 1 {
		t.Errorf("with a free port: got the password %d times, want 1", reports)
	}
}

// kept is the configuration of a server whose fleet outlives it.
func kept(t testing.TB) cloud.Config {
	config := cloudtest.Config(t)
	return config
}

func TestALostPasswordIsReplacedWhileTheServerIsStopped(t *testing.T) {
	t.Parallel()
	config := kept(t)
	if _, err := cloud.ResetPassword(t.Context(), config, cloudtest.OwnerEmail); err == nil || !strings.Contains(err.Error(), "no server has kept a fleet") {
		t.Errorf("in an empty folder: got %v", err)
	}
	if left := cloudtest.Must[[]os.DirEntry](t)(os.ReadDir(config.Data)); len(left) != 0 {
		t.Errorf("in an empty folder it left %v", left)
	}
	c := cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), config))
	stop := cloudtest.Run(t, c)
	_, token, err := client.SignIn(t.Context(), "http://"+c.Addresses().HTTP, cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.ResetPassword(t.Context(), config, cloudtest.OwnerEmail); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("while the server runs: got %v", err)
	}
	stop()
	if _, err := cloud.ResetPassword(t.Context(), config, "nobody@example.com"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("nobody's: got %v, want NotFound", err)
	}
	password := cloudtest.Must[string](t)(cloud.ResetPassword(t.Context(), config, cloudtest.OwnerEmail))
	c = cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), config))
	cloudtest.Run(t, c)
	url := "http://" + c.Addresses().HTTP
	if _, _, err := client.SignIn(t.Context(), url, cloudtest.OwnerEmail, cloudtest.OwnerPassword); err == nil {
		t.Error("the lost password still works")
	}
	if _, _, err := client.SignIn(t.Context(), url, cloudtest.OwnerEmail, password); err != nil {
		t.Errorf("the new password: %v", err)
	}
	request := cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/user", nil))
	request.Header.Set("Authorization", "Bearer "+token.AccessToken)
	answer := cloudtest.Must[*http.Response](t)(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token of before: got %s, want 401", answer.Status)
	}
}

func TestFirstStartMakesAnOwnerOnce(t *testing.T) {
	t.Parallel()
	config, reported := kept(t), ""
	config.Owner.Password = ""
	for start := range 2 {
		config.ReportPassword = func(email, password string) {
			reported += fmt.Sprintf("%d %s %s\n", start, email, password)
		}
		c := cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), config))
		stop := cloudtest.Run(t, c)
		var password string
		if _, err := fmt.Sscanf(reported, "0 "+cloudtest.OwnerEmail+" %s\n", &password); err != nil || strings.Count(reported, "\n") != 1 {
			t.Errorf("start %d: got %q, want the password once, at the first start", start, reported)
		}
		if _, _, err := client.SignIn(t.Context(), "http://"+c.Addresses().HTTP, cloudtest.OwnerEmail, password); err != nil {
			t.Errorf("start %d: %v", start, err)
		}
		stop()
	}
}
