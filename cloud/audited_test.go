package cloud_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/store/keys"
)

// tap passes on what is said between servers and a Redis, until somebody says a word: that and all
// that follows is kept back.
type tap struct {
	listener net.Listener
	redis    string // socket

	mu   sync.Mutex
	word string        // "": everything passes; guarded by mu
	said chan struct{} // closed once the word is said; guarded by mu
}

func startTap(t *testing.T, redis string) *tap {
	t.Helper()
	p := &tap{listener: cloudtest.Must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")), redis: redis}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = p.listener.Close()
		serving.Wait()
	})
	return p
}

func (p *tap) serve(conn net.Conn) {
	defer conn.Close()
	redis, err := net.Dial("unix", p.redis)
	if err != nil {
		return
	}
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(conn, redis) // it ends with either
		_ = conn.Close()
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buffer)
		if err == nil && !p.keepsBack(buffer[:n]) {
			_, err = redis.Write(buffer[:n])
		}
		if err != nil {
			break
		}
	}
	_ = redis.Close()
	answers.Wait()
}

func (p *tap) keepsBack(said []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.word == "" {
		return false
	}
	select {
	case <-p.said:
		return true
	default:
	}
	if bytes.Contains(said, []byte(p.word)) {
		close(p.said)
		return true
	}
	return false
}

// keepBack has the tap wait for a word, "" for none, and returns what is closed once it is said.
func (p *tap) keepBack(word string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.word, p.said = word, make(chan struct{})
	return p.said
}

// The server is killed after a change is made and before its entry is: the next one finds that it was
// begun. What was not begun has no such entry.
func TestAKillBetweenAChangeAndItsEntryLeavesAnEntry(t *testing.T) {
	t.Parallel()
	redis := startTap(t, startRedis(t).socket)
	p := cloudtest.Spawn(t, func(p *cloudtest.Process) {
		p.Env = append(p.Env, "MUSTER_REDIS_URL=redis://"+redis.listener.Addr().String())
	})
	owner := p.Owner()
	if _, err := owner.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp); err != nil {
		t.Fatal(err)
	}
	cloudtest.Enroll(t, owner, "lamp-1")
	change := func(c *client.Client, name string) error {
		_, err := c.UpdateDevice(t.Context(), cloudtest.Lamp, "lamp-1", api.DeviceUpdate{Name: api.Some(name)})
		return err
	}
	if err := change(owner, "Attic"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, log, object string // log is the key of the stream that the entry belongs to
		do                func() error
		done              func(c *client.Client) bool
	}{
		{"a device", keys.Audit(1).Entries, "UpdateProductDevice /v1/products/lamp/devices/lamp-1", func() error { return change(owner, "Hall") }, func(c *client.Client) bool {
			return cloudtest.Must[api.Device](t)(c.Device(t.Context(), "lamp-1")).Name == "Hall"
		}},
		{"a token", keys.SignIns(1).Entries, "CreateAccessToken /v1/access_tokens", func() error {
			_, err := owner.CreateToken(t.Context(), api.NewToken{Label: "script"})
			return err
		}, func(c *client.Client) bool {
			tokens := cloudtest.Must[[]api.TokenInfo](t)(c.Tokens(t.Context(), ""))
			return slices.ContainsFunc(tokens, func(token api.TokenInfo) bool { return token.Label == "script" })
		}},
	} {
		said := redis.keepBack(row.log)
		var asking sync.WaitGroup
		asking.Go(func() {
			if err := row.do(); err == nil {
				t.Errorf("%s: the change was answered without its entry", row.name)
			}
		})
		cloudtest.Until(t, "the entry is on its way", func() bool {
			select {
			case <-said:
				return true
			default:
				return false
			}
		})
		p.Kill()
		asking.Wait()
		redis.keepBack("")
		p.Start()
		owner = p.Owner()
		if !row.done(owner) {
			t.Errorf("%s: the change was not made, and nothing is tested", row.name)
		}
		var found []api.AuditEntry
		cloudtest.Until(t, "an entry says that it was begun", func() bool {
			found = cloudtest.Must[api.Page[api.AuditEntry]](t)(owner.Audit(t.Context(), api.AuditFilter{Action: audit.Interrupted})).Items
			found = only(found, row.object)
			return len(found) > 0
		})
		if e := found[0]; len(found) != 1 || e.Email != cloudtest.OwnerEmail || e.Token == "" || !strings.HasPrefix(e.From, "127.") || !strings.Contains(string(e.After), "the server ended") {
			t.Errorf("%s: got %d entries, %+v", row.name, len(found), found)
		}
	}
}

func only(entries []api.AuditEntry, object string) (some []api.AuditEntry) {
	for _, e := range entries {
		if e.Object == object {
			some = append(some, e)
		}
	}
	return some
}
