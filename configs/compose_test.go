package configs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is what these rules look at in ../docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Image       string                       `yaml:"image"`
		Profiles    []string                     `yaml:"profiles"`
		Build       string                       `yaml:"build"`
		Command     []string                     `yaml:"command"`
		Healthcheck map[string]any               `yaml:"healthcheck"`
		DependsOn   map[string]map[string]string `yaml:"depends_on"`
		Environment map[string]string            `yaml:"environment"`
		Ports       []string                     `yaml:"ports"`
		Volumes     []string                     `yaml:"volumes"`
		Networks    []string                     `yaml:"networks"`
		Grace       string                       `yaml:"stop_grace_period"`
	} `yaml:"services"`
	Volumes  map[string]any `yaml:"volumes"`
	Networks map[string]any `yaml:"networks"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	c := readYAML[compose](t, "../docker-compose.yml")
	if len(c.Services) != 3 || len(c.Services["s3"].Profiles) == 0 {
		t.Fatalf("got %d services, want redis, muster and, in a profile, s3", len(c.Services))
	}
	return c
}

func TestComposedServicesArePinnedCheckedAndOnLoopback(t *testing.T) {
	c := readCompose(t)
	pinned := regexp.MustCompile(`:v?[0-9]+\.[0-9]+`)
	for name, s := range c.Services {
		if s.Build == "" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, key := range []string{"test", "interval", "timeout", "retries", "start_period"} {
			if s.Healthcheck[key] == nil {
				t.Errorf("%s: its health check has no %s", name, key)
			}
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is not on loopback", name, port)
			}
		}
		for _, volume := range s.Volumes {
			if source, _, _ := strings.Cut(volume, ":"); !has(c.Volumes, source) {
				t.Errorf("%s: volume %s is not declared", name, source)
			}
		}
		for _, network := range s.Networks {
			if !has(c.Networks, network) {
				t.Errorf("%s: network %s is not declared", name, network)
			}
		}
		for other, condition := range s.DependsOn {
			if _, ok := c.Services[other]; !ok || condition["condition"] != "service_healthy" {
				t.Errorf("%s: does not wait for %s to be healthy", name, other)
			}
		}
	}
	if _, ok := c.Services["muster"].DependsOn["redis"]; !ok {
		t.Error("muster starts without waiting for redis")
	}
}

func TestComposedRedisKeepsWhatWasAcknowledged(t *testing.T) {
	s := readCompose(t).Services["redis"]
	for _, pair := range [][]string{{"--appendonly", "yes"}, {"--appendfsync", "always"}, {"--maxmemory-policy", "noeviction"}} {
		if i := slices.Index(s.Command, pair[0]); i < 0 || i+1 == len(s.Command) || s.Command[i+1] != pair[1] {
			t.Errorf("got %v, want %v in it", s.Command, pair)
		}
	}
	if len(s.Volumes) == 0 {
		t.Error("the append-only file is on no volume")
	}
	if len(s.Ports) != 0 {
		t.Errorf("ports %v are open", s.Ports)
	}
}

func TestComposedMusterIsAValidConfiguration(t *testing.T) {
	c := readCompose(t)
	env := environment(c.Services["muster"].Environment)
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(dockerfile)) {
		if vars, ok := strings.CutPrefix(line, "ENV "); ok {
			env = append(env, strings.Fields(vars)...)
		}
	}
	config := loadKnown(t, env)
	if config.MQTT.Addr != ":1883" || config.HTTP.Addr != ":8080" || config.Redis.URL.Reveal() == "" {
		t.Errorf("got mqtt %s, http %s, redis %s; want every interface of the container, and the redis service",
			config.MQTT.Addr, config.HTTP.Addr, config.Redis.URL.Reveal())
	}
}

// environment is the variables of a service that are Muster's, with the defaults of those that are taken
// from the shell.
func environment(of map[string]string) (env []string) {
	withDefault := regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`)
	for name, value := range of {
		if !strings.HasPrefix(name, "AWS_") { // read by ota/image/s3
			env = append(env, name+"="+withDefault.ReplaceAllString(value, "$1"))
		}
	}
	return env
}

// loadKnown is the configuration of env, all of which are keys.
func loadKnown(t *testing.T, env []string) Config {
	t.Helper()
	config, err := Load(Sources{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, k := range config.keys() {
		known = append(known, k.env())
	}
	for _, entry := range env {
		if name, _, _ := strings.Cut(entry, "="); !slices.Contains(known, name) {
			t.Errorf("%s is not a key", name)
		}
	}
	return config
}

func readYAML[T any](t *testing.T, file string) (v T) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func has(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}
