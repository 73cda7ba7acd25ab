package conform

import (
	"time"

	"github.com/muster-iot/muster/wire"
)

// serving is how a case answers the device's Wants.
type serving struct {
	image image
	alter func(want wire.Want) bool // false: the case handled this Want itself; nil: serve all
	until func(r wire.Report) bool  // ends the serving; nil: stored or failed
	idle  time.Duration             // the longest pause between two messages of the device; 0: 25 s
	most  time.Duration             // for all of it; 0: 5 min
}

// serve answers Wants, checking each, until a Report ends it, and returns that Report.
func (t *trial) serve(s serving) wire.Report {
	if s.until == nil {
		s.until = func(r wire.Report) bool { return r.State == wire.ReportStored || r.State == wire.ReportFailed }
	}
	if s.idle == 0 {
		s.idle = 25 * time.Second
	}
	if s.most == 0 {
		s.most = 5 * time.Minute
	}
	for end := time.Now().Add(t.within(s.most)); ; {
		if time.Now().After(end) {
			t.failf("no Report stored or failed within %s", t.within(s.most))
		}
		e := t.await(s.idle, "a Want or a Report", func(e event) bool {
			return isKind(wire.TopicWant)(e) || isKind(wire.TopicReport)(e)
		})
		if e.topic.Kind == wire.TopicWant {
			want := t.checkedWant(e)
			if want.Image == s.image.digest.Image() && (s.alter == nil || s.alter(want)) {
				t.answer(s.image, want)
			}
			continue
		}
		if r := t.checkedReport(e); s.until(r) {
			return r
		}
	}
}

// answer sends what a Want asks for.
func (t *trial) answer(m image, want wire.Want) {
	unit := t.offer.Chunk
	if want.Chunk != 0 {
		unit = want.Chunk
	}
	for i := want.First; i < min(want.First+want.Count, m.count(unit)); i++ {
		t.send(wire.TopicChunk, m.chunk(i, unit))
	}
}

// checkedWant decodes a Want and checks that it asks for chunks of the offered image.
func (t *trial) checkedWant(e event) wire.Want {
	want, err := wire.DecodeWant(e.payload)
	switch {
	case err != nil:
		t.failf("a Want is not valid: %v (%x)", err, e.payload)
	case want.Image != t.offer.Image():
		t.failf("a Want asks for image %s, %s is offered", want.Image, t.offer.Image())
	case want.Chunk == 0 && want.First >= t.offer.Count:
		t.failf("a Want begins at chunk %d, the image has %d", want.First, t.offer.Count)
	}
	return want
}

// checkedReport decodes a Report and checks what is said of every Report.
func (t *trial) checkedReport(e event) wire.Report {
	report, err := wire.DecodeReport(e.payload)
	switch {
	case err != nil:
		t.failf("a Report is not valid: %v (%x)", err, e.payload)
	case e.qos != 1:
		t.failf("a Report came with QoS %d, expected 1", e.qos)
	}
	return report
}

// storedAndRun serves the image until the device has stored it, and sees it through the restart.
func (t *trial) storedAndRun(m image, alter func(wire.Want) bool) {
	t.stored(m, alter)
	t.restarted()
}

// stored serves the image until the device has stored it.
func (t *trial) stored(m image, alter func(wire.Want) bool) wire.Report {
	r := t.serve(serving{image: m, alter: alter})
	if r.State != wire.ReportStored {
		t.failf("the device reported failed (%s: %q), expected stored", wire.ReasonText(r.Reason), r.Text)
	}
	if r.Image != m.digest.Image() {
		t.failf("the device reported image %s as stored, %s was offered last", r.Image, m.digest.Image())
	}
	return r
}
