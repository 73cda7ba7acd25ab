package configs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// prefixes compares networks as a whole.
var prefixes = cmpopts.EquateComparable(netip.Prefix{})

func TestTheShippedFileIsTheDefaults(t *testing.T) {
	want := Config{
		Data: "data",
		MQTT: MQTT{Addr: "127.0.0.1:1883", MaxConnections: 100_000, MaxPendingPerAddress: 256, MaxKeepalive: 20 * time.Minute, TeamMessages: 2000},
		HTTP: HTTP{Addr: "127.0.0.1:8080", MaxConnections: 2000, MaxConnectionsPerAddress: 250, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}},
		Owner: Owner{
			Email: "owner@localhost",
		},
		Mail:   Mail{Security: "starttls"},
		Images: Images{Cache: 4 << 30},
		Node:   Node{Role: RoleAll, Drain: time.Minute},
		OTA: OTA{
			MaxUpdates:     1000,
			GatewayUpdates: 4,
			Cache:          32 << 20,
			MaxImage:       64 << 20,
			Attempts:       3,
			CoolDown:       []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour},
			MaxSessionAge:  24 * time.Hour,
		},
		Quota: Quota{Devices: 100_000, Images: 16 << 30, Streams: 500, UserStreams: 100, Uploads: 16},
		Retention: Retention{
			Age: 90 * 24 * time.Hour, Messages: 128 << 20, DeviceMessages: 16 << 20, DeviceFloor: 64 << 10,
			Alerts: 10_000, DeviceAlerts: 500, AuditAge: 365 * 24 * time.Hour, Audit: 100_000, SignInAge: 90 * 24 * time.Hour, SignIns: 20_000,
		},
		Log: Log{Level: slog.LevelInfo, Format: "text"},
	}
	if diff := cmp.Diff(Default(), want, prefixes); diff != "" {
		t.Errorf("defaults (-got +want):\n%s", diff)
	}
	got, err := Load(Sources{})
	if err != nil {
		t.Fatalf("the defaults alone can't be served: %v", err)
	}
	if diff := cmp.Diff(got, want, prefixes); diff != "" {
		t.Errorf("loaded (-got +want):\n%s", diff)
	}
}

func TestEveryKeyIsInTheFileWithAComment(t *testing.T) {
	documented := map[string]bool{}
	section, comment := "", false
	for line := range strings.Lines(File()) {
		word := strings.TrimSpace(line)
		name, _, isKey := strings.Cut(word, ":")
		switch {
		case word == "":
			comment = false
		case strings.HasPrefix(word, "#"):
			comment = true
		case isKey:
			if line[0] != ' ' {
				section = ""
			}
			documented[section+name] = comment
			if line[0] != ' ' {
				section = name + "."
			}
			comment = false
		}
	}
	var c Config
	for _, k := range c.keys() {
		commented, there := documented[k.name]
		if !there || !commented {
			t.Errorf("%s: in muster.yaml %t, with a comment %t; want both", k.name, there, commented)
		}
		delete(documented, k.name)
	}
	for name, commented := range documented {
		if !commented {
			t.Errorf("section %s has no comment", name)
		}
	}
}

// A field without a key could be set by nothing.
func TestEveryFieldHasAKey(t *testing.T) {
	var c Config
	settable := map[uintptr]string{}
	for _, k := range c.keys() {
		v := reflect.ValueOf(k.value)
		at := v.FieldByName("at").Pointer()
		if other, twice := settable[at]; twice {
			t.Errorf("%s and %s set the same field", other, k.name)
		}
		settable[at] = k.name
	}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		if v.Kind() != reflect.Struct {
			if _, ok := settable[v.Addr().Pointer()]; !ok {
				t.Errorf("no key sets %s", path)
			}
			return
		}
		for i := range v.NumField() {
			walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	}
	walk("Config", reflect.ValueOf(&c).Elem())
}

func TestNamesInTheEnvironmentAreDistinct(t *testing.T) {
	var c Config
	seen := map[string]string{}
	for _, k := range c.keys() {
		if other, twice := seen[k.env()]; twice {
			t.Errorf("%s and %s are both %s", other, k.name, k.env())
		}
		seen[k.env()] = k.name
	}
}

func TestAPrintedConfigReadsBack(t *testing.T) {
	c := Default()
	c.MQTT.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("10.0.0.0/8")}
	c.MQTTS.Addr, c.OTA.Rate, c.OTA.Cache, c.Log.Level = `odd: "#name"`, 1500, 1<<30+1, slog.LevelDebug
	var got Config
	if err := got.read("printed", []byte(c.String())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, c, prefixes); diff != "" {
		t.Errorf("read back (-got +want):\n%s", diff)
	}
}

func TestNoPrintingShowsASecret(t *testing.T) {
	const password = "s3cr3t-pa55"
	c := Default()
	c.Owner.Password = password
	c.Redis.URL = "redis://u:" + password + "@127.0.0.1:1/0"
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("start", "config", c, "password", c.Owner.Password)
	hex := fmt.Sprintf("%x", password)
	for name, out := range map[string]string{
		"String": c.String(),
		"%v":     fmt.Sprintf("%v", c),
		"%+v":    fmt.Sprintf("%+v", c),
		"%#v":    fmt.Sprintf("%#v", c),
		"%q":     fmt.Sprintf("%q", c.Owner.Password),
		"%x":     fmt.Sprintf("%x", c.Owner.Password),
		"JSON":   string(encoded),
		"log":    logged.String(),
	} {
		if strings.Contains(out, password) || strings.Contains(out, hex) {
			t.Errorf("%s shows it: %s", name, out)
		}
	}
	if got := c.Owner.Password.Reveal(); got != password {
		t.Errorf("Reveal() = %q, want %q", got, password)
	}
}
