package cloud_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// The example of deploy/haproxy, with addresses of this machine: it spreads devices over the servers
// and tells them whom they talk to; a server that stops gets no more connections.
func TestTheExampleForHAProxySpreadsDevices(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	nodes := serveNodes(t, "unix://"+startRedis(t).socket, 2, func(c *cloud.Config) {
		c.MQTT.ProxyFrom, c.HTTP.TrustedProxies = loopback, loopback
	})
	mqttAt, httpAt := balance(t, nodes)
	a := nodes[0]
	credentials := a.Enroll("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7")
	broker := cloudtest.From(mqttlite.Broker{Scheme: "tcp", Host: mqttAt}, 9)
	var devices []*cloudtest.Device
	for _, c := range credentials {
		d := cloudtest.Dial(t, broker, c)
		d.Hello(1)
		devices = append(devices, d)
	}
	for i, n := range nodes {
		if got := n.Metric("muster_connections"); got != float64(len(devices)/2) {
			t.Errorf("server %d has %v connections, want half of %d", i, got, len(devices))
		}
	}
	owner := cloudtest.SignIn(t, "http://"+httpAt)
	d := cloudtest.Must[api.Device](t)(owner.Device(t.Context(), "d0"))
	if d.LastAddress == nil || *d.LastAddress != "127.0.1.9" {
		t.Errorf("the device's address is %v, want its own and not the balancer's", d.LastAddress)
	}

	nodes[1].Stop()
	for i, c := range credentials {
		cloudtest.Until(t, "every device is at the server that is left", func() bool {
			d, err := cloudtest.TryDial(t, broker, c)
			if err == nil {
				d.Hello(1)
				devices[i] = d
			}
			return err == nil
		})
	}
	if got := a.Metric("muster_connections"); got != float64(len(devices)) {
		t.Errorf("the server that is left has %v connections, want all %d", got, len(devices))
	}
}

// balance starts HAProxy with the example's configuration before two servers, and returns where it
// listens for MQTT and HTTP.
func balance(t *testing.T, nodes []*world) (mqttAt, httpAt string) {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy"
	}
	text := string(cloudtest.Must[[]byte](t)(os.ReadFile("../deploy/haproxy/haproxy.cfg")))
	mqttAt, httpAt = freeAddress(t), freeAddress(t)
	text = strings.NewReplacer("bind :1883", "bind "+mqttAt, "bind :8883", "bind "+freeAddress(t), "bind :8080", "bind "+httpAt).Replace(text)
	text = regexp.MustCompile(`(?m)^ *server muster-3 .*\n`).ReplaceAllString(text, "")
	for i, n := range nodes {
		addresses := n.Cloud.Addresses()
		_, port, _ := net.SplitHostPort(addresses.HTTP)
		server := regexp.MustCompile(fmt.Sprintf(`(?m)^( *server muster-%d) muster-%d:(\d+)(.*)$`, i+1, i+1))
		text = server.ReplaceAllStringFunc(text, func(line string) string {
			part := server.FindStringSubmatch(line)
			to := addresses.MQTT
			if part[2] == "8080" {
				to = addresses.HTTP
			}
			return part[1] + " " + to + " port " + port + part[3]
		})
	}
	if strings.Contains(text, "muster-1:") || strings.Contains(text, "muster-2:") {
		t.Fatalf("not every address was replaced:\n%s", text)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	balancer := exec.Command(program, "-db", "-f", file)
	balancer.Stdout, balancer.Stderr = &log, &log
	if err := balancer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = balancer.Process.Kill()
		_ = balancer.Wait() // it was killed
		if t.Failed() {
			t.Logf("haproxy:\n%s", log.String())
		}
	})
	cloudtest.Until(t, "haproxy listens", func() bool {
		c, err := net.Dial("tcp", httpAt)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return mqttAt, httpAt
}

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln := cloudtest.Must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
