package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
)

// suspended holds the trips of a server that has passed every look at its lease, as if its process was
// suspended in front of the system call.
type suspended struct {
	held chan struct{} // one for each trip
	gate chan struct{}

	mu sync.Mutex
	on bool // guarded by mu
}

func (h *suspended) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *suspended) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (h *suspended) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		h.mu.Lock()
		on := h.on
		h.mu.Unlock()
		if on {
			h.held <- struct{}{}
			<-h.gate
			ctx = context.WithoutCancel(ctx)
		}
		return next(ctx, commands)
	}
}

// TestALateWriteUndoesNothingNewer has a server's write of each kind reach Redis after another server has done the
// same, and was answered.
func TestALateWriteUndoesNothingNewer(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		write func(ctx context.Context, s *Store, id fleet.DeviceID, by string, d fleet.Device) error
		read  func(ctx context.Context, s *Store, id fleet.DeviceID) (string, error)
		late  error // what the late one gets
	}{
		"device": {
			func(ctx context.Context, s *Store, _ fleet.DeviceID, by string, d fleet.Device) error {
				d.Name = by
				_, err := s.Devices.Save(ctx, &d)
				return err
			},
			func(ctx context.Context, s *Store, id fleet.DeviceID) (string, error) {
				d, err := s.Devices.Device(ctx, id)
				return d.Name, err
			}, fleet.Conflict,
		},
		"new device": {
			func(ctx context.Context, s *Store, _ fleet.DeviceID, by string, _ fleet.Device) error {
				d := newDevice("1/new")
				d.Name = by
				return s.Devices.Create(ctx, d)
			},
			func(ctx context.Context, s *Store, _ fleet.DeviceID) (string, error) {
				d, err := s.Devices.Device(ctx, "1/new")
				return d.Name, err
			}, fleet.Conflict,
		},
		"result of a command": {
			func(ctx context.Context, s *Store, id fleet.DeviceID, by string, _ fleet.Device) error {
				return s.Messages.Finish(ctx, id, 1, []byte(by))
			},
			func(ctx context.Context, s *Store, id fleet.DeviceID) (string, error) {
				commands, err := s.Messages.Commands(ctx, id)
				return string(commands[0].Result), err
			}, nil,
		},
		"channel of notifications": {
			func(ctx context.Context, s *Store, _ fleet.DeviceID, by string, _ fleet.Device) error {
				return s.Outbox.Swap(ctx, 1, "mail", "", by)
			},
			func(ctx context.Context, s *Store, _ fleet.DeviceID) (string, error) {
				channels, err := s.Outbox.Channels(ctx, 1)
				return channels["mail"], err
			}, fleet.Conflict,
		},
		"repeatable request": {
			func(ctx context.Context, s *Store, _ fleet.DeviceID, by string, _ fleet.Device) error {
				_, err := s.Repeats.Take(ctx, 1, "key", by, time.Hour)
				return err
			},
			func(ctx context.Context, s *Store, _ fleet.DeviceID) (string, error) {
				return s.Repeats.Take(ctx, 1, "key", "read", time.Hour)
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			a, b, _ := joinTwo(t, 0)
			must(t, a.Devices.Create(ctx, newDevice("1/a")))
			got[fleet.Command](t)(a.Messages.Queue(ctx, fleet.Command{Device: "1/a", Name: "blink"}))
			d := got[fleet.Device](t)(a.Devices.Device(ctx, "1/a"))
			h := &suspended{held: make(chan struct{}, 64), gate: make(chan struct{})}
			hook(a, h)
			h.mu.Lock()
			h.on = true
			h.mu.Unlock()
			late := make(chan error, 1)
			go func() { late <- row.write(context.WithoutCancel(ctx), a, "1/a", "late", d) }()
			<-h.held
			must(t, row.write(ctx, b, "1/a", "newer", d))
			h.mu.Lock()
			h.on = false
			h.mu.Unlock()
			close(h.gate)
			if err := <-late; !errors.Is(err, row.late) {
				t.Errorf("the late one got %v, want %v", err, row.late)
			}
			if is := got[string](t)(row.read(ctx, b, "1/a")); is != "newer" {
				t.Errorf("it is %q, want what was answered last", is)
			}
		})
	}
}
