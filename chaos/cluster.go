package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/muster-iot/muster/chaos/cable"
	"github.com/muster-iot/muster/chaos/device"
	"github.com/muster-iot/muster/deploy/haproxy"
	"github.com/muster-iot/muster/store/redistest"
)

// What make chaos-cluster runs.
const (
	nodes   = 3   // servers
	masters = 3   // of the Cluster, each with a replica
	probing = 16  // devices
	beating = 200 // devices
)

// slots is ota.max_updates for a fleet: it binds as soon as a release is for a group.
func slots(devices int) int { return max(devices/12, 4) }

// cluster is several servers on a Redis Cluster behind HAProxy, and what is watched of them.
type cluster struct {
	servers  []*server
	wires    []*cable.Wires // of each server
	redis    *redistest.Cluster
	balancer *haproxy.Balancer // nil without HAProxy: devices connect to the servers in turn

	hit  *server         // by the fault of now
	dead *redistest.Node // likewise

	sessions  device.Sessions
	probes    probes
	pulses    []*device.Pulse
	transfers device.Transfers

	mu     sync.Mutex
	shards []outage // guarded by mu
}

// newCluster starts the Cluster and what surrounds the servers, which start later.
func newCluster(r *round) (c *cluster, err error) {
	c = &cluster{probes: probes{cut: map[string]int{}}, transfers: device.Transfers{Limit: slots(r.config.devices)}}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	// A master that is killed and comes back before it was replaced has what it acknowledged.
	if c.redis, err = redistest.StartCluster(filepath.Join(r.folder, "redis"), masters, true, "appendonly yes", "appendfsync no"); err != nil {
		return c, err
	}
	images := filepath.Join(r.folder, "images") // a bucket would do the same: what a server has of it, it keeps there
	if err := os.Mkdir(images, 0o700); err != nil {
		return c, err
	}
	var behind []haproxy.Server
	for i := range nodes {
		s, err := newServer(r.binary, filepath.Join(r.folder, fmt.Sprint("server-", i)))
		if err != nil {
			return c, err
		}
		if err := os.Symlink(images, filepath.Join(s.data(), "images")); err != nil {
			return c, err
		}
		w, err := cable.NewWires(fmt.Sprintf("127.0.77.%d", i+1), c.ports())
		c.wires = append(c.wires, w)
		if err != nil {
			return c, err
		}
		s.settings = []string{"MUSTER_NODE_JOIN=true", "MUSTER_NODE_DRAIN=3s", "MUSTER_REDIS_URL=" + c.url(w), fmt.Sprint("MUSTER_OTA_MAX_UPDATES=", c.transfers.Limit)}
		if r.copied {
			s.settings = append(s.settings, "MUSTER_REDIS_ACK_REPLICAS=1")
		}
		c.servers = append(c.servers, s)
		behind = append(behind, haproxy.Server{MQTT: s.mqtt, HTTP: s.http})
	}
	if c.balancer, err = haproxy.New(r.folder, behind); errors.Is(err, os.ErrNotExist) {
		r.say("devices connect to the servers in turn: %v", err)
		c.balancer = nil
		return c, nil
	}
	if err != nil {
		return c, err
	}
	for _, s := range c.servers { // probes come from other addresses, without a header
		s.settings = append(s.settings, "MUSTER_MQTT_PROXY_FROM=127.0.0.1/32")
	}
	return c, c.balancer.Start()
}

// url names the Cluster to the server at the end of w.
func (c *cluster) url(w *cable.Wires) string {
	var addrs []string
	for _, port := range c.ports() {
		addrs = append(addrs, net.JoinHostPort(w.Host, port))
	}
	return "redis://" + addrs[0] + "?addr=" + strings.Join(addrs[1:], "&addr=")
}

// ports are those of the Cluster's nodes.
func (c *cluster) ports() (all []string) {
	for _, n := range c.redis.Nodes {
		all = append(all, portOf(n))
	}
	return all
}

func portOf(n *redistest.Node) string {
	_, port, _ := net.SplitHostPort(n.Addr)
	return port
}

// doors are where devices connect.
func (c *cluster) doors() (addresses []string) {
	if c.balancer != nil {
		return []string{c.balancer.MQTT}
	}
	for _, s := range c.servers {
		addresses = append(addresses, s.mqtt)
	}
	return addresses
}

// one draws a server.
func (c *cluster) one(random *rand.Rand) *server {
	c.hit = c.servers[random.IntN(len(c.servers))]
	return c.hit
}

// wiresOf are those of a server.
func (c *cluster) wiresOf(s *server) *cable.Wires {
	for i, other := range c.servers {
		if s == other {
			return c.wires[i]
		}
	}
	return nil
}

// stop ends what is not a server.
func (c *cluster) stop() {
	if c.balancer != nil {
		c.balancer.Stop()
	}
	for _, w := range c.wires {
		_ = w.Close()
	}
	if c.redis != nil {
		c.redis.Stop()
	}
}

// figures are what was measured, in words.
func (c *cluster) figures() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("%d decisions of probes, while they took an update %v; sessions of %d samples", c.probes.decided.Load(), c.probes.cut, c.sessions.Judged.Load())
	samples, most := c.transfers.Judged()
	text += fmt.Sprintf("; at most %d devices, of %d that may, were sent chunks at once, in %d samples", most, c.transfers.Limit, samples)
	if excused, _ := c.transfers.Over(); len(excused) > 0 {
		text += fmt.Sprintf("\n  after a fault that explains it: %v", excused)
	}
	for _, o := range c.shards {
		text += "\n  " + o.String()
	}
	return text
}

// outage is what the death of a master did.
type outage struct {
	fault                  string // how it died
	died, replaced, served time.Time
	due                    int     // handshakes of devices of the other masters, until served
	others, before         float64 // the part of them that took less than a second, and of those before
}

func (o outage) String() string {
	return fmt.Sprintf("a master %s: replaced after %.1f s, its devices served %.1f s later; of %d handshakes with the others %.0f %% within %v, before %.0f %%",
		o.fault, o.replaced.Sub(o.died).Seconds(), o.served.Sub(o.replaced).Seconds(), o.due, 100*o.others, prompt, 100*o.before)
}
