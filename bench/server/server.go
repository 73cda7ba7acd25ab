// Package server starts `muster serve` for a benchmark, and reads its metrics.
package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/rest"
)

// Config is how a server is started.
type Config struct {
	Name     string // of the process, its log and its ready file
	Binary   string
	Folder   string // for the log and the ready file
	Data     string // --data
	Password string // of the owner
	Settings []string
	Flags    []string // further flags of muster serve
}

// Muster is a `muster serve` that is ready, on free ports of loopback, and a client of it that is
// signed in as its owner.
type Muster struct {
	*process.Process
	*rest.Client
	MQTT, MQTTS string        // addresses; MQTTS needs --mqtts
	Started     time.Duration // until /readyz answered 200
}

const ownerEmail = "bench@example.com"

// StartTimeout bounds the start of a server; a million devices take some of it.
const StartTimeout = 3 * time.Minute

// Start starts a server and waits until it is ready. A second start with the same data folder
// finds what the first one stored.
func Start(ctx context.Context, c Config) (*Muster, error) {
	readyFile := filepath.Join(c.Folder, c.Name+"-ready.json")
	if err := os.Remove(readyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	environment := append([]string{"MUSTER_OWNER_EMAIL=" + ownerEmail, "MUSTER_OWNER_PASSWORD=" + c.Password}, c.Settings...)
	args := append([]string{"serve", "--data", c.Data, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", readyFile}, c.Flags...)
	began := time.Now()
	p, err := process.Start(c.Name, filepath.Join(c.Folder, c.Name+".log"), environment, c.Binary, args...)
	if err != nil {
		return nil, err
	}
	s := &Muster{Process: p}
	if err := s.await(ctx, readyFile); err != nil {
		p.Stop()
		return nil, err
	}
	s.Started = time.Since(began)
	if err := s.SignIn(ctx, ownerEmail, c.Password); err != nil {
		p.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Muster) await(ctx context.Context, readyFile string) error {
	var at struct {
		MQTT  string `json:"mqtt"`
		MQTTS string `json:"mqtts"`
		HTTP  string `json:"http"`
	}
	err := process.Poll(ctx, StartTimeout, "muster's ready file", func() (bool, error) {
		data, err := os.ReadFile(readyFile)
		if err != nil || json.Unmarshal(data, &at) != nil {
			return false, s.Alive()
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	s.MQTT, s.MQTTS, s.Client = at.MQTT, at.MQTTS, rest.New(at.HTTP)
	return process.Poll(ctx, StartTimeout, "muster's /readyz", func() (bool, error) { return s.Ready(ctx), s.Alive() })
}

// Metric finds a metric in the Prometheus text format by its name, with its labels if it has any.
func Metric(text []byte, name string) (float64, error) {
	for line := range bytes.Lines(text) {
		if words := bytes.Fields(line); len(words) >= 2 && string(words[0]) == name {
			return strconv.ParseFloat(string(words[1]), 64)
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}
