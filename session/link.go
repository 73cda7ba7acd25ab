package session

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// deviceLink is the way ota sends to the device of one session. It implements ota.Link.
type deviceLink struct{ *session }

var errDetached = fleet.Errorf(fleet.Conflict, "the device is no longer behind this gateway")

func (l deviceLink) Send(k wire.TopicKind, payload []byte) error {
	if l.detached() {
		return errDetached
	}
	return l.link.Send(l.topic(k), payload)
}

func (l deviceLink) SendChunks(src wire.ChunkSource, first, count uint32) {
	if !l.detached() {
		l.chunks.Send(src, first, count)
	}
}

func (l deviceLink) KeepChunks(src wire.ChunkSource, first, count uint32) {
	if !l.detached() {
		l.chunks.Keep(src, first, count)
	}
}

func (l deviceLink) ResumeChunks() { l.chunks.Resume() }

func (l deviceLink) StopChunks() { l.chunks.Stop() }
