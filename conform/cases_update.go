package conform

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

var downloadCases = []Case{
	{Name: "offer/too-large", Section: "offer", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		if t.hello.MaxImage == 0 {
			t.welcome(wire.Welcome{})
			t.skipf("the device names no limit (Hello key 7)")
		}
		size := int64(min(t.hello.MaxImage, 1<<40)) + 1
		m := randomImage(t.nextVersion(), 64)
		t.welcome(wire.Welcome{Target: m.version})
		t.offer = wire.Offer{Update: fleet.NewUpdateID(), Version: m.version, Size: size, Digest: m.digest, Chunk: wire.MaxChunk, Count: wire.ChunkCount(size, wire.MaxChunk)}
		t.send(wire.TopicOffer, t.offer.Encode())
		r := t.serve(serving{image: m, alter: func(wire.Want) bool { return false }, most: 20 * time.Second})
		if r.State != wire.ReportFailed || r.Reason != wire.ReasonImageTooLarge && r.Reason != wire.ReasonStorage {
			t.failf("an Offer of %d bytes was answered with state %d, reason %d; expected failed with reason 3 or 6", size, r.State, r.Reason)
		}
		t.never(3*time.Second, "asked for chunks of an image it had refused", isKind(wire.TopicWant))
	}},
	{Name: "offer/one-byte", Section: "offer", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.sized(1)
		t.offered(m, t.chunkSize(), 0)
		t.storedAndRun(m, nil)
	}},
	{Name: "offer/whole-chunks-only", Section: "chunk", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.sized(3 * int(t.chunkSize()))
		t.offered(m, t.chunkSize(), 0)
		t.storedAndRun(m, nil)
	}},
	{Name: "offer/smallest-chunks", Section: "offer", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.sized(40*wire.MinChunk + 1)
		t.offered(m, wire.MinChunk, 0)
		t.storedAndRun(m, nil)
	}},
	{Name: "offer/repeated-continues", Section: "offer", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(40)
		t.offered(m, t.chunkSize(), 0)
		repeated := false
		t.storedAndRun(m, func(want wire.Want) bool {
			if !repeated && want.First >= t.offer.Count/3 {
				repeated = true
				t.offerAgain(t.offer.Update, m, t.offer.Chunk, want.First)
			}
			return true
		})
	}},
	superseded("offer/superseded-at-10-percent", 10),
	superseded("offer/superseded-at-50-percent", 50),
	superseded("offer/superseded-at-99-percent", 99),
	{Name: "want/nothing-twice", Section: "want", Level: Should, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(60)
		t.offered(m, t.chunkSize(), 0)
		sent := t.hello.Window
		t.storedAndRun(m, func(want wire.Want) bool {
			if want.First < sent {
				t.failf("a Want begins at chunk %d; %d had been sent and nothing was lost", want.First, sent)
			}
			sent = want.First + want.Count
			return true
		})
	}},
	{Name: "want/repeated-after-10-s", Section: "want", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toAbandon(60)
		t.offered(m, t.chunkSize(), 0)
		until := time.Now().Add(t.within(8 * time.Second))
		for {
			if e, ok := t.next(until); !ok {
				break
			} else if isKind(wire.TopicWant)(e) {
				t.checkedWant(e) // and not answered
			}
		}
		want := t.checkedWant(t.await(12*time.Second, "the Want again, 10 s after the last chunk", isKind(wire.TopicWant)))
		if want.First != t.hello.Window {
			t.failf("the repeated Want begins at chunk %d, the first that is missing is %d", want.First, t.hello.Window)
		}
	}},
}

// superseded sends another Offer when so many percent of the first image have come down.
func superseded(name string, percent uint32) Case {
	return Case{Name: name, Section: "the-target-changes-during-a-download", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		first := t.toAbandon(100)
		second := t.toStore(20)
		t.offered(first, t.chunkSize(), 0)
		at := max(t.offer.Count*percent/100, 1)
		old := t.offer
		for sent := t.hello.Window; sent < at; {
			want := t.checkedWant(t.await(25*time.Second, "a Want", isKind(wire.TopicWant)))
			count := min(want.Count, at-min(at, want.First))
			t.push(first, want.First, count)
			sent = max(sent, want.First+count)
			if count < want.Count {
				break
			}
		}
		t.offerAgain(fleet.NewUpdateID(), second, t.chunkSize(), 0)
		for {
			e := t.await(25*time.Second, "a Want or a Report", func(e event) bool { return isKind(wire.TopicWant)(e) || isKind(wire.TopicReport)(e) })
			if e.topic.Kind == wire.TopicWant {
				if want, err := wire.DecodeWant(e.payload); err == nil && want.Image == old.Image() {
					continue // it was on its way
				}
				t.answer(second, t.checkedWant(e))
				continue
			}
			r := t.checkedReport(e)
			if r.Image == old.Image() && r.State != wire.ReportDownloading {
				t.failf("the device reported state %d of the image that was replaced: drop it without a Report", r.State)
			}
			if r.State == wire.ReportFailed {
				t.failf("the second update failed: %s %q", wire.ReasonText(r.Reason), r.Text)
			}
			if r.State == wire.ReportStored {
				break
			}
		}
		t.restarted()
	}}
}

var chunkCases = []Case{
	{Name: "chunk/wrong-digest", Section: "report", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toAbandon(10)
		m.data[len(m.data)/2] ^= 1
		t.offered(m, t.chunkSize(), 0)
		r := t.serve(serving{image: m})
		if r.State != wire.ReportFailed || r.Reason != wire.ReasonDigest {
			t.failf("an image with a flipped bit was answered with state %d, reason %d; expected failed with reason 4", r.State, r.Reason)
		}
		t.never(3*time.Second, "proceeded to apply an image with a flipped bit", func(e event) bool {
			return isKind(wire.TopicReport)(e) && t.checkedReport(e).State != wire.ReportFailed
		})
	}},
	{Name: "chunk/duplicates", Section: "chunk", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(30)
		t.offered(m, t.chunkSize(), 0)
		t.push(m, 0, t.hello.Window)
		t.storedAndRun(m, func(want wire.Want) bool {
			t.answer(m, want)
			t.push(m, want.First-min(want.First, 2), 4)
			return true
		})
	}},
	{Name: "chunk/of-a-foreign-image", Section: "chunk", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m, foreign := t.toStore(30), t.toAbandon(30)
		t.offered(m, t.chunkSize(), 0)
		t.storedAndRun(m, func(want wire.Want) bool {
			for i := want.First; i < min(want.First+want.Count, foreign.count(t.offer.Chunk)); i++ {
				t.send(wire.TopicChunk, foreign.chunk(i, t.offer.Chunk))
			}
			return true
		})
	}},
	{Name: "chunk/lost-and-reordered", Section: "want", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(24)
		t.offered(m, t.chunkSize(), 0)
		lost := false
		t.storedAndRun(m, func(want wire.Want) bool {
			if lost || want.Count < 2 {
				return true
			}
			lost = true // the first of these is lost, the others come in the wrong order
			for i := min(want.First+want.Count, t.offer.Count) - 1; i > want.First; i-- {
				t.send(wire.TopicChunk, m.chunk(i, t.offer.Chunk))
			}
			return false
		})
	}},
	{Name: "chunk/malformed", Section: "encoding", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(24)
		t.offered(m, t.chunkSize(), 0)
		t.storedAndRun(m, func(want wire.Want) bool {
			whole := m.chunk(want.First, t.offer.Chunk)
			for _, bad := range [][]byte{{}, {0xff}, whole[:len(whole)-1], whole[:5], append([]byte{0xa4}, whole[1:]...)} {
				t.send(wire.TopicChunk, bad)
			}
			return true
		})
	}},
}

var stopCases = []Case{
	{Name: "stop/while-downloading", Section: "stop", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toAbandon(60)
		t.offered(m, t.chunkSize(), 0)
		t.checkedWant(t.await(25*time.Second, "a Want", isKind(wire.TopicWant)))
		t.send(wire.TopicStop, wire.Stop{Image: t.offer.Image(), Reason: wire.ReasonStopped, Update: t.offer.Update}.Encode())
		t.never(time.Second, "reported a stopped update", isKind(wire.TopicReport)) // and what was on its way arrives
		t.never(14*time.Second, "continued a stopped update", func(e event) bool {
			return isKind(wire.TopicWant)(e) || isKind(wire.TopicReport)(e)
		})
	}},
	{Name: "stop/of-another-image", Section: "stop", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m, other := t.toStore(30), t.toAbandon(1)
		t.offered(m, t.chunkSize(), 0)
		stopped := false
		t.storedAndRun(m, func(wire.Want) bool {
			if !stopped {
				stopped = true
				t.send(wire.TopicStop, wire.Stop{Image: other.digest.Image(), Reason: wire.ReasonStopped}.Encode())
			}
			return true
		})
	}},
	{Name: "stop/with-reason-14-asks-for-a-hello", Section: "stop", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toAbandon(60)
		t.offered(m, t.chunkSize(), 0)
		wait := 15*time.Second + t.helloDebt()
		t.send(wire.TopicStop, wire.Stop{Image: t.offer.Image(), Reason: wire.ReasonNotNow}.Encode())
		t.took(t.await(wait, "a Hello after a Stop with reason 14", isKind(wire.TopicHello)))
		t.welcome(wire.Welcome{})
	}},
}
