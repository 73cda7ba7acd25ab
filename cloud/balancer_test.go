package cloud_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/deploy/haproxy"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// The example of deploy/haproxy, with addresses of this machine: it spreads devices over the servers
// and passes on their addresses; a server that stops gets no more connections.
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

// balance starts HAProxy with the example's configuration before servers, and returns where it
// listens for MQTT and HTTP.
func balance(t *testing.T, nodes []*world) (mqttAt, httpAt string) {
	t.Helper()
	var servers []haproxy.Server
	for _, n := range nodes {
		at := n.Cloud.Addresses()
		servers = append(servers, haproxy.Server{MQTT: at.MQTT, HTTP: at.HTTP})
	}
	b := cloudtest.Must[*haproxy.Balancer](t)(haproxy.New(t.TempDir(), servers))
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	cloudtest.Until(t, "haproxy listens", func() bool {
		c, err := net.Dial("tcp", b.HTTP)
		if err == nil {
			_ = c.Close()
			return true
		}
		if err := b.Alive(); err != nil {
			t.Fatal(err)
		}
		return false
	})
	return b.MQTT, b.HTTP
}
