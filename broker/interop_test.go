//go:build interop

package broker

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// mosquitto runs mosquitto_pub or mosquitto_sub against addr as device id and returns
// what it says and its exit code.
func mosquitto(t *testing.T, program string, addr net.Addr, version, id, secret string, args ...string) (out string, code int) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-h", host, "-p", port, "-V", version, "-i", id, "-u", id, "-P", secret}, args...)
	ctx, cancel := contextFor(3 * time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	_ = cmd.Run() // its exit code says it
	return both.String(), cmd.ProcessState.ExitCode()
}

func everyMosquitto(t *testing.T, test func(t *testing.T, cloud *cloud, addr net.Addr, version string)) {
	for _, version := range []string{"mqttv311", "mqttv5"} {
		t.Run(version, func(t *testing.T) {
			cloud := newCloud()
			_, addr := listening(t, Config{}, cloud)
			test(t, cloud, addr, version)
		})
	}
}

func TestMosquittoPublishesToOwnTopics(t *testing.T) {
	everyMosquitto(t, func(t *testing.T, cloud *cloud, addr net.Addr, version string) {
		for _, qos := range []string{"0", "1"} {
			if out, code := mosquitto(t, "mosquitto_pub", addr, version, "d1", "proof", "-q", qos, "-t", "d/d1/up/msg/t", "-m", "hi "+qos); code != 0 {
				t.Errorf("QoS %s: exit code %d: %s", qos, code, out)
			}
			if n := <-cloud.heard; n.topic.Name != "t" || n.payload != "hi "+qos {
				t.Errorf("received %v", n)
			}
		}
	})
}

func TestMosquittoIsRefusedOthersTopics(t *testing.T) {
	everyMosquitto(t, func(t *testing.T, cloud *cloud, addr net.Addr, version string) {
		mosquitto(t, "mosquitto_pub", addr, version, "d1", "proof", "-q", "0", "-t", "d/d2/up/msg", "-m", "x")
		out, code := mosquitto(t, "mosquitto_pub", addr, version, "d1", "proof", "-q", "1", "-t", "d/d2/up/msg", "-m", "x")
		if code == 0 && !strings.Contains(strings.ToLower(out), "not authorized") {
			t.Errorf("QoS 1 was taken: %s", out)
		}
		for _, filter := range []string{"d/d2/down/#", "#", "$share/g/#"} {
			out, _ = mosquitto(t, "mosquitto_sub", addr, version, "d1", "proof", "-t", filter, "-W", "1")
			if !strings.Contains(out, "denied") && !strings.Contains(out, "failed") {
				t.Errorf("subscribing to %s: %s", filter, out)
			}
		}
		if len(cloud.heard) != 0 {
			t.Errorf("received %v", <-cloud.heard)
		}
	})
}

func TestMosquittoIsRefusedWithAWrongSecret(t *testing.T) {
	everyMosquitto(t, func(t *testing.T, cloud *cloud, addr net.Addr, version string) {
		out, code := mosquitto(t, "mosquitto_pub", addr, version, "d1", "wrong", "-t", "d/d1/up/msg", "-m", "x")
		if code == 0 || !strings.Contains(strings.ToLower(out), "not authori") {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
}

func TestMosquittoReceivesWhatTheCloudSends(t *testing.T) {
	everyMosquitto(t, func(t *testing.T, cloud *cloud, addr net.Addr, version string) {
		go func() {
			s := <-cloud.came
			for range 3 {
				if err := s.link().Send(topicOf(t, "d/d1/down/cmd/7/blink"), []byte("on")); err != nil {
					t.Error(err)
				}
			}
		}()
		out, code := mosquitto(t, "mosquitto_sub", addr, version, "d1", "proof", "-t", "d/d1/down/#", "-C", "3", "-v")
		if want := strings.Repeat("d/d1/down/cmd/7/blink on\n", 3); code != 0 || out != want {
			t.Errorf("exit code %d: %q, want %q", code, out, want)
		}
	})
}

func TestMosquittosWillFiresWhenItIsKilled(t *testing.T) {
	everyMosquitto(t, func(t *testing.T, cloud *cloud, addr net.Addr, version string) {
		mosquitto(t, "mosquitto_sub", addr, version, "d1", "proof", "-t", "d/d1/down/#",
			"--will-topic", "d/d1/up/msg/will", "--will-payload", "gone") // killed by its deadline
		if n := <-cloud.heard; n.topic.Name != "will" || n.payload != "gone" {
			t.Errorf("received %v", n)
		}
	})
}
