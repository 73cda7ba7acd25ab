// Package haproxy runs HAProxy with the example next to it, in front of servers on this machine.
// Tests and make chaos-cluster use it.
package haproxy

import (
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/muster-iot/muster/bench/process"
)

//go:embed haproxy.cfg
var example string

// most is how many servers the example has.
const most = 3

// Server is where one server listens, as host:port. It must expect the PROXY protocol from 127.0.0.1.
type Server struct{ MQTT, HTTP string }

// Balancer is a HAProxy. Stop ends it, and Start starts it again at the same addresses.
type Balancer struct {
	MQTT, HTTP string // host:port

	program, file, log string
	now                *process.Process
}

// New writes the example for one to three servers into dir, with free addresses of this machine. The
// error says what to install if there is no HAProxy.
func New(dir string, servers []Server) (*Balancer, error) {
	b := &Balancer{file: filepath.Join(dir, "haproxy.cfg"), log: filepath.Join(dir, "haproxy.log")}
	var err error
	if b.program, err = exec.LookPath("haproxy"); err != nil {
		b.program = "/usr/sbin/haproxy" // Debian's, which is not on everybody's PATH
	}
	if _, err := os.Stat(b.program); err != nil {
		return nil, fmt.Errorf("%w: install haproxy", err)
	}
	var mqtts string
	for _, address := range []*string{&b.MQTT, &mqtts, &b.HTTP} {
		if *address, err = process.FreeAddress(); err != nil {
			return nil, err
		}
	}
	text := strings.NewReplacer("bind :1883", "bind "+b.MQTT, "bind :8883", "bind "+mqtts, "bind :8080", "bind "+b.HTTP).Replace(example)
	for i := range most {
		if text, err = place(text, i, servers); err != nil {
			return nil, err
		}
	}
	return b, os.WriteFile(b.file, []byte(text), 0o600)
}

// place replaces the address of server i of the example in each of its lines, or removes the lines.
func place(text string, i int, servers []Server) (string, error) {
	lines := regexp.MustCompile(fmt.Sprintf(`(?m)^( *server muster-%d) muster-%d:(\d+)(.*)\n`, i+1, i+1))
	if !lines.MatchString(text) {
		return "", fmt.Errorf("the example has no server muster-%d", i+1)
	}
	if i >= len(servers) {
		return lines.ReplaceAllString(text, ""), nil
	}
	s := servers[i]
	_, port, err := net.SplitHostPort(s.HTTP)
	return lines.ReplaceAllStringFunc(text, func(line string) string {
		part, to := lines.FindStringSubmatch(line), s.MQTT
		if part[2] == "8080" {
			to = s.HTTP
		}
		return part[1] + " " + to + " port " + port + part[3] + "\n"
	}), err
}

// Start starts it. It listens a moment later.
func (b *Balancer) Start() (err error) {
	b.now, err = process.Start("haproxy", b.log, nil, b.program, "-db", "-f", b.file)
	return err
}

// Alive returns an error with the end of the log if it has ended.
func (b *Balancer) Alive() error { return b.now.Alive() }

// Stop ends it, and with it all connections.
func (b *Balancer) Stop() {
	if b.now != nil {
		b.now.Stop()
	}
}
