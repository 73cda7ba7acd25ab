package store

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/record"
	"github.com/muster-iot/muster/store/retention"
)

// layout1 returns the commands that write the store of a server of layout 1, which
// testdata/layout1/export.py has read out.
func layout1(tb testing.TB) (commands [][]any) {
	tb.Helper()
	file := got[*os.File](tb)(os.Open("testdata/layout1/keys.jsonl"))
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var words []string
		must(tb, json.Unmarshal(lines.Bytes(), &words))
		command := make([]any, 0, len(words))
		for _, word := range words {
			bytes := make([]byte, 0, len(word))
			for _, r := range word { // each is a byte
				bytes = append(bytes, byte(r))
			}
			command = append(command, string(bytes))
		}
		if command[1] != keys.Lease { // its server has ended
			commands = append(commands, command)
		}
	}
	must(tb, lines.Err())
	return commands
}

// older are the layouts that a store is migrated from.
var older = []string{identity.First, "2"}

// restore puts the store of layout 1 into a Redis, in place of what is there.
func restore(tb testing.TB, c *redis.Client) {
	tb.Helper()
	restoreAs(tb, c, identity.First)
}

// restoreAs puts it there with the names that its keys have in an older layout.
func restoreAs(tb testing.TB, c *redis.Client, layout string) {
	tb.Helper()
	pipe := c.Pipeline()
	pipe.FlushAll(tb.Context())
	for _, command := range layout1(tb) {
		if now, old := keys.FromLayout1(command[1].(string)); old && layout == "2" {
			command[1] = now
		}
		pipe.Do(tb.Context(), command...)
	}
	if layout == "2" {
		pipe.HSet(tb.Context(), keys.Store, "layout", layout, "epoch", "newer")
	}
	got[[]redis.Cmder](tb)(pipe.Exec(tb.Context()))
}

// contents returns what is in a Redis, by key, without what a start changes.
func contents(tb testing.TB, c *redis.Client) map[string]any {
	tb.Helper()
	ctx, found := tb.Context(), map[string]any{}
	for _, key := range got[[]string](tb)(c.Keys(ctx, "*").Result()) {
		switch kind := got[string](tb)(c.Type(ctx, key).Result()); kind {
		case "hash":
			fields := got[map[string]string](tb)(c.HGetAll(ctx, key).Result())
			if key == keys.Store {
				fields = map[string]string{"id": fields["id"], "layout": fields["layout"]}
			}
			found[key] = fields
		case "list":
			found[key] = got[[]string](tb)(c.LRange(ctx, key, 0, -1).Result())
		case "set":
			members := got[[]string](tb)(c.SMembers(ctx, key).Result())
			slices.Sort(members)
			found[key] = members
		case "zset":
			found[key] = got[[]redis.Z](tb)(c.ZRangeWithScores(ctx, key, 0, -1).Result())
		case "stream":
			found[key] = got[[]redis.XMessage](tb)(c.XRange(ctx, key, "-", "+").Result())
		case "string":
			if key != keys.Lease {
				found[key] = got[string](tb)(c.Get(ctx, key).Result())
			}
		}
	}
	return found
}

func mute(string, ...any) {}

func TestAMigratedStoreHasEverythingItHad(t *testing.T) {
	t.Parallel()
	for _, layout := range older {
		t.Run("layout "+layout, func(t *testing.T) {
			t.Parallel()
			migrated(t, layout)
		})
	}
}

func migrated(t *testing.T, layout string) {
	socket, client := ownRedis(t)
	restoreAs(t, client, layout)
	before := contents(t, client)
	folder := t.TempDir()
	var said []string
	must(t, Migrate(t.Context(), Options{URL: "unix://" + socket, Folder: folder, Log: quiet()}, false, func(format string, args ...any) {
		said = append(said, fmt.Sprintf(format, args...))
	}))
	if want := "30 devices, 49 past updates, 2 commands, 3 products, 2 teams, 2 users, 2 tokens, 5 messages, 2 alerts"; !strings.Contains(strings.Join(said, "\n"), want) {
		t.Errorf("it said %q, want %q", said, want)
	}
	after := contents(t, client)
	for key, value := range before {
		key = now(before, key)
		if diff := cmp.Diff(value, after[key]); diff != "" && key != keys.Store {
			t.Errorf("%s has changed:\n%s", key, diff)
		}
	}
	holders := 0
	for key := range after {
		if keys.Kind(key) == "y" {
			holders++
		}
		if keys.Older(key) {
			t.Errorf("%s has a name of an older layout", key)
		}
	}
	if holders != 30 || len(after) != len(before)+holders {
		t.Errorf("there are %d keys, %d of them for ids, want %d and one for each of 30 devices", len(after), holders, len(before))
	}

	forever := 100 * 365 * 24 * time.Hour
	s, err := Open(t.Context(), Options{URL: "unix://" + socket, Folder: folder, Log: quiet(), Keep: retention.Policy{Age: forever, AuditAge: forever, SignInAge: forever}})
	opened(t, s, err)
	checkDevices(t, s)
	for slug, versions := range map[string]int{"lamp": 2, "meter": 1, "third": 0} {
		p := got[fleet.Product](t)(s.Catalogs.ProductBySlug(t.Context(), 1, slug))
		if c := got[*fleet.Catalog](t)(s.Catalogs.Catalog(t.Context(), p.ID)); len(c.Firmware) != versions {
			t.Errorf("%s has %d versions, want %d", slug, len(c.Firmware), versions)
		}
	}
	owner := got[[]fleet.User](t)(s.Teams.UsersByEmail(t.Context(), "owner@example.com"))[0]
	if teams := got[[]fleet.Member](t)(s.Teams.TeamsOf(t.Context(), owner.ID)); len(teams) != 2 {
		t.Errorf("the owner is in %d teams, want 2", len(teams))
	}
	if page, _, err := s.Messages.List(t.Context(), fleet.MessageQuery{Team: 1, Limit: 100}); err != nil || len(page) != 5 {
		t.Errorf("got %d messages, %v, want 5", len(page), err)
	}
	if page, _, err := s.Messages.Alerts(t.Context(), 1, "", false, "", 100); err != nil || len(page) != 2 {
		t.Errorf("got %d alerts, %v, want 2", len(page), err)
	}
	if page, _, err := s.Messages.AuditLog(t.Context(), 1, "", 100); err != nil || len(page) < 15 {
		t.Errorf("got %d entries of the audit log, %v", len(page), err)
	}
}

// now returns the name of this layout for a key of layout 1 or 2. before is what is in the store.
func now(before map[string]any, key string) string {
	second := key
	if renamed, old := keys.FromLayout1(key); old {
		second = renamed
	}
	id, old := keys.FromLayout2(second)
	if !old {
		if slug, is := strings.CutPrefix(key, "s:{"); is {
			return keys.Slug(1, strings.TrimSuffix(slug, "}"))
		}
		return second
	}
	record, ok := before["d:{"+id.String()+"}"]
	if !ok {
		record = before[keys.OfLayout2(id).Record]
	}
	fields, _ := record.(map[string]string)
	team, _ := strconv.ParseUint(fields["t"], 10, 32)
	id = id.In(fleet.TeamID(team))
	switch keys.Kind(key) {
	case "h":
		return keys.History(id)
	case "o":
		return keys.Outbox(id)
	}
	return keys.Device(id)
}

// checkDevices compares the devices of s with the records of layout 1.
func checkDevices(t *testing.T, s *Store) {
	t.Helper()
	devices := 0
	for _, command := range layout1(t) {
		id, isDevice := strings.CutPrefix(command[1].(string), "d:{")
		if !isDevice {
			continue
		}
		devices++
		fields := map[string]string{}
		for i := 2; i < len(command); i += 2 {
			fields[command[i].(string)] = command[i+1].(string)
		}
		team, _ := strconv.ParseUint(fields["t"], 10, 32)
		want := fleet.Device{ID: fleet.DeviceID(strings.TrimSuffix(id, "}")).In(fleet.TeamID(team))}
		must(t, record.ReadDevice(fields, &want))
		if diff := cmp.Diff(want, got[fleet.Device](t)(s.Devices.Device(t.Context(), want.ID)), sameVersion); diff != "" {
			t.Errorf("%s has changed:\n%s", want.ID, diff)
		}
	}
	count := 0
	must(t, s.Index.Count(fleet.Actor{Team: 1, Role: fleet.Owner}, 0, nil, func(_ *fleet.IndexEntry, n int) { count += n }))
	if count != devices {
		t.Errorf("the index has %d devices, want %d", count, devices)
	}
	if history := got[[]fleet.Update](t)(s.Devices.History(t.Context(), "1/lamp-1")); len(history) == 0 {
		t.Error("lamp-1 has no past updates")
	}
	if commands := got[[]fleet.Command](t)(s.Messages.Commands(t.Context(), "1/lamp-1")); len(commands) != 1 || commands[0].Name != "blink" {
		t.Errorf("lamp-1 has the commands %v", commands)
	}
}

// link forwards connections to a socket, until so many bytes went there: like the end of the process
// that makes them.
type link struct {
	listener net.Listener
	target   string
	broken   func()
	all      sync.WaitGroup

	mu   sync.Mutex
	left int        // bytes; guarded by mu
	open []net.Conn // guarded by mu
	end  bool       // guarded by mu
}

func newLink(t *testing.T, target string, bytes int, broken func()) *link {
	t.Helper()
	path := filepath.Join(got[string](t)(os.MkdirTemp("", "link-")), "s")
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(path)) })
	l := &link{listener: got[net.Listener](t)(net.Listen("unix", path)), target: target, left: bytes, broken: broken}
	l.all.Go(func() {
		for {
			c, err := l.listener.Accept()
			if err != nil {
				return
			}
			l.all.Go(func() { l.forward(c) })
		}
	})
	return l
}

func (l *link) forward(c net.Conn) {
	defer c.Close()
	to, err := net.Dial("unix", l.target)
	if err != nil {
		return
	}
	defer to.Close()
	l.mu.Lock()
	l.open = append(l.open, c)
	closed := l.end
	l.mu.Unlock()
	if closed {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(c, to); _ = c.Close() })
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.Read(buffer)
		l.mu.Lock()
		n = min(n, l.left)
		l.left -= n
		done := l.left == 0
		l.mu.Unlock()
		_, _ = to.Write(buffer[:n])
		if done {
			l.close()
		}
		if err != nil || done {
			break
		}
	}
	_ = to.(*net.UnixConn).CloseWrite() // Redis still carries out what has arrived
	back.Wait()
}

// close ends all connections and makes no more.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end {
		return
	}
	l.end = true
	_ = l.listener.Close()
	for _, c := range l.open {
		_ = c.Close()
	}
	l.broken()
}

// TestAMigrationThatIsKilledCanBeRunAgain cuts the connections of a migration after any byte, up to
// three times, and runs it again.
func TestAMigrationThatIsKilledCanBeRunAgain(t *testing.T) {
	t.Parallel()
	for _, layout := range older {
		t.Run("layout "+layout, func(t *testing.T) {
			t.Parallel()
			killedMigrations(t, layout)
		})
	}
}

func killedMigrations(t *testing.T, layout string) {
	socket, client := ownRedis(t)
	restoreAs(t, client, layout)
	const plenty, rounds = 1 << 30, 12
	migrate := func(folder string, bytes int) (sent int, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l := newLink(t, socket, bytes, cancel)
		err = Migrate(ctx, Options{URL: "unix://" + l.listener.Addr().String(), Folder: folder, Log: quiet()}, false, mute)
		l.close()
		l.all.Wait()
		return bytes - l.left, err
	}
	all, err := migrate(t.TempDir(), plenty)
	must(t, err)
	want := contents(t, client)
	finished := 0
	for range rounds {
		restoreAs(t, client, layout)
		folder := t.TempDir()
		killed := []int{}
		for range 1 + rand.IntN(3) {
			at := 1 + rand.IntN(all)
			killed = append(killed, at)
			if _, err := migrate(folder, at); err == nil {
				finished++
			}
			if n := got[[]string](t)(client.Keys(t.Context(), keys.Devices).Result()); len(n) > 0 {
				if epoch := got[string](t)(client.HGet(t.Context(), keys.Store, "epoch").Result()); epoch != "newer" {
					t.Errorf("killed after %v of %d bytes: keys are renamed, and a release of layout 1 could start: epoch is %s", killed, all, epoch)
				}
			}
			if layout, _ := client.HGet(t.Context(), keys.Store, "layout").Result(); layout != identity.Current {
				if err := refused(t, "unix://"+socket, folder); !err.Older() {
					t.Errorf("killed after %v of %d bytes: %v", killed, all, err)
				}
			}
		}
		if _, err := migrate(folder, plenty); err != nil {
			t.Errorf("killed after %v of %d bytes: %v", killed, all, err)
			continue
		}
		if diff := cmp.Diff(want, contents(t, client)); diff != "" {
			t.Errorf("killed after %v of %d bytes, the store differs:\n%s", killed, all, diff)
		}
	}
	if finished == rounds {
		t.Error("no migration was killed before its end")
	}
}

func TestWhatAMigrationRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		prepare func(t *testing.T, c *redis.Client)
		says    string
	}{
		"an empty redis": {
			func(t *testing.T, c *redis.Client) { must(t, c.FlushAll(t.Context()).Err()) },
			"redis holds no fleet",
		},
		"a store of a later release": {
			func(t *testing.T, c *redis.Client) {
				must(t, c.HSet(t.Context(), keys.Store, "layout", keys.Layout+1).Err())
			},
			"layouts up to 3 only",
		},
		"a store that an older release used since": {
			func(t *testing.T, c *redis.Client) {
				must(t, c.HSet(t.Context(), keys.Device("1/lamp-1"), "r", 1).Err())
			},
			"device lamp-1 can't be renamed: it exists with its new name, too",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket, client := ownRedis(t)
			restore(t, client)
			row.prepare(t, client)
			before := len(contents(t, client))
			err := Migrate(t.Context(), Options{URL: "unix://" + socket, Folder: t.TempDir(), Log: quiet()}, false, mute)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want that it says %q", err, row.says)
			}
			after := contents(t, client)
			maps.DeleteFunc(after, func(key string, _ any) bool { return keys.Kind(key) == "y" })
			if len(after) != before {
				t.Errorf("there are %d keys, were %d", len(after), before)
			}
		})
	}
}

func TestARecordThatCanNotBeReadIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	restore(t, client)
	must(t, client.LPush(t.Context(), "h:{lamp-1}", "\xff\xff").Err())
	must(t, client.HSet(t.Context(), "p:{2}", "product", "\xff\xff").Err())
	var said strings.Builder
	must(t, Migrate(t.Context(), Options{URL: "unix://" + socket, Folder: t.TempDir(), Log: quiet()}, false, func(format string, args ...any) {
		fmt.Fprintf(&said, format+"\n", args...)
	}))
	if !strings.Contains(said.String(), "2 records can't be read") {
		t.Errorf("it said %s", &said)
	}
	if value := got[string](t)(client.LIndex(t.Context(), keys.History("1/lamp-1"), 0).Result()); value != "\xff\xff" {
		t.Errorf("the record is %q now", value)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	restore(t, client)
	before, hash := contents(t, client), got[map[string]string](t)(client.HGetAll(t.Context(), keys.Store).Result())
	folder := t.TempDir()
	var said strings.Builder
	must(t, Migrate(t.Context(), Options{URL: "unix://" + socket, Folder: folder, Log: quiet()}, true, func(format string, args ...any) {
		fmt.Fprintf(&said, format+"\n", args...)
	}))
	if !strings.Contains(said.String(), "30 devices") || !strings.Contains(said.String(), "nothing was changed") {
		t.Errorf("it said %s", &said)
	}
	if diff := cmp.Diff(before, contents(t, client)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(hash, got[map[string]string](t)(client.HGetAll(t.Context(), keys.Store).Result())); diff != "" {
		t.Error(diff)
	}
	if n := got[int64](t)(client.Exists(t.Context(), keys.Lease).Result()); n != 0 {
		t.Error("it has taken the lease")
	}
	if files := got[[]os.DirEntry](t)(os.ReadDir(folder)); len(files) != 0 {
		t.Errorf("it has written %v", files)
	}
}
