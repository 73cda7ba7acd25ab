// Package require holds what Muster requires of a Redis: its version, its mode, and a
// configuration that loses nothing.
package require

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/store/pipeline"
)

// Await waits until all masters answer, or ctx ends, and checks their version and mode. It logs once
// that it waits.
func Await(ctx context.Context, p *pipeline.Pipeline, log *slog.Logger) error {
	if err := awaitAnswer(ctx, p, log); err != nil {
		return err
	}
	for _, c := range p.Masters() {
		info, err := c.Info(ctx, "server", "cluster").Result()
		if err != nil {
			return pipeline.Explain(err)
		}
		if err := errors.Join(checkMode(infoField(info, "cluster_enabled") == "1", p.Clustered()), checkVersion(info)); err != nil {
			return err
		}
	}
	return nil
}

// checkMode compares what a Redis is with its URL.
func checkMode(cluster, named bool) error {
	if cluster && !named {
		return errors.New("redis runs in cluster mode: name at least two of its nodes, so that Muster uses all of its masters " +
			"(--redis 'redis://HOST:PORT?addr=HOST2:PORT2&addr=HOST3:PORT3'), or name a Redis with cluster-enabled no")
	}
	return nil
}

// awaitAnswer pings all masters until they answer, which takes long while one reads a large file.
func awaitAnswer(ctx context.Context, p *pipeline.Pipeline, log *slog.Logger) error {
	began, logged := time.Now(), false
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := p.Connect(ctx)
		for _, c := range p.Masters() {
			err = errors.Join(err, c.Ping(ctx).Err())
		}
		if err == nil {
			return nil
		}
		if advice := pipeline.Misnamed(err); advice != "" {
			return errors.New(advice)
		}
		if !pipeline.Transient(err) || pipeline.Denied(err) {
			return pipeline.Explain(err)
		}
		if !logged && time.Since(began) > 2*time.Second {
			logged = true
			log.Warn("waiting for redis", "err", pipeline.Explain(err))
		}
		select {
		case <-ctx.Done():
			return pipeline.Explain(err)
		case <-time.After(pause):
		}
	}
}

const oldestRedis = 7 // major version: streams with generated sequence numbers, multi-part append-only files

func checkVersion(info string) error {
	version := infoField(info, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestRedis {
		return fmt.Errorf("redis %q is too old: Redis 7.0 or Valkey 7.2 is the oldest that works", version)
	}
	return nil
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// Warn logs how the configuration of an operator's Redis can lose data, and which masters have fewer
// replicas than must have a write before it is acknowledged. A hosted Redis may
// forbid reading its configuration: then nothing is logged.
func Warn(ctx context.Context, p *pipeline.Pipeline, replicas int, log *slog.Logger) {
	warnOfReplicas(ctx, p, replicas, log)
	for _, check := range []struct {
		key, want, why string
		cluster        bool // only there
	}{
		{"maxmemory-policy", "noeviction", "redis may delete devices when it runs out of memory", false},
		{"appendonly", "yes", "acknowledged writes are lost when redis stops", false},
		{"appendfsync", "always", "the last second of acknowledged writes is lost when the machine stops", false},
		{"cluster-require-full-coverage", "no", "the whole fleet is refused while one master is away", true},
	} {
		if check.cluster && !p.Clustered() {
			continue
		}
		for _, c := range p.Masters() {
			answer, err := c.ConfigGet(ctx, check.key).Result()
			if got := answer[check.key]; err == nil && got != "" && got != check.want {
				log.Warn("redis is configured to lose data or service", "setting", check.key, "is", got, "want", check.want, "why", check.why)
				break // one line for all masters
			}
		}
	}
}

func warnOfReplicas(ctx context.Context, p *pipeline.Pipeline, want int, log *slog.Logger) {
	if want == 0 {
		return
	}
	for _, c := range p.Masters() {
		info, err := c.Info(ctx, "replication").Result()
		if err != nil {
			continue // the first write says why
		}
		if n, _ := strconv.Atoi(infoField(info, "connected_slaves")); n < want {
			log.Warn("redis has fewer replicas than redis.ack_replicas: until it has them, nothing is written there",
				"master", cmp.Or(c.Addr, "the one that Sentinels name"), "replicas", n, "want", want)
		}
	}
}
