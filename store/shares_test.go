package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/stream"
)

// sizes returns the shares that are counted for what key keeps.
func sizes(t *testing.T, s *Store, key stream.Key) map[string]float64 {
	t.Helper()
	counted := make(map[string]float64)
	for _, z := range got[[]redis.Z](t)(client(s).ZRangeWithScores(t.Context(), key.Sizes, 0, -1).Result()) {
		counted[z.Member.(string)] = z.Score
	}
	return counted
}

func messagesOf(t *testing.T, s *Store, device fleet.DeviceID) int {
	t.Helper()
	count, after := 0, ""
	for {
		page, next, err := s.Messages.List(t.Context(), fleet.MessageQuery{Team: 1, Device: device, After: after, Limit: 100})
		must(t, err)
		count += len(page)
		if after = next; next == "" {
			return count
		}
	}
}

func TestADeviceCanNotPushOutTheMessagesOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		keep := &s.core.keep.Messages
		keep.All, keep.Owner, keep.Floor = 40_000, 30_000, 2000
		send := func(device fleet.DeviceID, count int) {
			for i := range count {
				got[string](t)(s.Messages.Append(t.Context(), fleet.Message{Team: 1, Device: device, Payload: make([]byte, 100), Received: at(i)}))
			}
		}
		send("quiet", 10)
		send("chatty", 1000)
		if n := messagesOf(t, s, "quiet"); n != 10 {
			t.Errorf("got %d messages of the quiet device, want all 10", n)
		}
		counted := sizes(t, s, s.core.messagesKey(1))
		if counted["chatty"] > 30_000 || counted["chatty"] < 25_000 {
			t.Errorf("got %v of the chatty device, want nearly its most", counted["chatty"])
		}
		for n := range 10 {
			send(fleet.DeviceID(fmt.Sprint("loud-", n)), 100)
		}
		counted = sizes(t, s, s.core.messagesKey(1))
		if counted[""] > 40_000 {
			t.Errorf("got %v in all, want at most the team's", counted[""])
		}
		if n := messagesOf(t, s, "quiet"); n != 10 {
			t.Errorf("got %d messages of the quiet device among loud ones, want all 10", n)
		}
	})
}

// What is counted is what is there, whatever was dropped and why.
func TestSharesAreWhatIsKept(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		keep := &s.core.keep
		keep.Messages.All, keep.Messages.Owner, keep.Messages.Floor, keep.Messages.Entries = 20_000, 5000, 500, 150
		s.core.keep.Age = time.Since(at(0)) - 50*time.Second
		for i := range 400 {
			got[string](t)(s.Messages.Append(t.Context(), fleet.Message{
				Team: 1, Device: fleet.DeviceID(fmt.Sprint("d", i%7)), Payload: make([]byte, i%90), Received: at(i / 4),
			}))
		}
		entries := got[[]redis.XMessage](t)(client(s).XRange(t.Context(), s.core.messagesKey(1).Entries, "-", "+").Result())
		want := map[string]float64{}
		for _, e := range entries {
			size := float64(len(e.Values["v"].(string)))
			want[e.Values["o"].(string)] += size
			want[""] += size
		}
		counted := sizes(t, s, s.core.messagesKey(1))
		if len(counted) != len(want) {
			t.Errorf("got %d owners counted, want %d", len(counted), len(want))
		}
		for owner, size := range want {
			if counted[owner] != size {
				t.Errorf("%q: got %v counted, want %v", owner, counted[owner], size)
			}
		}
		if n := got[int64](t)(client(s).ZCard(t.Context(), s.core.messagesKey(1).Order).Result()); int(n) != len(entries) || n == 0 {
			t.Errorf("got %d entries in order, %d kept", n, len(entries))
		}
	})
}

func TestADeviceCanNotPushOutTheAlertsOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		keep := &s.core.keep.Alerts
		keep.All, keep.Owner, keep.Floor = 20, 15, 3
		for i := range 3 {
			got[fleet.Alert](t)(s.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: "quiet", Raised: at(i)}))
		}
		for i := range 100 {
			got[fleet.Alert](t)(s.Messages.Raise(t.Context(), fleet.Alert{Team: 1, Device: "chatty", Raised: at(10 + i)}))
		}
		for device, want := range map[fleet.DeviceID]int{"quiet": 3, "chatty": 15} {
			page, _, err := s.Messages.Alerts(t.Context(), 1, device, false, "", 100)
			must(t, err)
			if len(page) != want {
				t.Errorf("%s: got %d alerts, want %d", device, len(page), want)
			}
		}
	})
}

func TestSignInsAndTokensDoNotPushOutTheRestOfTheLog(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		s.core.keep.SignIns.All, s.core.keep.SignIns.Owner, s.core.keep.SignIns.Floor, s.core.keep.SignIns.Entries = 20, 20, 1, 20
		must(t, s.Messages.Audit(t.Context(), fleet.AuditEntry{Team: 1, User: 1, Action: "device.delete", At: at(0)}))
		for i := range 50 {
			must(t, s.Messages.Audit(t.Context(), fleet.AuditEntry{Team: 1, User: 2, Action: "token.create", At: at(i)}))
		}
		must(t, s.Messages.Audit(t.Context(), fleet.AuditEntry{Team: 1, User: 1, Action: "device.update", At: at(49)}))
		var actions []string
		seen := map[string]bool{}
		for after := ""; ; {
			page, next, err := s.Messages.AuditLog(t.Context(), 1, after, 3)
			must(t, err)
			for _, e := range page {
				if seen[e.Cursor] {
					t.Errorf("cursor %s twice", e.Cursor)
				}
				seen[e.Cursor] = true
				actions = append(actions, e.Action)
			}
			if after = next; next == "" {
				break
			}
		}
		if len(actions) != 22 || actions[21] != "device.delete" || actions[0] != "device.update" && actions[1] != "device.update" {
			t.Errorf("got %d entries: %q", len(actions), actions)
		}
	})
}
