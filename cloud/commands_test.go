package cloud_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// receiveCommands receives commands of a device and expects these numbers.
func receiveCommands(t *testing.T, d *cloudtest.Device, want ...uint32) {
	t.Helper()
	for _, number := range want {
		if m := d.Receive(wire.TopicCommand); m.Topic.Number != number {
			t.Errorf("got command %d, want %d", m.Topic.Number, number)
		}
	}
}

func (w *world) queue(id fleet.DeviceID, count int) {
	w.Helper()
	for range count {
		cloudtest.Must[fleet.Command](w)(w.Cloud.Store().Messages.Queue(w.Context(), fleet.Command{Device: id.In(1), Expires: time.Now().Add(time.Hour)}))
	}
}

func TestANewCommandIsSentAloneAndAHelloBringsAll(t *testing.T) {
	t.Parallel()
	w := serve(t)
	d := w.Dial(w.Enroll("lamp-1")[0])
	d.Hello(1)
	for number := range uint32(3) {
		w.queue("lamp-1", 1)
		w.Cloud.DeliverCommands("1/lamp-1")
		receiveCommands(t, d, number+1)
	}
	d.Hello(1)
	receiveCommands(t, d, 1, 2, 3)
	w.queue("lamp-1", 1)
	w.Cloud.DeliverCommands("1/lamp-1")
	receiveCommands(t, d, 4)
}

// A command that was queued before the store went away is delivered when it is back.
func TestCommandsAreDeliveredInOrderWhenTheStoreAnswersAgain(t *testing.T) {
	t.Parallel()
	w := serve(t)
	d := w.Dial(w.Enroll("lamp-1")[0])
	d.Hello(1)
	w.queue("lamp-1", 3)
	redis := w.Redis()
	signal := func(s syscall.Signal) {
		for _, pid := range redis {
			if err := syscall.Kill(pid, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	t.Cleanup(func() { signal(syscall.SIGCONT) })
	w.Cloud.DeliverCommands("1/lamp-1")
	cloudtest.Until(t, "the delivery has failed", func() bool { return w.Cloud.Undelivered("1/lamp-1") })
	signal(syscall.SIGCONT)
	receiveCommands(t, d, 1, 2, 3)
}

func TestLastHeardIsTheLastPacket(t *testing.T) {
	t.Parallel()
	w := serve(t)
	d := w.Dial(w.Enroll("lamp-1")[0])
	d.SendMessage("x", "no Hello before")
	begun := time.Now()
	d.VerifyAlive()
	actor := fleet.Actor{Team: 1, Role: fleet.Owner}
	view := cloudtest.Must[fleet.DeviceView](t)(w.Cloud.Registry().Device(t.Context(), actor, 0, "lamp-1"))
	if view.LastHeard.Before(begun.Add(-time.Second)) {
		t.Errorf("online: got last heard %s, want about %s", view.LastHeard, begun)
	}
	_ = d.Close()
	cloudtest.Until(t, "the time is in the record", func() bool { return !w.Record("lamp-1").LastHeard.IsZero() })
	if record := w.Record("lamp-1"); record.LastHeard.Before(begun.Add(-time.Second)) || !record.LastHandshake.IsZero() {
		t.Errorf("offline: got last heard %s, last handshake %s", record.LastHeard, record.LastHandshake)
	}
}

func TestADeviceThatConnectsAgainAndAgainCostsNoWriteEachTime(t *testing.T) {
	t.Parallel()
	w := serve(t)
	c := w.Enroll("lamp-1")[0]
	_ = w.Dial(c).Close()
	cloudtest.Until(t, "the time is in the record", func() bool { return !w.Record("lamp-1").LastHeard.IsZero() })
	first := w.Record("lamp-1")
	offline := fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Owner}, Online: new(bool)}
	for range 3 {
		_ = w.Dial(c).Close()
		cloudtest.Until(t, "the device is offline", func() bool { return len(cloudtest.Must[[]fleet.DeviceID](t)(w.Cloud.Store().Index.IDs(offline))) == 1 })
	}
	if now := w.Record("lamp-1"); now.Revision != first.Revision && now.LastHeard.Sub(first.LastHeard) < time.Minute {
		t.Errorf("the record was written, of %s so soon after %s", now.LastHeard, first.LastHeard)
	}
}
