package wire

import "time"

// Protocol is the version of the device protocol (Hello key 0). Receivers ignore keys they
// do not know, so that a new key needs no new version; the history of version 1:
//
//	2026-11-23  first version, with golden vectors
//	2026-11-23  null, missing keys and arrays of numbers for byte strings are rejected
//	2026-11-23  gateways: attach, detach and attached; Hello key 13, Offer key 9 (reserved until then)
//	2026-11-23  a Welcome with reason 14 that answers no Hello asks for one
//	2026-11-23  1024 Wants at once, then one per millisecond (before: 256, one per 5 ms); more wait
//	2026-11-23  messages without effect are acknowledged: sending them again would not help
//	2026-11-28  CBOR of indefinite length is accepted from devices
//	2026-11-28  30 Hellos at once, counted per device and not per connection
//	2026-11-28  a Hello key 6 that can't be used counts as absent
//	2026-11-28  a Hello of an earlier boot is ignored
//	2026-11-28  the digest of the running image, where Hello has it, decides what runs
//	2026-11-29  the user name id@team, where several teams have the id
//	2026-11-29  DISCONNECT 0x9C from a server whose devices move to another one
const Protocol = 1

// Limits of what a peer may send: docs/protocol.md, "Limits". A message over one of them
// is refused with ReasonOverLimit.
const (
	MaxNesting     = 4         // CBOR arrays and maps inside each other
	MaxElements    = 64        // elements of a CBOR array, pairs of a CBOR map
	MaxTopic       = 512       // bytes of a topic
	MaxTopicLevels = 12        // levels of a topic
	MaxName        = 128       // bytes of the name after up/msg/ or down/cmd/{n}/
	MaxText        = 256       // bytes of a report's or an alert's text, of a Welcome's why
	MaxWord        = 64        // bytes of a slug, a version, a hardware revision
	MaxFacts       = 1 << 10   // bytes of Hello key 11, encoded
	MaxAttach      = 64        // ids per attach or detach
	MaxHello       = 2 << 10   // bytes of a Hello, a Welcome, an Offer
	MaxControl     = 512       // bytes of a Want, a Report, a Stop
	MaxAttachBytes = 16 << 10  // bytes of an attach, a detach, an attached
	MaxAlert       = 2 << 10   // bytes of an alert
	MaxMessage     = 16 << 10  // bytes of a device message or a command's result
	MaxCommand     = 16 << 10  // bytes of a command
	MinChunk       = 128       // bytes of image data per chunk
	MaxChunk       = 64 << 10  // bytes of image data per chunk
	DefaultChunk   = 4 << 10   // bytes, where Hello key 4 is absent
	MaxWindow      = 64        // chunks pushed before the device has to ask
	DefaultWindow  = 8         // chunks, where Hello key 5 is absent
	MaxInFlight    = 256 << 10 // bytes: chunk × window
	MaxWant        = 64        // chunks one Want asks for
)

// MaxPacket bounds an MQTT packet from a device, in bytes: the largest payload with its
// topic and properties.
const MaxPacket = 20 << 10

// Rates of what a peer may send, enforced per device, also over several connections: a burst,
// then one per interval.
const (
	HelloBurst      = 30
	HelloInterval   = 10 * time.Second
	WantBurst       = 1024
	WantInterval    = time.Millisecond
	MessageBurst    = 50
	MessageInterval = 100 * time.Millisecond
	GatewayBurst    = 500
	GatewayInterval = 5 * time.Millisecond
	PacketBurst     = 100
	PacketInterval  = 100 * time.Millisecond
	ConnectBurst    = 30
	ConnectInterval = 5 * time.Second
	RivalBurst      = 5
	RivalInterval   = 10 * time.Second
)

// Times both sides keep: docs/protocol.md, "Flow".
const (
	WelcomeTimeout = 10 * time.Second // no Welcome: the device sends Hello again
	ChunkTimeout   = 10 * time.Second // nothing came: the device repeats its Want
	ApplyTimeout   = 10 * time.Second // the device waits this long for the PUBACK of applying
	SlotTimeout    = 60 * time.Second // no Want: the update's slot is freed
	UpdateTimeout  = 10 * time.Minute // no Want: the update ends, free of charge
	TakeoverPause  = 60 * time.Second // a device taken over waits before it reconnects; the longest wait for CONNACK
)
