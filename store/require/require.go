// Package require holds what Muster requires of a Redis: its version, its mode, and a
// configuration that loses nothing.
package require

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// Await waits until Redis answers, or ctx ends, and checks its version and mode. It logs once
// that it waits.
func Await(ctx context.Context, c *redis.Client, log *slog.Logger) error {
	if err := awaitAnswer(ctx, c, log); err != nil {
		return err
	}
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return pipeline.Explain(err)
	}
	if infoField(info, "redis_mode") == "cluster" {
		return errCluster
	}
	return checkVersion(info)
}

// A Cluster of one node refuses a script or transaction across slots too.
var errCluster = errors.New("redis runs in cluster mode, which Muster can't use: " +
	"name a Redis with cluster-enabled no (--redis URL), or let Muster start its own (without --redis)")

// awaitAnswer pings Redis until it answers, which takes long while it reads a large file.
func awaitAnswer(ctx context.Context, c *redis.Client, log *slog.Logger) error {
	began, logged := time.Now(), false
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := c.Ping(ctx).Err()
		if err == nil {
			return nil
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

// Warn logs how the configuration of an operator's Redis can lose data. A hosted Redis may
// forbid reading its configuration: then nothing is logged.
func Warn(ctx context.Context, c *redis.Client, log *slog.Logger) {
	for _, check := range []struct{ key, want, why string }{
		{"maxmemory-policy", "noeviction", "redis may delete devices when it runs out of memory"},
		{"appendonly", "yes", "acknowledged writes are lost when redis stops"},
		{"appendfsync", "always", "the last second of acknowledged writes is lost when the machine stops"},
	} {
		answer, err := c.ConfigGet(ctx, check.key).Result()
		if got := answer[check.key]; err == nil && got != "" && got != check.want {
			log.Warn("redis is configured to lose data", "setting", check.key, "is", got, "want", check.want, "why", check.why)
		}
	}
}
