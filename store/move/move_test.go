package move

import (
	"context"
	"hash/maphash"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
)

// server returns a pipeline to a Redis of its own.
func server(t *testing.T) *pipeline.Pipeline {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	server, err := redisserver.Start(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	p := pipeline.New(pipeline.Target{Server: &redis.Options{Network: "unix", Addr: server.Socket()}}, log, nil, pipeline.Guard{})
	t.Cleanup(p.Close)
	err = server.Await(t.Context(), func(ctx context.Context) error {
		for {
			if err := p.Masters()[0].Ping(ctx).Err(); err == nil || ctx.Err() != nil {
				return err
			}
			<-time.After(10 * time.Millisecond)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs one command, which no method of a client may have.
func run(m pipeline.Master, command []any) error {
	pipe := m.Pipeline()
	pipe.Do(context.Background(), command...)
	return pipeline.Exec(context.Background(), pipe)
}

func TestACopyThatDiffersIsNoticed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := &Move{From: server(t), To: server(t), Say: func(string, ...any) {}, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	from, to := s.From.Masters()[0], s.To.Masters()[0]
	for _, command := range [][]any{
		{"HSET", "d:{0}:a", "r", "1", "w", "x"},
		{"RPUSH", "h:{0}:a", "1", "2"},
		{"SET", "k:{a}", "token"},
		{"SADD", "all:{teams}", "1", "2"},
		{"ZADD", "ao:{t1}", "0", "a", "0", "b"},
		{"XADD", "m:{t1}", "1-1", "n", "x", "v", "y"},
	} {
		if err := run(from, command); err != nil {
			t.Fatal(err)
		}
	}
	for name, command := range map[string][]any{
		"":                         nil,
		"another field":            {"HSET", "d:{0}:a", "q", "1"},
		"another value":            {"HSET", "d:{0}:a", "w", "y"},
		"values of two fields":     {"HSET", "d:{0}:a", "r", "x", "w", "1"},
		"another order of a list":  {"LMOVE", "h:{0}:a", "h:{0}:a", "LEFT", "RIGHT"},
		"another string":           {"SET", "k:{a}", "token2"},
		"a member of a set":        {"SADD", "all:{teams}", "3"},
		"the score of a member":    {"ZADD", "ao:{t1}", "1", "a"},
		"an entry of a stream":     {"XADD", "m:{t1}", "1-2", "n", "x", "v", "y"},
		"a key that is missing":    {"DEL", "h:{0}:a"},
		"a key that is too many":   {"SET", "k:{b}", "token"},
		"a key of another type":    {"COPY", "k:{a}", "d:{0}:a", "REPLACE"},
		"an entry that is missing": {"XDEL", "m:{t1}", "1-1"},
	} {
		if err := s.copy(ctx); err != nil {
			t.Fatal(err)
		}
		if err := s.prune(ctx); err != nil {
			t.Fatal(err)
		}
		if command != nil {
			if err := run(to, command); err != nil {
				t.Fatal(err)
			}
		}
		err := s.check(ctx)
		if (err != nil) != (command != nil) || err != nil && !strings.Contains(err.Error(), "something else writes") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
