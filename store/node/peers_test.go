package node

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/store/keys"
)

func TestANodeSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, text string
		want       Peer
	}{
		{"the release before", "12 all", Peer{Role: All, Takes: takesUnsaid, format: 1, oldest: 1}},
		{"one that is drained", Peer{Role: Devices, Release: "v1 (devel)", Draining: true, Takes: 7, format: 3, oldest: 2}.text(12),
			Peer{Role: Devices, Release: "v1-(devel)", Draining: true, Takes: 7, format: 3, oldest: 2}},
		{"a later release", "12 operators release=v9 format=1-2 takes=0 new=word", Peer{Role: Operators, Release: "v9", format: 2, oldest: 1}},
	} {
		row.want.ID = "a"
		if got := readPeer("a", row.text); got != row.want {
			t.Errorf("%s: got %+v, want %+v", row.name, got, row.want)
		}
	}
}

func TestANodeThatIsDrainedGivesUpItsLeases(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		a, b := w.node("a"), w.node("b")
		a.Holds("jobs")
		b.Holds("jobs")
		w.beat(a, b)
		if !a.Holds("jobs") || b.Holds("jobs") {
			t.Fatal("the first one has no lease")
		}
		a.Drain()
		if a.Holds("jobs") || a.Holds("history") {
			t.Error("it works although it is to give up its leases")
		}
		select {
		case <-a.early:
		default:
			t.Error("its next beat comes no earlier")
		}
		w.beat(a, b, a)
		if !b.Holds("jobs") || a.Holds("jobs") {
			t.Error("the other one has no lease after one beat of each")
		}
		if peers := b.Peers(); len(peers) != 1 || peers[0].TakesDevices() || !b.Alive(a.id) {
			t.Errorf("got %+v, want one that lives and takes no devices", peers)
		}
	})
}

func TestANodeForDevicesAsksForNoLease(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		a, b := w.node("a"), w.node("b")
		a.config.Role = Devices
		a.Holds("jobs")
		w.beat(a)
		if a.Holds("jobs") {
			t.Error("it has a lease")
		}
		b.Holds("jobs")
		if w.beat(b); !b.Holds("jobs") {
			t.Error("the other one has no lease")
		}
	})
}

// TestANodeJoinsOnlyWhomItUnderstands has a node of another release, which lives or has died, in the store.
func TestANodeJoinsOnlyWhomItUnderstands(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		text  string
		lives bool
		joins bool
	}{
		{"the release before", "7 all", true, true},
		{"a later one that writes as this one does", "7 all release=v9 format=1-1", true, true},
		{"a later one that can share with this one", "7 all release=v9 format=1-2", true, true},
		{"a later one that can't", "7 all release=v9 format=2-2", true, false},
		{"one that can't, which has died", "7 all release=v9 format=2-2", false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inWorld(t, func(w *world) {
					m, err := w.redis.Master(keys.Nodes)
					if err != nil {
						t.Fatal(err)
					}
					set := func(text string) {
						if err := m.HSet(t.Context(), keys.Nodes, "other", text).Err(); err != nil {
							t.Error(err)
						}
					}
					set(row.text)
					if row.lives {
						go func() {
							time.Sleep(Every / 2) //nolint:forbidigo // in a bubble
							set(strings.Replace(row.text, "7", "8", 1))
						}()
					}
					a, began := w.node("a"), time.Now()
					err = a.Join(t.Context())
					var stranger *StrangerError
					if (err == nil) != row.joins || err != nil && (!errors.As(err, &stranger) || !strings.Contains(err.Error(), "v9")) {
						t.Errorf("got %v", err)
					}
					if took := time.Since(began); took > Silence || row.lives && row.joins && took > 0 {
						t.Errorf("it took %v", took)
					}
					synctest.Wait()
					time.Sleep(Every) //nolint:forbidigo // in a bubble
				})
			})
		})
	}
}

func TestANodeOffersWhatItHasRoomFor(t *testing.T) {
	t.Parallel()
	n := New(Config{Log: slog.New(slog.DiscardHandler)})
	n.Offer(func() int { return 3 })
	if got := readPeer("", n.self().text(1)); !reflect.DeepEqual(got, n.self()) || got.Takes != 3 {
		t.Errorf("got %+v, want %+v", got, n.self())
	}
	var alone *Nodes
	alone.Offer(func() int { return 3 })
	alone.Drain()
	if alone.Peers() != nil {
		t.Error("a server alone has peers")
	}
}
