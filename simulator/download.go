package simulator

import (
	"crypto/sha256"
	"hash"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// kept is the part of an image a device holds, from its start. Its bytes went through
// hash and are dropped, unless Profile.Keep is set.
type kept struct {
	digest fleet.Digest // what the image should be; zero when nothing is kept
	size   int64        // bytes of the whole image
	held   int64        // bytes
	chunk  uint32       // bytes per chunk held was counted in
	hash   hash.Hash
	bytes  []byte
}

// partial is Hello key 6, nil when not even one chunk is kept.
func (k *kept) partial() *wire.Partial {
	if k.held == 0 {
		return nil
	}
	next := uint32(k.held / int64(k.chunk))
	if k.held == k.size {
		next = wire.ChunkCount(k.size, k.chunk)
	}
	return &wire.Partial{Image: k.digest.Image(), Next: next, Chunk: k.chunk}
}

// update is the state of a running update, until the device loses its power.
type update struct {
	offer    wire.Offer
	asked    uint32 // chunks below it were pushed or asked for
	reported bool   // *downloading* was
	gap      bool   // a chunk before the last one is missing and was asked for
	freeAt   time.Time
	toldAt   time.Time // of the last *downloading*
}

// downloads is the image that is on its way to the device, zero while none is.
func (m *model) downloads() fleet.Image {
	if m.state != Downloading {
		return fleet.Image{}
	}
	return m.update.offer.Image()
}

// next is the first chunk the device does not hold.
func (m *model) next() uint32 {
	if m.kept.held == m.kept.size {
		return m.update.offer.Count
	}
	return uint32(m.kept.held / int64(m.update.offer.Chunk))
}

// credit is how many chunks may be under way, at least 1. A slow device has no more under
// way than it stores in 20 s, so that its next Want comes before its slot is freed.
func (m *model) credit() uint32 {
	credit := min(m.profile.window(), wire.MaxWant)
	if credit == 0 {
		credit = wire.DefaultWindow
	}
	if rate := m.nature.rate; rate > 0 {
		chunks := max(rate*20/int64(m.update.offer.Chunk), 1)
		credit = uint32(min(int64(credit), chunks))
	}
	return credit
}

// offer takes an Offer: the running update's id continues it, another replaces it.
func (m *model) offer(now time.Time, payload []byte) {
	o, err := wire.DecodeOffer(payload)
	if err != nil {
		m.stats.Malformed++
		return
	}
	if !m.greeted {
		m.greet(now)
	}
	if m.state == Applying {
		m.stats.Strays++
		return
	}
	m.begin(o)
	if m.profile.MaxImage != 0 && o.Size > int64(m.profile.MaxImage) {
		m.fail(wire.ReasonImageTooLarge, "the image is too large")
		return
	}
	m.state, m.stepAt, m.wantAt, m.paceAt = Downloading, time.Time{}, time.Time{}, time.Time{}
	next, u := m.next(), m.update
	switch {
	case next == o.Count:
		m.complete(now)
	case o.Cached || o.First > next: // nothing is pushed, or what we lack first is not
		m.want(now, next, m.credit())
	default:
		u.asked = max(next, min(o.First+m.profile.window(), o.Count))
		m.wantAt = now.Add(wire.ChunkTimeout)
		m.ask(now)
	}
}

func (m *model) begin(o wire.Offer) {
	if m.plan.update != o.Update {
		m.stats.Updates++
		m.plan = m.faults.draw(m.seed, m.self.Device(), m.hardware, m.stats.Updates, &o)
		m.try(o.Version)
	}
	if m.kept.digest != o.Digest || m.kept.size != o.Size || m.kept.hash == nil {
		m.kept = kept{digest: o.Digest, size: o.Size, hash: sha256.New()}
	}
	m.kept.chunk = o.Chunk
	reported := m.update != nil && m.update.offer.Update == o.Update && m.update.reported
	m.update = &update{offer: o, reported: reported}
}

// maxTried bounds DeviceStatus.Tried.
const maxTried = 32

// try notes that an update to v begins.
func (m *model) try(v fleet.Version) {
	if slices.ContainsFunc(m.tried, v.Equal) {
		return
	}
	if m.tried = append(m.tried, v); len(m.tried) > maxTried {
		m.tried = m.tried[1:]
	}
}

// chunk takes a piece of the image where it is the next one.
func (m *model) chunk(now time.Time, payload []byte) {
	c, err := wire.ParseChunk(payload)
	if err != nil {
		m.stats.Malformed++
		return
	}
	u := m.update
	if u == nil || c.Image != u.offer.Image() || c.Index >= u.offer.Count {
		m.stats.Strays++
		return
	}
	start := int64(c.Index) * int64(u.offer.Chunk)
	end := min(start+int64(u.offer.Chunk), u.offer.Size)
	switch {
	case end <= m.kept.held:
		m.stats.Duplicates++
	case int64(len(c.Data)) != end-start:
		m.stats.Malformed++
	case start > m.kept.held:
		m.stats.Gaps++
		if !u.gap {
			u.gap = true
			m.want(now, m.next(), m.credit())
		}
	default:
		m.take(now, c.Data[m.kept.held-start:])
	}
}

// take stores data, the image's next bytes.
func (m *model) take(now time.Time, data []byte) {
	u := m.update
	m.stats.Chunks++
	m.stats.Bytes += int64(len(data))
	if m.plan.corrupt && m.kept.held == 0 {
		m.kept.hash.Write([]byte{^data[0]})
		m.kept.hash.Write(data[1:])
	} else {
		m.kept.hash.Write(data)
	}
	m.kept.held += int64(len(data))
	if m.profile.Keep {
		m.kept.bytes = append(m.kept.bytes, data...)
	}
	u.gap, m.wantAt = false, now.Add(wire.ChunkTimeout)
	if rate := m.nature.rate; rate > 0 {
		busy := time.Duration(float64(len(data)) / float64(rate) * float64(time.Second))
		u.freeAt = later(u.freeAt, now).Add(busy)
	}
	if !u.reported || u.offer.Cached && now.Sub(u.toldAt) > wire.SlotTimeout/2 { // no Want shows the cloud that it is alive
		u.reported, u.toldAt = true, now
		m.report(toNothing, wire.Report{State: wire.ReportDownloading, Next: m.next()})
	}
	if m.struckDownloading() {
		return
	}
	if m.kept.held == m.kept.size {
		m.complete(now)
		return
	}
	m.ask(now)
}

// struckDownloading lets the faults of StageDownload happen once their place is reached.
func (m *model) struckDownloading() bool {
	if float64(m.kept.held) < m.plan.at*float64(m.kept.size) {
		return false
	}
	switch {
	case m.plan.drop:
		m.plan.drop, m.do = false, drop
	case m.plan.powerLoss == StageDownload:
		m.plan.powerLoss, m.do = NoStage, cut
	case m.plan.failAt == StageDownload:
		m.fail(wire.ReasonStorage, "simulated: writing to flash")
	default:
		return false
	}
	return true
}

// ask sends a Want once no more than half a window is under way or waits to be stored.
// It names the chunks after those asked for already: a Want continues the one before.
func (m *model) ask(now time.Time) {
	u := m.update
	next := m.next()
	if next >= u.asked { // nothing is under way: silence means nothing
		m.wantAt = time.Time{}
	}
	if m.hello {
		if next >= u.asked {
			m.sendHello(now)
		}
		return
	}
	if u.asked >= u.offer.Count {
		return
	}
	credit := m.credit()
	underWay := u.asked - next
	if backlog := m.backlog(now); underWay+backlog > credit/2 {
		if backlog > 0 && underWay <= credit/2 {
			spare := int64(credit/2-underWay) * int64(u.offer.Chunk)
			free := u.freeAt.Add(-time.Duration(float64(spare) / float64(m.nature.rate) * float64(time.Second)))
			m.paceAt = later(free, now.Add(time.Millisecond))
		}
		return
	}
	m.want(now, u.asked, credit-underWay-m.backlog(now))
}

// backlog is how many chunks a slow device has received but not stored.
func (m *model) backlog(now time.Time) uint32 {
	left := m.update.freeAt.Sub(now)
	if left <= 0 || m.nature.rate == 0 {
		return 0
	}
	bytes := left.Seconds() * float64(m.nature.rate)
	return uint32((int64(bytes) + int64(m.update.offer.Chunk) - 1) / int64(m.update.offer.Chunk))
}

// askAgain repeats the Want from the first missing chunk after a silence.
func (m *model) askAgain(now time.Time) {
	if m.hello {
		m.sendHello(now)
		m.wantAt = now.Add(wire.ChunkTimeout)
		return
	}
	m.stats.Repeats++
	m.want(now, m.next(), m.credit())
}

// want asks for up to count chunks from first.
func (m *model) want(now time.Time, first, count uint32) {
	u := m.update
	count = max(min(count, u.offer.Count-first, wire.MaxWant), 1)
	u.asked = first + count
	m.stats.Wants++
	m.wantAt = now.Add(wire.ChunkTimeout)
	m.emit(send{kind: wire.TopicWant, payload: wire.Want{Image: u.offer.Image(), First: first, Count: count}.Encode()})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
