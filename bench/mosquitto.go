package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/server"
	"github.com/muster-iot/muster/bench/swarm"
)

// mosquitto is the other broker, with a user name and a password for each device.
type mosquitto struct {
	*process.Process
	mqtt    swarm.Target
	version string
}

// publisher is the user that sends firmware through Mosquitto.
const publisher = "publisher"

// The settings that cost Mosquitto least: nothing is written to disk, nothing logged,
// no $SYS topics, no delay of small segments, no queue that overflows.
const mosquittoConf = `%slistener %s 127.0.0.1
allow_anonymous false
password_file %s
persistence false
log_dest none
connection_messages false
sys_interval 0
max_connections -1
max_inflight_messages %d
max_queued_messages 0
set_tcp_nodelay true
%s`

// startMosquitto starts Mosquitto with o.devices users and the publisher. window is how
// many messages are in flight to one client.
func (b *bed) startMosquitto(ctx context.Context, o options, window uint32) (*mosquitto, []swarm.Credentials, error) {
	path, err := lookMosquitto()
	if err != nil {
		return nil, nil, err
	}
	b.progress("starting mosquitto")
	var devices []swarm.Credentials
	for _, id := range append(swarm.IDs(o.devices), publisher) {
		devices = append(devices, swarm.Credentials{ID: id, Password: rand.Text()})
	}
	passwords := filepath.Join(b.dir, "mosquitto.passwords")
	if err := writePasswords(ctx, passwords, devices); err != nil {
		return nil, nil, err
	}
	address, err := process.FreeAddress() // Mosquitto can't choose a port by itself
	if err != nil {
		return nil, nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root\n" // else it could not read its files
	}
	certificate := ""
	target := swarm.Target{Address: address}
	if o.secure {
		files, clients, err := b.certificate()
		if err != nil {
			return nil, nil, err
		}
		certificate = fmt.Sprintf("certfile %s\nkeyfile %s\n", files.Cert, files.Key)
		target.TLS = clients
	}
	conf := filepath.Join(b.dir, "mosquitto.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, mosquittoConf, user, port, passwords, max(window, 1), certificate), 0o600); err != nil {
		return nil, nil, err
	}
	p, err := b.start("mosquitto", nil, path, "-c", conf)
	if err != nil {
		return nil, nil, err
	}
	m := &mosquitto{Process: p, mqtt: target, version: mosquittoVersion(ctx, path)}
	err = process.Poll(ctx, server.StartTimeout, "mosquitto's listener", func() (bool, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", target.Address)
		if err != nil {
			return false, p.Alive()
		}
		return true, nc.Close()
	})
	return m, devices, err
}

// lookMosquitto finds the broker, which Debian keeps in /usr/sbin.
func lookMosquitto() (string, error) {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("mosquitto is not installed (Debian: mosquitto); --servers muster measures without it")
}

// writePasswords makes a password file of Mosquitto's: salted hashes.
func writePasswords(ctx context.Context, file string, devices []swarm.Credentials) error {
	var plain strings.Builder
	for _, d := range devices {
		fmt.Fprintf(&plain, "%s:%s\n", d.ID, d.Password)
	}
	if err := os.WriteFile(file, []byte(plain.String()), 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "mosquitto_passwd", "-U", file).CombinedOutput(); err != nil {
		return fmt.Errorf("mosquitto_passwd: %w: %s", err, out)
	}
	return nil
}

func mosquittoVersion(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, path, "-h").Output() // exits 1, prints all the same
	line, _, _ := strings.Cut(string(out), "\n")
	if words := strings.Fields(line); len(words) == 3 && words[1] == "version" {
		return words[2]
	}
	return "of unknown version"
}
