package configs

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The example of several servers is one that starts: its servers join, find each other's store and
// images, and believe the balancer and nobody else.
func TestComposedClusterIsAValidConfiguration(t *testing.T) {
	type network struct {
		Internal bool
		IPAM     struct {
			Config []struct{ Subnet netip.Prefix }
		} `yaml:"ipam"`
	}
	c := readYAML[compose](t, "../docker-compose.cluster.yml")
	networks := readYAML[struct{ Networks map[string]network }](t, "../docker-compose.cluster.yml").Networks
	pinned := regexp.MustCompile(`:v?[0-9]+\.[0-9]+`)
	servers, redis := 0, 0
	for name, s := range c.Services {
		if s.Build == "" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is not on loopback", name, port)
			}
		}
		switch {
		case strings.HasPrefix(name, "redis-"):
			redis++
			for _, pair := range [][]string{
				{"--appendonly", "yes"}, {"--appendfsync", "always"}, {"--maxmemory-policy", "noeviction"},
				{"--cluster-require-full-coverage", "no"}, {"--min-replicas-to-write", "1"}, {"--protected-mode", "no"}, {"--cluster-announce-hostname", name},
			} {
				if i := slices.Index(s.Command, pair[0]); i < 0 || s.Command[i+1] != pair[1] {
					t.Errorf("%s: got %v, want %v in it", name, s.Command, pair)
				}
			}
		case strings.HasPrefix(name, "muster-"):
			servers++
			grace, err := time.ParseDuration(s.Grace)
			if least := Default().Node.Drain + 20*time.Second; err != nil || grace < least {
				t.Errorf("%s: stop_grace_period is %q, %v: it would be killed while its devices move, want %v", name, s.Grace, err, least)
			}
			config := loadKnown(t, environment(s.Environment))
			front := []netip.Prefix{networks["front"].IPAM.Config[0].Subnet}
			if !config.Node.Join || config.Images.URL == "" || !slices.Equal(config.MQTT.ProxyFrom, front) || !slices.Equal(config.HTTP.TrustedProxies, front) {
				t.Errorf("%s: got %+v", name, config)
			}
		}
	}
	if servers != 3 || redis != 6 || !networks["store"].Internal {
		t.Errorf("%d servers, %d of Redis, store %+v", servers, redis, networks["store"])
	}
}

// Every variable that the chart sets is a key.
func TestTheChartSetsKeysThatExist(t *testing.T) {
	text, err := os.ReadFile("../deploy/helm/muster/templates/statefulset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, k := range new(Config).keys() {
		known = append(known, k.env())
	}
	set := regexp.MustCompile(`name: (MUSTER_[A-Z_]+)`).FindAllStringSubmatch(string(text), -1)
	for _, name := range set {
		if !slices.Contains(known, name[1]) {
			t.Errorf("%s is not a key", name[1])
		}
	}
	if len(set) < 10 {
		t.Errorf("only %d variables were found", len(set))
	}
}
