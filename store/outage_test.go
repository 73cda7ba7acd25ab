package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/redisserver"
)

// ownRedis starts a redis-server as an operator would, and returns its address and a client.
func ownRedis(t testing.TB) (socket string, client *redis.Client) {
	t.Helper()
	server := got[*redisserver.Server](t)(redisserver.Start(t.Context(), t.TempDir(), quiet()))
	t.Cleanup(server.Stop)
	client = redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket(), MaxRetries: 1000, MinRetryBackoff: time.Millisecond, MaxRetryBackoff: 5 * time.Millisecond})
	t.Cleanup(func() { _ = client.Close() })
	must(t, server.Await(t.Context(), func(ctx context.Context) error { return client.Ping(ctx).Err() }))
	return server.Socket(), client
}

// openAt opens a store on a Redis that others run, and returns what it logs.
func openAt(t *testing.T, url, folder string) (*Store, *logged) {
	t.Helper()
	log := &logged{}
	s, err := Open(t.Context(), Options{URL: url, Folder: folder, Log: slog.New(slog.NewTextHandler(log, nil))})
	return opened(t, s, err), log
}

// logged is what a store logs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// outages is how many outages were logged. What the store does by itself meanwhile may have
// lines of its own.
func (l *logged) outages() int { return l.count("that need it are refused") }

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until waits until the condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("timed out waiting until %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestTwoProcessesNeverShareARedis(t *testing.T) {
	t.Parallel()
	socket, _ := ownRedis(t)
	first, _ := openAt(t, "unix://"+socket, t.TempDir())
	other := t.TempDir()
	_, err := Open(t.Context(), Options{URL: "unix://" + socket, Folder: other, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "another Muster uses this Redis") || !strings.Contains(err.Error(), "data folder") {
		t.Fatalf("got %v, want that another Muster uses this Redis, and where", err)
	}
	must(t, first.Ready())
	first.Close()
	second, log := openAt(t, "unix://"+socket, other)
	if log.count("waiting") != 0 {
		t.Errorf("it waited although the first had ended: %s", log)
	}
	must(t, second.Ready())
}

func TestAProcessThatLosesItsRedisToAnotherEnds(t *testing.T) {
	t.Parallel()
	socket, _ := ownRedis(t)
	folder := t.TempDir() // the same: as after kill -9, or of a copied machine
	first, _ := openAt(t, "unix://"+socket, folder)
	second, _ := openAt(t, "unix://"+socket, folder)
	if err := <-first.Lost(); err == nil || !strings.Contains(err.Error(), "another Muster uses this Redis now") {
		t.Errorf("got %v", err)
	}
	if err := first.Devices.Create(t.Context(), newDevice("a")); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("the loser writes: got %v, want unavailable", err)
	}
	if first.Ready() == nil {
		t.Error("the loser is ready")
	}
	must(t, second.Devices.Create(t.Context(), newDevice("a")))
	must(t, second.Ready())
}

func TestAnEmptiedRedisIsNotUsed(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	folder := t.TempDir()
	s, log := openAt(t, "unix://"+socket, folder)
	newTeam(t, s)
	must(t, client.FlushAll(t.Context()).Err())
	until(t, "the store is not ready", func() bool { return s.Ready() != nil })
	if _, err := s.Messages.Append(t.Context(), fleet.Message{Team: 1}); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("a message: got %v, want unavailable", err)
	}
	if _, err := s.Teams.Team(t.Context(), 1); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("a read: got %v, want unavailable, not that the team does not exist", err)
	}
	if n := got[int64](t)(client.DBSize(t.Context()).Result()); n != 0 {
		t.Errorf("%d keys were written to the emptied Redis: %v", n, client.Keys(t.Context(), "*"))
	}
	if log.outages() != 1 || log.count("does not hold the store") == 0 {
		t.Errorf("got the log %s, want one line that says so", log)
	}
	s.Close()
	images := t.TempDir()
	for name, row := range map[string]struct {
		options Options
		want    string // in the error; "" for none
	}{
		"its data folder":                {Options{Folder: folder}, "belongs to the store"},
		"images of a fleet without a id": {Options{Folder: images, Images: true}, "holds firmware images of a fleet"},
		"a new data folder":              {Options{Folder: t.TempDir()}, ""},
	} {
		row.options.URL, row.options.Log = "unix://"+socket, quiet()
		s, err := Open(t.Context(), row.options)
		if err == nil {
			s.Close()
			must(t, client.FlushAll(t.Context()).Err())
		}
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
	}
}

func TestRedisOfAnotherFleetIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	mine, _ := ownRedis(t)
	s, _ := openAt(t, "unix://"+mine, folder)
	s.Close()
	theirs, _ := ownRedis(t)
	other, _ := openAt(t, "unix://"+theirs, t.TempDir())
	other.Close()
	if _, err := Open(t.Context(), Options{URL: "unix://" + theirs, Folder: folder, Log: quiet()}); err == nil || !strings.Contains(err.Error(), "belongs to the store") {
		t.Errorf("got %v, want that the folder belongs to another store", err)
	}
}

// forwarder passes connections on to a socket, as a virtual address does that moves from a
// master to its replica.
type forwarder struct {
	net.Listener
	mu     sync.Mutex
	target string
	conns  []net.Conn
}

func forward(t *testing.T, target string) *forwarder {
	t.Helper()
	f := &forwarder{Listener: got[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")), target: target}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := f.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = f.Close()
		f.move("")
		all.Wait()
	})
	return f
}

func (f *forwarder) serve(conn net.Conn) {
	f.mu.Lock()
	server, err := net.Dial("unix", f.target)
	if err != nil {
		f.mu.Unlock()
		_ = conn.Close()
		return
	}
	f.conns = append(f.conns, conn, server)
	f.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(conn, server); _ = conn.Close() })
	both.Go(func() { _, _ = io.Copy(server, conn); _ = server.Close() })
	both.Wait()
}

// move ends all connections; new ones go to target.
func (f *forwarder) move(target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.target = target
	for _, conn := range f.conns {
		_ = conn.Close()
	}
	f.conns = nil
}

func TestAnEmptyReplicaThatWasPromotedIsNotUsed(t *testing.T) {
	t.Parallel()
	master, _ := ownRedis(t)
	empty, client := ownRedis(t)
	way := forward(t, master)
	s, log := openAt(t, "redis://"+way.Addr().String(), t.TempDir())
	newTeam(t, s)
	way.move(empty)
	if _, err := s.Messages.Append(t.Context(), fleet.Message{Team: 1}); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("a message was acknowledged by an empty Redis: %v", err)
	}
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "does not hold the store") {
		t.Errorf("got %v, want not ready and why", err)
	}
	if n := got[int64](t)(client.DBSize(t.Context()).Result()); n != 0 {
		t.Errorf("%d keys were written to it", n)
	}
	way.move(master)
	until(t, "the store is ready again", func() bool { return s.Ready() == nil })
	got[string](t)(s.Messages.Append(t.Context(), fleet.Message{Team: 1}))
	if log.outages() != 1 || log.count("answers again") != 1 {
		t.Errorf("got the log %s, want one line for the outage and one for its end", log)
	}
}

func TestARedisThatTakesNoWritesIsNotReady(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		begin, end []any // commands
		advice     string
	}{
		"out of memory":         {[]any{"config", "set", "maxmemory", "1"}, []any{"config", "set", "maxmemory", "0"}, "out of memory"},
		"a replica":             {[]any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}, "is a replica"},
		"no right to a command": {[]any{"acl", "setuser", "default", "-hmget"}, []any{"acl", "setuser", "default", "+hmget"}, "denies its user a right"},
		"replicas are missing":  {[]any{"config", "set", "min-replicas-to-write", "1"}, []any{"config", "set", "min-replicas-to-write", "0"}, "misses its replicas"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket, client := ownRedis(t)
			s, _ := openAt(t, "unix://"+socket, t.TempDir())
			_, _, product := newTeam(t, s)
			d := newDevice("a")
			d.Product = product.ID
			must(t, s.Devices.Create(t.Context(), d))
			must(t, client.Do(t.Context(), row.begin...).Err())
			until(t, "the store is not ready", func() bool { return s.Ready() != nil })
			_, err := s.Devices.Save(t.Context(), d)
			if !errors.Is(err, fleet.Unavailable) || !strings.Contains(err.Error(), row.advice) {
				t.Errorf("saving: got %v, want unavailable and %q", err, row.advice)
			}
			if err := s.Ready(); err == nil || !strings.Contains(err.Error(), row.advice) {
				t.Errorf("ready: got %v, want %q", err, row.advice)
			}
			if _, err := s.Devices.Device(t.Context(), "1/a"); err != nil {
				t.Errorf("reading: %v", err)
			}
			must(t, client.Do(t.Context(), row.end...).Err())
			until(t, "the store is ready again", func() bool { return s.Ready() == nil })
			*d = got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a"))
			got[uint64](t)(s.Devices.Save(t.Context(), d))
		})
	}
}

func TestAPasswordThatRedisWantsFromNowOnIsAnOutage(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	s, log := openAt(t, "unix://"+socket, t.TempDir())
	must(t, client.ConfigSet(t.Context(), "requirepass", "secret").Err())
	if n := got[int64](t)(client.Do(t.Context(), "client", "kill", "type", "normal").Int64()); n == 0 { // all others
		t.Fatal("no connection was ended")
	}
	if _, err := s.Devices.Device(t.Context(), "1/a"); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if log.outages() != 1 || log.count("wants a password") == 0 {
		t.Errorf("got the log %s, want one line that says so", log)
	}
	must(t, client.ConfigSet(t.Context(), "requirepass", "").Err())
	until(t, "the store is ready", func() bool { return s.Ready() == nil })
}

// awaitRenewal waits until a holder has renewed its lease.
func awaitRenewal(t *testing.T, c *redis.Client) {
	t.Helper()
	beat := func() int {
		n, _ := c.HGet(t.Context(), keys.Store, "beat").Int() // none before the first
		return n
	}
	before := beat()
	until(t, "the lease is renewed", func() bool { return beat() > before })
}

// TestOlderDataIsNoticed puts back what a replica had that lagged behind.
func TestOlderDataIsNoticed(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	s, log := openAt(t, "unix://"+socket, t.TempDir())
	ctx := t.Context()
	_, _, product := newTeam(t, s)
	d := newDevice("a")
	d.Product = product.ID
	must(t, s.Devices.Create(ctx, d))
	awaitRenewal(t, client)
	lagging := map[string]string{}
	for _, key := range got[[]string](t)(client.Keys(ctx, "*").Result()) {
		lagging[key] = got[string](t)(client.Dump(ctx, key).Result())
	}
	got[*fleet.Catalog](t)(s.Catalogs.EditCatalog(ctx, product.ID, func(c *fleet.Catalog) error { c.Default = version("3"); return nil }))
	got[fleet.Device](t)(s.Devices.Edit(ctx, "1/a", func(d *fleet.Device) error { d.Name = "changed"; return nil }))
	must(t, s.Devices.Create(ctx, newDevice("b")))
	awaitRenewal(t, client)
	_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.FlushAll(ctx)
		for key, dump := range lagging {
			p.Restore(ctx, key, 0, dump)
		}
		return nil
	})
	must(t, err)
	if n := <-s.Notices(); n.Name != NoticeOlder {
		t.Errorf("got the notice %+v", n)
	}
	if c := got[*fleet.Catalog](t)(s.Catalogs.Catalog(ctx, product.ID)); !c.Default.IsZero() {
		t.Errorf("the catalog has version %s from memory, Redis has none", c.Default)
	}
	until(t, "the lists follow", func() bool {
		all := entries(s.Index)[1]
		return len(all) == 1 && all["1/a"].Name == "device a"
	})
	if log.count("redis came back with older data") != 1 {
		t.Errorf("got the log %s, want one line that says so", log)
	}
	must(t, s.Ready())
}

// countReplies counts replies that begin with a text.
type countReplies struct {
	brokenReplies
	prefix string
	seen   int
}

func (h *countReplies) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range commands {
			if redis.HasErrorPrefix(c.Err(), h.prefix) {
				h.seen++
			}
		}
		return err
	}
}

func TestScriptsAreThereWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	s, _ := openChild(t, t.TempDir())
	replies := &countReplies{prefix: "NOSCRIPT"}
	hook(s, replies)
	d := newDevice("a")
	must(t, s.Devices.Create(t.Context(), d))
	must(t, serverProcess(t, s).Kill())
	got[uint64](t)(s.Devices.Save(t.Context(), d))
	replies.mu.Lock()
	defer replies.mu.Unlock()
	if replies.seen > 0 {
		t.Errorf("%d commands found no script", replies.seen)
	}
}

func TestCommandsOfOneTripWhoseRepliesAreLostAreQueuedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.Devices.Create(t.Context(), newDevice("a")))
		wire := &brokenReplies{lose: 3}
		hook(s, wire)
		const commands = 60
		var all sync.WaitGroup
		numbers := make([]uint32, commands)
		for i := range commands {
			all.Go(func() {
				c, err := s.Messages.Queue(context.Background(), fleet.Command{Device: "1/a", Name: fmt.Sprint(i)})
				if err != nil {
					t.Error(err)
				}
				numbers[i] = c.Number
			})
		}
		all.Wait()
		queued := got[[]fleet.Command](t)(s.Messages.Pending(t.Context(), "1/a"))
		if len(queued) != commands {
			t.Errorf("%d commands are queued, want %d", len(queued), commands)
		}
		for _, c := range queued {
			var i int
			must(t, func() error { _, err := fmt.Sscan(c.Name, &i); return err }())
			if numbers[i] != c.Number {
				t.Errorf("command %d has number %d, its caller has %d", i, c.Number, numbers[i])
			}
		}
		if d := got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a")); d.Pending != commands || d.LastCommand != commands {
			t.Errorf("the record counts %d pending, last %d", d.Pending, d.LastCommand)
		}
	})
}

// TestListsFollowWritesThatWereGivenUp stops the server with a write in its socket: it is
// carried out after its caller has got an error.
func TestListsFollowWritesThatWereGivenUp(t *testing.T) {
	t.Parallel()
	s, _ := openChild(t, t.TempDir())
	must(t, s.Devices.Create(t.Context(), newDevice("a")))
	d := got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a"))
	d.Name = "new name"
	server := serverProcess(t, s)
	must(t, server.Signal(syscall.SIGSTOP))
	if _, err := s.Devices.Save(t.Context(), &d); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	must(t, server.Signal(syscall.SIGCONT))
	until(t, "the write is carried out", func() bool {
		d, err := s.Devices.Device(t.Context(), "1/a")
		return err == nil && d.Name == "new name"
	})
	until(t, "the lists follow", func() bool { return entries(s.Index)[1]["1/a"].Name == "new name" })
}

// cut lets nothing through while it is closed.
type cut struct {
	mu     sync.Mutex
	closed bool
	after  string // a key: once it was written, the cut closes
}

func (h *cut) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *cut) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (h *cut) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		h.mu.Lock()
		closed := h.closed
		for _, c := range commands {
			if h.after != "" && c.Name() == "evalsha" && fmt.Sprint(c.Args()[3]) == h.after {
				h.closed, h.after = true, ""
			}
		}
		h.mu.Unlock()
		if closed {
			for _, c := range commands {
				c.SetErr(io.EOF)
			}
			return io.EOF
		}
		return next(ctx, commands)
	}
}

func TestADeletionOfAGroupIsFinishedWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	s := openServed(t, t.TempDir())
	ctx := t.Context()
	team, _, product := newTeam(t, s)
	g := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "beta"}))
	for i := range 300 {
		d := newDevice(fleet.DeviceID(fmt.Sprint("d", i)))
		d.Team, d.Product, d.Groups = team.ID, product.ID, []fleet.GroupID{g.ID}
		must(t, s.Devices.Create(ctx, d))
	}
	link := &cut{after: keys.Team(team.ID)}
	hook(s, link)
	if err := s.Teams.DeleteGroup(ctx, team.ID, g.ID); !errors.Is(err, ErrUnfinished) || !errors.Is(err, fleet.Unavailable) {
		t.Fatalf("got %v, want that it is not finished", err)
	}
	link.mu.Lock()
	link.closed = false
	link.mu.Unlock()
	until(t, "no device has the group", func() bool {
		return len(s.Index.Members(team.ID, g.ID)) == 0
	})
}

func TestAFolderRemembersItsStore(t *testing.T) {
	t.Parallel()
	socket, _ := ownRedis(t)
	folder := t.TempDir()
	s, _ := openAt(t, "unix://"+socket, folder)
	s.Close()
	before := got[[]byte](t)(os.ReadFile(filepath.Join(folder, "store.json")))
	again, _ := openAt(t, "unix://"+socket, folder)
	again.Close()
	after := got[[]byte](t)(os.ReadFile(filepath.Join(folder, "store.json")))
	if id, _, _ := strings.Cut(string(before), ","); !strings.HasPrefix(string(after), id) || string(after) == string(before) {
		t.Errorf("got %s, then %s: want the same id and the next epoch", before, after)
	}
}

func TestAStartOnARedisThatTakesNoWritesHasAdvice(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	must(t, client.Do(t.Context(), "replicaof", "127.0.0.1", "1").Err())
	s, err := Open(t.Context(), Options{URL: "unix://" + socket, Folder: t.TempDir(), Log: quiet()})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "is a replica") {
		t.Errorf("got %v, want that this Redis is a replica, and what to do", err)
	}
}

func TestAHolderThatWasPausedWritesNothing(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	first, _ := openAt(t, "unix://"+socket, t.TempDir())
	must(t, client.Set(t.Context(), keys.Lease, "another", time.Minute).Err()) // as after a pause
	if err := <-first.Lost(); err == nil {
		t.Error("nothing was lost")
	}
	if err := first.Devices.Create(t.Context(), newDevice("a")); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if n := got[int64](t)(client.Exists(t.Context(), keys.Device("1/a")).Result()); n != 0 {
		t.Error("it wrote to a store that another process holds")
	}
}

// TestASaveIsRefusedByARedisThatIsOutOfMemory saves at once, before the store has noticed.
func TestASaveIsRefusedByARedisThatIsOutOfMemory(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	s, _ := openAt(t, "unix://"+socket, t.TempDir())
	d := newDevice("a")
	must(t, s.Devices.Create(t.Context(), d))
	must(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	if _, err := s.Devices.Save(t.Context(), d); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
}
