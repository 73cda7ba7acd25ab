//nolint:forbidigo // all sleeps are in synctest bubbles
package ota

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// tries asks for chunks that can't be read, as a device repeats its Want.
func (r *radio) tries() {
	r.want(0, 8)
	if _, err := r.src.Chunks(nil, nil, 0, 8); err == nil {
		r.w.T.Error("the image can be read")
	}
}

func TestAnImageThatCannotBeReadHoldsNoSlotAndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []fleet.DeviceID
		var causes []error
		w := oneInBubble(t, Config{
			Ended:      func(d fleet.Device) { ended = append(ended, d.ID) },
			Unreadable: func(_ fleet.Device, cause error) { causes = append(causes, cause) },
		})
		w.sweeping(t)
		w.Device("b", "1")
		w.Device("c", "1")
		name := w.ImageFile(w.Catalog().Firmware[v("2").Key()].Digest)
		if err := os.Rename(name, name+".away"); err != nil {
			t.Fatal(err)
		}
		a, _ := w.connect("a", "1")
		b, _ := w.connect("b", "1")
		for i := range 7 {
			a.tries()
			b.tries()
			time.Sleep(9 * time.Second)
			if synctest.Wait(); i == 0 && len(causes) != 1 {
				t.Errorf("got %v after the first failed reads, want one report", causes)
			}
		}
		synctest.Wait()
		for _, r := range []*radio{a, b} {
			if u := w.state(t, r.id, fleet.Failed); u.Reason != wire.ReasonTimedOut || w.Record(r.id).Attempts.Spent != 0 || len(r.stops) != 1 {
				t.Errorf("%s: got reason %d, %d spent, stops %v", r.id, u.Reason, w.Record(r.id).Attempts.Spent, r.stops)
			}
		}
		if w.Stats().Running != 0 || len(ended) != 2 || !errors.Is(errors.Join(causes...), fleet.NotFound) || len(causes) != 1 {
			t.Errorf("got %+v, ended %v for %v: want no slot held, both reported, the cause once", w.Stats(), ended, causes)
		}
		c, p := w.connect("c", "1")
		if p.Refused != wire.ReasonBusy || p.Again == 0 || len(c.offers) != 0 {
			t.Errorf("got %+v, want to be asked to come again", p)
		}
		if err := os.Rename(name+".away", name); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(w.ready()) != 1 || w.ready()[0] != "1/c" {
			t.Fatalf("got ready %v, want c: the image can be read again", w.ready())
		}
		if c.again(AtSlot); len(c.offers) != 1 {
			t.Fatal("no offer once the image can be read again")
		}
		c.take(8)
		if _, p := w.connect("a", "1"); p.Offer == nil {
			t.Errorf("got %+v, want an offer: the image can be read again", p)
		}
	})
}

// The file of an image is away, or a bit of it has flipped: nothing of it is sent, and nobody pays. Once
// the file is right, the download continues.
func TestADownloadContinuesByItselfOnceItsImageCanBeReadAgain(t *testing.T) {
	rewrite := func(name string) error {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 1
		return errors.Join(os.WriteFile(name+".new", data, 0o600), os.Rename(name+".new", name))
	}
	for _, row := range []struct {
		name       string
		harm, mend func(name string) error
	}{
		{"away", func(name string) error { return os.Rename(name, name+".away") }, func(name string) error { return os.Rename(name+".away", name) }},
		{"damaged", rewrite, rewrite},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := oneInBubble(t, Config{})
				w.sweeping(t)
				name := w.ImageFile(w.Catalog().Firmware[v("2").Key()].Digest)
				if err := row.harm(name); err != nil {
					t.Fatal(err)
				}
				r, _ := w.connect("a", "1")
				if _, err := r.src.Chunks(nil, nil, 0, 8); err == nil {
					t.Fatal("the image can be read")
				}
				r.StopChunks() // as the connection does after an error
				if err := row.mend(name); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if r.first != 0 || r.count != wire.DefaultWindow {
					t.Fatalf("got %d chunks queued from %d, want the first window", r.count, r.first)
				}
				r.download()
				if d := w.Record("a"); d.Attempts.Spent != 0 || len(w.History("a")) != 0 {
					t.Errorf("got %+v, history %v; want nothing charged", d.Attempts, w.History("a"))
				}
			})
		})
	}
}
