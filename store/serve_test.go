package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/redisserver"
)

func openChild(t *testing.T, dir string) (*Store, *redisserver.Server) {
	t.Helper()
	s, server, err := serve(t.Context(), Options{Dir: dir, Log: quiet()})
	return opened(t, s, err), server
}

// serverProcess finds the running server of s, which may just be restarting.
func serverProcess(t *testing.T, s *Store) *os.Process {
	t.Helper()
	info := got[map[string]map[string]string](t)(client(s).InfoMap(t.Context(), "server").Result())
	pid := got[int](t)(strconv.Atoi(info["Server"]["process_id"]))
	return got[*os.Process](t)(os.FindProcess(pid))
}

// TestNothingAcknowledgedIsLostWhenRedisIsKilled kills the server several times while
// callers write, and then starts a new process on what is on disk.
func TestNothingAcknowledgedIsLostWhenRedisIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := openChild(t, dir)
	const writers, kills = 16, 3
	stop := make(chan struct{})
	acknowledged := make([]uint64, writers)
	messages := make([]int, writers)
	progress := make(chan struct{}, 1)
	var all sync.WaitGroup
	for w := range writers {
		id := fleet.DeviceID(fmt.Sprint("w", w))
		must(t, s.Devices.Create(t.Context(), newDevice(id)))
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := s.Devices.Edit(context.Background(), id.In(1), func(d *fleet.Device) error {
					d.Boot++
					return nil
				})
				if err != nil {
					t.Errorf("an edit failed while redis was away for a moment: %v", err)
					return
				}
				acknowledged[w] = d.Boot
				if _, err := s.Messages.Append(context.Background(), fleet.Message{Team: fleet.TeamID(w + 1)}); err != nil {
					t.Error(err)
					return
				}
				messages[w]++
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	for range kills {
		for range 20 {
			<-progress
		}
		must(t, serverProcess(t, s).Kill())
	}
	for range 40 { // writes continue after the last kill
		<-progress
	}
	close(stop)
	all.Wait()
	if s.Stats().Retries == 0 {
		t.Error("no trip was made again: the kills hit nothing")
	}
	must(t, serverProcess(t, s).Kill())
	s.Close()

	again, _ := openChild(t, dir)
	for w := range writers {
		d := got[fleet.Device](t)(again.Devices.Device(t.Context(), fleet.DeviceID(fmt.Sprint("w", w)).In(1)))
		if d.Boot != acknowledged[w] {
			t.Errorf("writer %d: %d edits on disk, %d were acknowledged", w, d.Boot, acknowledged[w])
		}
		kept := got[int64](t)(client(again).XLen(t.Context(), again.core.messagesKey(fleet.TeamID(w+1)).Entries).Result())
		if int(kept) != messages[w] {
			t.Errorf("writer %d: %d messages on disk, %d were acknowledged", w, kept, messages[w])
		}
	}
}

func TestTheIndexIsReadAgainAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := openChild(t, dir)
	for i := range 1200 {
		must(t, s.Devices.Create(t.Context(), newDevice(fleet.DeviceID(fmt.Sprint("d", i)))))
	}
	before := entries(s.Index)
	s.Close()
	again, _ := openChild(t, dir)
	if len(before[1]) != 1200 || len(entries(again.Index)[1]) != 1200 {
		t.Errorf("%d devices before, %d after, want 1200", len(before[1]), len(entries(again.Index)[1]))
	}
}

func TestASecondServerWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, _ := openChild(t, dir)
	must(t, first.Devices.Create(t.Context(), newDevice("a")))
	hasty, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Serve(hasty, Options{Dir: dir, Log: quiet()}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v, want an error that names the folder", err)
	}
	second := make(chan *Store)
	go func() {
		s, err := Serve(context.Background(), Options{Dir: dir, Log: quiet()})
		if err != nil {
			t.Error(err)
		}
		second <- s
	}()
	first.Close()
	s := <-second
	defer s.Close()
	got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a"))
}

func TestAURLThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), Options{URL: "localhost", Log: quiet()}); err == nil || !strings.Contains(err.Error(), "redis://") {
		t.Errorf("got %v, want it to say how a url begins", err)
	}
}

func TestARedisThatCanLoseDataIsWarnedAbout(t *testing.T) {
	t.Parallel()
	s, _ := openChild(t, t.TempDir())
	process := serverProcess(t, s)
	t.Cleanup(func() { _ = process.Kill() }) // one that writes its first append-only file does not end when asked
	url := "unix://" + s.core.Masters()[0].Addr
	for name, row := range map[string]struct {
		setting, value string
		warned         bool
	}{
		"as it should be":     {"appendfsync", "always", false},
		"syncs once a second": {"appendfsync", "everysec", true},
		"no append-only file": {"appendonly", "no", true},
		"evicts keys":         {"maxmemory-policy", "allkeys-lru", true},
	} {
		before := got[map[string]string](t)(client(s).ConfigGet(t.Context(), row.setting).Result())
		must(t, client(s).ConfigSet(t.Context(), row.setting, row.value).Err())
		var log bytes.Buffer
		other, err := Open(t.Context(), Options{URL: url, shared: true, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		must(t, err)
		other.Close()
		if warned := strings.Contains(log.String(), row.setting); warned != row.warned {
			t.Errorf("%s: warned %v, want %v: %s", name, warned, row.warned, log.String())
		}
		must(t, client(s).ConfigSet(t.Context(), row.setting, before[row.setting]).Err())
	}
}
