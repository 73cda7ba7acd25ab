package feed

import (
	"strconv"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/record"
)

// position is an entry of a feed: its number and its nonce. The zero value is before the first one.
type position struct {
	seq  uint64
	last string
}

// write is a write of this process, by its entry.
type write struct {
	seq   uint64
	nonce string
}

// state is what is done about a part.
type state uint8

const (
	following state = iota
	broken          // its feed has a gap: the records must be read again
	reading         // that is being done
)

// part is how far this process has followed one feed.
type part struct {
	mu     sync.Mutex // is held while rows are applied, and never while Redis is asked
	state  state
	at     position
	ahead  map[fleet.DeviceID]write // the last write of this process behind at, by device: it is in the index already
	behind uint64                   // entries after at, as far as is known
	whole  time.Time                // when the last look began that left nothing to apply
	absent time.Time                // since when the feed is not there at all; zero while it is
}

// look is what a follower has of a part before it asks Redis.
type look struct {
	part  int
	at    position
	ahead uint64 // an entry of this process that Redis must have, 0: none
	began time.Time
}

// look begins a look; ok is false for a part that is not followed now.
func (p *part) look(number int, now time.Time) (l look, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l = look{part: number, at: p.at, began: now}
	for _, w := range p.ahead {
		l.ahead = max(l.ahead, w.seq)
	}
	return l, p.state == following
}

// emptied is how long a feed may be absent before that is believed: if Redis was emptied or replaced, it
// is no longer read by then.
const emptied = 6 * time.Second

// judge compares what a look began with to the end of the feed, and reports whether there are
// entries to be read. A feed that is shorter than it was, or has another end, was cut by a fail-over.
func (p *part) judge(l look, end position) (more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != following || p.at != l.at {
		return false
	}
	switch {
	case end.seq > 0 || l.at.seq == 0:
		p.absent = time.Time{}
	case p.absent.IsZero():
		p.absent = l.began
	}
	switch {
	case l.began.Sub(p.absent) < emptied && !p.absent.IsZero():
		return false
	case end.seq < l.at.seq, end.seq < l.ahead, end.seq == l.at.seq && end.last != l.at.last:
		p.state = broken
		return false
	case end.seq == l.at.seq:
		p.behind, p.whole = 0, l.began
		return false
	}
	p.behind = end.seq - l.at.seq
	return true
}

// mark notes that a part must be read again.
func (p *part) mark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == following {
		p.state = broken
	}
}

// apply applies the entries after l.at, up to end or later: of each device the last one, unless this
// process wrote that or a later one. Nothing is applied if the chain has a gap.
func (f *Feed) apply(l look, end position, entries []entry) {
	p := &f.parts[l.part]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != following || p.at != l.at {
		return
	}
	at, last, own := l.at, map[string]int{}, 0
	for i := range entries {
		e := &entries[i]
		if e.seq != at.seq+1 || e.on != at.last {
			p.state = broken
			return
		}
		at = position{e.seq, e.nonce}
		last[e.id] = i
		if p.ahead[fleet.DeviceID(e.id)] == (write{e.seq, e.nonce}) {
			own++
		}
	}
	for _, w := range p.ahead {
		if w.seq <= at.seq {
			own-- // another entry has its place, if it was lost
		}
	}
	if at.seq < end.seq || own != 0 {
		p.state = broken
		return
	}
	for i := range entries {
		if e := &entries[i]; last[e.id] == i {
			f.applyOne(p, l.part, e)
		}
	}
	for id, w := range p.ahead {
		if w.seq <= at.seq {
			delete(p.ahead, id)
		}
	}
	p.at, p.behind, p.whole = at, 0, l.began
}

// applyOne applies an entry; the caller must hold p.mu.
func (f *Feed) applyOne(p *part, number int, e *entry) {
	if number == keys.Catalogs {
		edited := Edited{Product: fleet.ProductID(record.Decimal(e.id))}
		edited.read(e.fields["now"])
		f.config.Catalog(edited.Product, e.fields["r"])
		if e.fields["by"] != f.config.Self || edited.Unknown {
			f.heard.add(edited)
		}
		return
	}
	d := fleet.Device{ID: fleet.DeviceID(e.id)}
	if p.ahead[d.ID].seq >= e.seq {
		return
	}
	f.applied.Add(1)
	if e.gone() {
		f.config.Index.Remove(d.ID)
		return
	}
	if err := record.ReadDevice(e.fields, &d); err != nil {
		f.unreadable(d.ID, err)
		f.config.Index.Remove(d.ID)
		return
	}
	f.config.Index.Replace(&d)
}

// after is the id of the first entry that can follow at.
func (p position) after() string { return "(" + strconv.FormatUint(p.seq, 10) + "-1" }
