package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLaterLayersWin(t *testing.T) {
	file := write(t, "mqtt: {addr: '127.0.0.1:1', max_connections: 1}\nhttp: {addr: '127.0.0.1:1'}\ndata: file\n")
	c, err := Load(Sources{
		File:  file,
		Env:   []string{"MUSTER_HTTP_ADDR=127.0.0.1:2", "MUSTER_DATA=env", "PATH=/bin", "MUSTER_OTA_COOL_DOWN=1s, 2s"},
		Flags: []Flag{{Name: "--data", Key: "data", Value: "flag"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ key, got, want string }{
		{"only in the file", c.MQTT.Addr, "127.0.0.1:1"},
		{"environment above file", c.HTTP.Addr, "127.0.0.1:2"},
		{"flag above environment", c.Data, "flag"},
		{"in no layer", c.Log.Format, "text"},
	} {
		if row.got != row.want {
			t.Errorf("%s: got %q, want %q", row.key, row.got, row.want)
		}
	}
	if got := c.OTA.CoolDown; len(got) != 2 || got[0] != time.Second || got[1] != 2*time.Second {
		t.Errorf("list from the environment: got %v, want [1s 2s]", got)
	}
}

func TestAnEmptyVariableIsAValue(t *testing.T) {
	c, err := Load(Sources{Env: []string{"MUSTER_MQTT_ADDR="}})
	if err != nil || c.MQTT.Addr != "" {
		t.Errorf("got %q, %v; want MQTT without TLS off", c.MQTT.Addr, err)
	}
}

func TestMistakesInAFileAreNamedWithTheirLine(t *testing.T) {
	for _, row := range []struct{ name, file, want string }{
		{"unknown key", "mqtt:\n  adr: x\n", `muster.yaml:2: unknown key "mqtt.adr", did you mean "mqtt.addr"?`},
		{"unknown section", "data: x\nmqt:\n  addr: x\n", `muster.yaml:2: unknown key "mqt", did you mean "mqtt"?`},
		{"key in no section", "max_keepalive: 1m\n", `muster.yaml:1: unknown key "max_keepalive", did you mean "mqtt.max_keepalive"?`},
		{"key in the wrong section", "http:\n  attempts: 1\n", `muster.yaml:2: unknown key "http.attempts", did you mean "ota.attempts"?`},
		{"key like no other", "\n\nxyzzy: 1\n", `muster.yaml:3: unknown key "xyzzy"`},
		{"key twice", "data: a\ndata: b\n", `muster.yaml:2: mapping key "data" already defined at [1:1]`},
		{"key twice, its section in two forms", "mqtt:\n  addr: a\nmqtt: {addr: b}\n", `muster.yaml:3: mapping key "mqtt" already defined at [1:1]`},
		{"key twice, once in quotes", "data: a\n\"data\": b\n", `muster.yaml:2: mapping key "data" already defined at [1:1]`},
		{"broken syntax", "data: [\n", "muster.yaml:1: "},
		{"second document", "data: a\n---\ndata: b\n", "muster.yaml: more than one document"},
		{"list at the top", "- data\n", "muster.yaml:1: expected keys, each with a colon behind it"},
		{"value for a section", "mqtt: 1883\n", "muster.yaml:1: expected keys, each with a colon behind it"},
		{"section for a value", "data:\n  dir: x\n", "expected a plain value"},
		{"list for a value", "data: [a, b]\n", "muster.yaml:1: expected one value, not a list"},
		{"list in a list", "ota: {cool_down: [[1s]]}\n", "muster.yaml:1: expected a plain value"},
		{"alias", "data: &x a\nready_file: *x\n", "muster.yaml:1: expected a plain value"},
		{"tag", "data: !!binary YQ==\n", "muster.yaml:1: expected a plain value"},
		{"merge", "mqtt:\n  <<: {addr: x}\n", "muster.yaml:2: expected a plain key"},
		{"line break in a name", `data: "a\nb"`, `muster.yaml:1: data: "a\nb" has control characters`},
		{"number without a value", "mqtt:\n  max_connections:\n", `muster.yaml:2: mqtt.max_connections: "" is not a whole number`},
		{"time without unit", "mqtt: {max_keepalive: 20}\n", `muster.yaml:1: mqtt.max_keepalive: "20" is not a time such as 90s, 20m or 24h`},
		{"negative time", "ota: {max_session_age: -1h}\n", `ota.max_session_age: "-1h" is not a time`},
		{"size with an unknown unit", "ota: {cache: 64M}\n", `ota.cache: "64M" is not a size such as 512KB or 64MiB`},
		{"size past what fits", "ota: {cache: 9999999999GiB}\n", `ota.cache: "9999999999GiB" is not a size`},
		{"rate without its second", "ota: {rate: 10MB}\n", `ota.rate: "10MB" is not a rate such as 500KB/s or 10MB/s`},
		{"yes for true", "redis: {ephemeral: yes}\n", `redis.ephemeral: "yes" is neither true nor false`},
		{"not a network", "mqtt: {proxy_from: [10.0.0.0/8, lb.example.com]}\n", `mqtt.proxy_from: "lb.example.com" is not a network such as 10.0.0.0/8`},
		{"a host's address with a prefix", "http: {trusted_proxies: 10.1.2.3/8}\n", "10.1.2.3/8 has bits behind its prefix: write 10.0.0.0/8"},
		{"level in capitals", "log: {level: INFO}\n", `log.level: "INFO" is not one of debug, info, warn, error`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var c Config
			err := c.read("muster.yaml", []byte(row.file))
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	file := write(t, "mqtt: {adr: x}\nota: {attempts: many}\n")
	_, err := Load(Sources{
		File:  file,
		Env:   []string{"MUSTER_LOG_LEVEL=loud"},
		Flags: []Flag{{Name: "--ephemeral", Key: "redis.ephemeral", Value: "maybe"}},
	})
	if err == nil {
		t.Fatal("got no error, want four")
	}
	for _, want := range []string{
		file + ":1: unknown key", file + ":2: ota.attempts:",
		"environment: MUSTER_LOG_LEVEL:", "--ephemeral:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to contain %q", err, want)
		}
	}
}

func TestAVariableAnEditFromAKeyIsAMistake(t *testing.T) {
	_, err := Load(Sources{Env: []string{"MUSTER_MQTT_ADRR=:1883"}})
	want := "environment: unknown variable MUSTER_MQTT_ADRR, did you mean MUSTER_MQTT_ADDR?"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestVariablesOfPlatformsAndOfTheCommandAreLeftAlone(t *testing.T) {
	for _, name := range []string{
		"MUSTER_SERVICE_HOST", "MUSTER_SERVICE_PORT", "MUSTER_PORT", "MUSTER_PORT_1883_TCP_ADDR",
		"MUSTER_MQTT_PORT", "MUSTER_HTTP_PORT", "MUSTER_REDIS_PORT", "MUSTER_URL", "MUSTER_TOKEN", "MUSTER_CONFIG", "MUSTER_TEAM",
	} {
		if _, err := Load(Sources{Env: []string{name + "=tcp://10.0.0.1:1883"}}); err != nil {
			t.Errorf("%s: got %v, want it ignored", name, err)
		}
	}
}

func TestNoErrorShowsASecret(t *testing.T) {
	const password = "s3cr3t-pa55"
	for _, row := range []struct{ name, file string }{
		{"syntax error next to it", "owner: {password: " + password + "}\nmqtt: [\n"},
		{"broken quotes around it", "owner:\n  password: \"" + password + "\n"},
		{"unknown key next to it", "owner: {password: " + password + ", mail: x}\n"},
		{"not a Redis address", "redis: {url: 'http://u:" + password + "@h'}\n"},
		{"not an address at all", "redis: {url: 'redis://u:" + password + "@h:%zz'}\n"},
		{"list", "owner: {password: [" + password + "]}\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Load(Sources{File: write(t, row.file)})
			if err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("got %v, want an error without the password", err)
			}
		})
	}
}

func TestAFileThatIsNotThereOrTooLargeIsAnError(t *testing.T) {
	if _, err := Load(Sources{File: filepath.Join(t.TempDir(), "none.yaml")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: got %v, want that it does not exist", err)
	}
	large := write(t, strings.Repeat("#", MaxFile+1))
	if _, err := Load(Sources{File: large}); err == nil || !strings.Contains(err.Error(), "over 32KiB") {
		t.Errorf("too large: got %v, want the limit named", err)
	}
}

func write(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "muster.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func FuzzRead(f *testing.F) {
	f.Add(File())
	f.Add("mqtt: {adr: x}\nota: {attempts: many}\n")
	f.Add("a: &x [*x]\nb: !!map {<<: *x}\n? [c]\n: d\n--- |\n e\n")
	f.Add("data: \"\\u00zz\nmqtt:\n\t- x")
	f.Add(strings.Repeat("[", 1000))
	f.Add(strings.Repeat("a:\n ", 100))
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 8<<10 { // the parser takes time with the square of the nesting
			t.Skip()
		}
		c := Default()
		if c.read("fuzz", []byte(s)) != nil {
			return
		}
		c.Owner.Password, c.Redis.URL = "", "" // are not printed
		again := Default()
		if err := again.read("printed", []byte(c.String())); err != nil {
			t.Fatalf("%v\nin:\n%s\nfrom:\n%s", err, c, s)
		}
		if got, want := again.String(), c.String(); got != want {
			t.Errorf("read back:\n%s\nwant:\n%s", got, want)
		}
		_ = c.Validate()
	})
}

func TestOperatorsHaveNoMQTTUnlessTheyAskForIt(t *testing.T) {
	env := []string{"MUSTER_NODE_JOIN=true", "MUSTER_REDIS_URL=redis://h:1", "MUSTER_NODE_ROLE=operators"}
	c, err := Load(Sources{Env: env})
	if err != nil || c.MQTT.Addr != "" {
		t.Errorf("got mqtt.addr %q, %v; want none", c.MQTT.Addr, err)
	}
	_, err = Load(Sources{Env: env, Flags: []Flag{{"--mqtt", "mqtt.addr", ":1883"}}})
	if err == nil || !strings.Contains(err.Error(), "takes no devices") {
		t.Errorf("got %v, want an error about mqtt.addr", err)
	}
}
