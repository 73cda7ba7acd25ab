package store

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/audit/chain"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/command"
	"github.com/muster-iot/muster/store/keys"
)

// appendMessages keeps n messages, one a second: device a for even numbers, b for odd.
func appendMessages(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := range n {
		device := fleet.DeviceID([]string{"a", "b"}[i%2])
		got[string](t)(s.Messages.Append(t.Context(), fleet.Message{
			Team: 1, Device: device, Topic: "t" + strconv.Itoa(i%3), Payload: []byte(strconv.Itoa(i)), Received: at(i),
		}))
	}
}

func payloads(page []fleet.Message) (numbers []string) {
	for _, m := range page {
		numbers = append(numbers, string(m.Payload))
	}
	return numbers
}

func TestMessagesAreSelectedByDeviceTopicAndTime(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		appendMessages(t, s, 12)
		for name, row := range map[string]struct {
			q    fleet.MessageQuery
			want []string
		}{
			"newest first":             {fleet.MessageQuery{Limit: 3}, []string{"11", "10", "9"}},
			"ascending":                {fleet.MessageQuery{Limit: 3, Ascending: true}, []string{"0", "1", "2"}},
			"device":                   {fleet.MessageQuery{Limit: 3, Device: "b"}, []string{"11", "9", "7"}},
			"device and topic":         {fleet.MessageQuery{Limit: 9, Device: "b", Topic: "t0"}, []string{"9", "3"}},
			"from inclusive":           {fleet.MessageQuery{Limit: 9, From: at(10)}, []string{"11", "10"}},
			"to exclusive":             {fleet.MessageQuery{Limit: 9, To: at(2)}, []string{"1", "0"}},
			"range":                    {fleet.MessageQuery{Limit: 9, From: at(3), To: at(5), Ascending: true}, []string{"3", "4"}},
			"another team sees none":   {fleet.MessageQuery{Team: 2, Limit: 9}, nil},
			"an empty range":           {fleet.MessageQuery{Limit: 9, From: at(5), To: at(5)}, nil},
			"limit below one is one":   {fleet.MessageQuery{}, []string{"11"}},
			"a device without message": {fleet.MessageQuery{Limit: 9, Device: "c"}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				if row.q.Team == 0 {
					row.q.Team = 1
				}
				page, _, err := s.Messages.List(t.Context(), row.q)
				must(t, err)
				if diff := cmp.Diff(payloads(page), row.want); diff != "" {
					t.Errorf("got (-), want (+):\n%s", diff)
				}
			})
		}
	})
}

func TestPagesOfMessagesShowEachOnceInBothDirections(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		appendMessages(t, s, 25)
		for _, ascending := range []bool{false, true} {
			var all []string
			q := fleet.MessageQuery{Team: 1, Device: "a", Limit: 4, Ascending: ascending, From: at(1)}
			for range 10 {
				page, next, err := s.Messages.List(t.Context(), q)
				must(t, err)
				all = append(all, payloads(page)...)
				if q.After = next; next == "" {
					break
				}
			}
			var want []string
			for i := 2; i < 25; i += 2 {
				want = append(want, strconv.Itoa(i))
			}
			if !ascending {
				slices.Reverse(want)
			}
			if diff := cmp.Diff(all, want); diff != "" {
				t.Errorf("ascending %v: got (-), want (+):\n%s", ascending, diff)
			}
		}
		if _, _, err := s.Messages.List(t.Context(), fleet.MessageQuery{Team: 1, After: "x"}); !errors.Is(err, fleet.Invalid) {
			t.Errorf("a cursor that is not one: got %v, want invalid", err)
		}
	})
}

func TestMessagesAreKeptByCountAndAge(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		s.core.keep.Messages.Entries = 150
		appendMessages(t, s, 500)
		length := got[int64](t)(client(s).XLen(t.Context(), s.core.messagesKey(1).Entries).Result())
		if length < 150 || length > 150+100 { // Redis trims whole nodes of 100
			t.Errorf("%d messages are kept, want 150 to 250", length)
		}
		s.core.keep.Age = time.Since(at(490))
		page, _, err := s.Messages.List(t.Context(), fleet.MessageQuery{Team: 1, Limit: 100})
		must(t, err)
		if len(page) > 10 {
			t.Errorf("%d messages are shown, older ones than the age kept among them", len(page))
		}
		for range 128 {
			got[string](t)(s.Messages.Append(t.Context(), fleet.Message{Team: 1, Received: time.Now()}))
		}
		first := got[[]redis.XMessage](t)(client(s).XRangeN(t.Context(), s.core.messagesKey(1).Entries, "-", "+", 1).Result())
		if first[0].ID < strconv.FormatInt(at(290).UnixMilli(), 10) {
			t.Errorf("the oldest message is %s: those beyond the age kept were not trimmed", first[0].ID)
		}
	})
}

func TestMessagesKeepTheirOrderWhenTheClockGoesBack(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for i, second := range []int{10, 5, 11} {
			got[string](t)(s.Messages.Append(t.Context(), fleet.Message{Team: 1, Payload: []byte{byte('a' + i)}, Received: at(second)}))
		}
		page, _, err := s.Messages.List(t.Context(), fleet.MessageQuery{Team: 1, Limit: 9, Ascending: true})
		must(t, err)
		if diff := cmp.Diff(payloads(page), []string{"a", "b", "c"}); diff != "" {
			t.Errorf("got (-), want (+):\n%s", diff)
		}
	})
}

// The clock was a day ahead for a while.
func TestMessagesByTimeAreCompleteAfterTheClockWentBack(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		const day = 24 * 3600
		for i, second := range []int{10, 20 + day, 21 + day, 30, 40, 50} {
			got[string](t)(s.Messages.Append(t.Context(), fleet.Message{Team: 1, Payload: []byte{byte('a' + i)}, Received: at(second)}))
		}
		for name, row := range map[string]struct {
			from, to int
			want     []string
		}{
			"all of the right time":    {0, 60, []string{"a", "d", "e", "f"}},
			"a part of it":             {35, 45, []string{"e"}},
			"before the step":          {5, 15, []string{"a"}},
			"of the wrong time":        {day, 2 * day, []string{"b", "c"}},
			"between the two, nothing": {3600, 7200, nil},
		} {
			for _, ascending := range []bool{true, false} {
				page, _, err := s.Messages.List(t.Context(), fleet.MessageQuery{Team: 1, Limit: 9, From: at(row.from), To: at(row.to), Ascending: ascending})
				must(t, err)
				is := payloads(page)
				if !ascending {
					slices.Reverse(is)
				}
				if !slices.Equal(is, row.want) {
					t.Errorf("%s, ascending %v: got %v, want %v", name, ascending, is, row.want)
				}
			}
		}
	})
}

func TestCommandsAreNumberedOnceAndStayUntilDone(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.Devices.Create(ctx, newDevice("a")))
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				_, err := s.Messages.Queue(ctx, fleet.Command{Device: "1/a", Name: fmt.Sprint(i)})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		pending := got[[]fleet.Command](t)(s.Messages.Pending(ctx, "1/a"))
		for i, c := range pending {
			if c.Number != uint32(i+1) {
				t.Errorf("command %d has number %d", i+1, c.Number)
			}
		}
		must(t, s.Messages.Finish(ctx, "1/a", 3, []byte("first")))
		must(t, s.Messages.Finish(ctx, "1/a", 3, []byte("second")))
		d := got[fleet.Device](t)(s.Devices.Device(ctx, "1/a"))
		if len(pending) != 10 || d.LastCommand != 10 || d.Pending != 9 {
			t.Errorf("got %d queued, last %d, pending %d; want 10, 10, 9", len(pending), d.LastCommand, d.Pending)
		}
		done := got[[]fleet.Command](t)(s.Messages.Commands(ctx, "1/a"))[2]
		if string(done.Result) != "first" || done.Done.IsZero() {
			t.Errorf("got result %q at %v, want the first", done.Result, done.Done)
		}
		if err := s.Messages.Finish(ctx, "1/a", 99, nil); !errors.Is(err, fleet.NotFound) {
			t.Errorf("a command never queued: got %v, want not found", err)
		}
		if _, err := s.Messages.Queue(ctx, fleet.Command{Device: "1/b"}); !errors.Is(err, fleet.NotFound) {
			t.Errorf("an unknown device: got %v, want not found", err)
		}
	})
}

func TestQueueingACommandMakesAnEarlierReadOfTheDeviceOld(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		d := newDevice("a")
		must(t, s.Devices.Create(t.Context(), d))
		got[fleet.Command](t)(s.Messages.Queue(t.Context(), fleet.Command{Device: "1/a"}))
		if _, err := s.Devices.Save(t.Context(), d); !errors.Is(err, fleet.Conflict) {
			t.Errorf("got %v, want a conflict: the save would have lost the number", err)
		}
	})
}

func TestExpiredCommandsArePendingNoMore(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.Devices.Create(ctx, newDevice("a")))
		got[fleet.Command](t)(s.Messages.Queue(ctx, fleet.Command{Device: "1/a", Expires: time.Now().Add(-time.Second)}))
		got[fleet.Command](t)(s.Messages.Queue(ctx, fleet.Command{Device: "1/a", Expires: time.Now().Add(time.Hour)}))
		pending := got[[]fleet.Command](t)(s.Messages.Pending(ctx, "1/a"))
		d := got[fleet.Device](t)(s.Devices.Device(ctx, "1/a"))
		if len(pending) != 1 || pending[0].Number != 2 || d.Pending != 1 {
			t.Errorf("got %v and %d pending on the record, want command 2 alone", pending, d.Pending)
		}
	})
}

func TestTheOutboxIsBoundedBothWays(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.Devices.Create(ctx, newDevice("a")))
		for range command.MaxPending {
			got[fleet.Command](t)(s.Messages.Queue(ctx, fleet.Command{Device: "1/a"}))
		}
		if _, err := s.Messages.Queue(ctx, fleet.Command{Device: "1/a"}); !errors.Is(err, fleet.Busy) {
			t.Errorf("command %d: got %v, want busy", command.MaxPending+1, err)
		}
		for n := range uint32(command.MaxPending) {
			must(t, s.Messages.Finish(ctx, "1/a", n+1, nil))
		}
		kept := got[[]fleet.Command](t)(s.Messages.Commands(ctx, "1/a"))
		if len(kept) != s.core.keep.Commands || kept[0].Number != uint32(command.MaxPending-len(kept)+1) {
			t.Errorf("%d finished commands are kept from number %d on, want the last %d", len(kept), kept[0].Number, s.core.keep.Commands)
		}
	})
}

func TestAlertsAreListedArchivedAndKeptByCount(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		s.core.keep.Alerts.All, s.core.keep.Alerts.Floor = 5, 1
		var raised []fleet.Alert
		for i := range 7 {
			device := fleet.DeviceID([]string{"a", "b"}[i%2])
			raised = append(raised, got[fleet.Alert](t)(s.Messages.Raise(ctx, fleet.Alert{Team: 1, Device: device, Name: "rolled_back", Raised: at(i)})))
		}
		must(t, s.Messages.ArchiveAlert(ctx, 1, raised[5].ID, true))
		must(t, s.Messages.ArchiveAlert(ctx, 1, raised[4].ID, true))
		must(t, s.Messages.ArchiveAlert(ctx, 1, raised[4].ID, false))
		for name, row := range map[string]struct {
			device   fleet.DeviceID
			archived bool
			want     []int
		}{
			"active":           {"", false, []int{6, 4, 3, 2}},
			"archived":         {"", true, []int{5}},
			"active of device": {"a", false, []int{6, 4, 2}},
		} {
			var ids, want []string
			after := ""
			for range 9 {
				page, next, err := s.Messages.Alerts(ctx, 1, row.device, row.archived, after, 2)
				must(t, err)
				for _, a := range page {
					ids = append(ids, a.ID)
				}
				if after = next; next == "" {
					break
				}
			}
			for _, i := range row.want {
				want = append(want, raised[i].ID)
			}
			if diff := cmp.Diff(ids, want); diff != "" {
				t.Errorf("%s: got (-), want (+):\n%s", name, diff)
			}
		}
		if err := s.Messages.ArchiveAlert(ctx, 1, raised[0].ID, true); !errors.Is(err, fleet.NotFound) {
			t.Errorf("an alert no longer kept: got %v, want not found", err)
		}
		if fields := got[int64](t)(client(s).HLen(ctx, keys.Alerts(1)).Result()); fields != 11 { // 5 alerts with their devices, 1 mark
			t.Errorf("%d fields are kept, want 11", fields)
		}
	})
}

// TestAuditEntriesWrittenAtOnceMakeOneChain, over both streams of the log, and each is written once.
func TestAuditEntriesWrittenAtOnceMakeOneChain(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		const writers, entries = 5, 6
		before := s.Stats().Writes
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range entries {
					action := []string{"device.update", "token.create"}[i%2]
					if err := s.Messages.Audit(t.Context(), fleet.AuditEntry{Team: 1, User: fleet.UserID(w + 1), Action: action, Object: fmt.Sprint(i), Before: `{"name":"<é>"}`}); err != nil { //nolint:gosec // small
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if writes := s.Stats().Writes - before; writes != writers*entries {
			t.Errorf("%d writes for %d entries: they were in each other's way", writes, writers*entries)
		}
		isOneChain(t, s, writers*entries)
		if other, err := s.Messages.AuditHead(t.Context(), 2); err != nil || other != (chain.Link{}) {
			t.Errorf("another team: got %+v, %v", other, err)
		}
	})
}

// isOneChain verifies the audit log of team 1, which has n entries.
func isOneChain(t *testing.T, s *Store, n int) {
	t.Helper()
	var v chain.Verifier
	for after := ""; ; {
		page, next, err := s.Messages.AuditLog(t.Context(), 1, after, 10)
		must(t, err)
		for i := range page {
			v.Add(&page[i])
		}
		if after = next; after == "" {
			break
		}
	}
	head, err := s.Messages.AuditHead(t.Context(), 1)
	must(t, err)
	if r := v.Findings(); !r.Sound() || r.Entries != n || r.First.Number != 1 || r.Last != head || head.Number != uint64(n) { //nolint:gosec // small
		t.Errorf("got %+v, head %+v, want one chain of %d", r, head, n)
	}
}

func TestAuditEntriesOfServersThatShareAStoreMakeOneChain(t *testing.T) {
	t.Parallel()
	a, b, _ := joinTwo(t, 0)
	const writers, entries = 3, 8
	var all sync.WaitGroup
	for range writers {
		for _, s := range []*Store{a, b} {
			all.Go(func() {
				for range entries {
					if err := s.Messages.Audit(t.Context(), fleet.AuditEntry{Team: 1, User: 1, Action: "device.update"}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	isOneChain(t, a, 2*writers*entries)
}

func TestTheAuditLogIsNewestFirst(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for i := range 5 {
			must(t, s.Messages.Audit(t.Context(), fleet.AuditEntry{Team: 1, User: 2, Action: "device.update", Object: fmt.Sprint(i), At: at(i)}))
		}
		var objects []string
		for after := ""; ; {
			page, next, err := s.Messages.AuditLog(t.Context(), 1, after, 2)
			must(t, err)
			for _, e := range page {
				objects = append(objects, e.Object)
			}
			if after = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(objects, []string{"4", "3", "2", "1", "0"}); diff != "" {
			t.Errorf("got (-), want (+):\n%s", diff)
		}
	})
}
