package record

import (
	"fmt"
	"reflect"

	"github.com/muster-iot/muster/event"
)

// payload is how one type of payload is packed.
type payload struct {
	kind   reflect.Type
	pack   func(event.Payload) string
	unpack func(text string) (event.Payload, error)
}

// payloads are what servers pass on to each other, by the number that stands for the type. Numbers are never
// reused: servers of two releases may share a store. event.Missed is left out: each server finds out for itself.
var payloads = map[byte]payload{
	1: payloadOf(func(f *fields, p *event.StatusChanged) { text(f, 1, &p.Status) }),
	2: payloadOf(func(f *fields, p *event.FlashChanged) { text(f, 1, &p.Status) }),
	3: payloadOf(func(*fields, *event.HandshakeDone) {}),
	4: payloadOf(func(f *fields, p *event.UpdateChanged) { inner(f, 1, Update.list, &p.Update) }),
	5: payloadOf(func(f *fields, p *event.GatewayChanged) { flag(f, 1, &p.Attached) }),
	6: payloadOf(func(f *fields, p *event.MessageReceived) {
		text(f, 1, &p.Topic)
		number(f, 2, &p.Size)
	}),
	7: payloadOf(func(f *fields, p *event.AlertRaised) {
		number(f, 1, &p.Type)
		text(f, 2, &p.Alert)
		text(f, 3, &p.Text)
		text(f, 4, &p.Value)
	}),
	8:  payloadOf(func(f *fields, p *event.AlertArchived) { flag(f, 1, &p.Archived) }),
	9:  payloadOf(func(f *fields, p *event.CommandChanged) { number(f, 1, &p.Number) }),
	10: payloadOf(func(f *fields, p *event.DeviceLocked) { version(f, 1, &p.Version) }),
	11: payloadOf(func(f *fields, p *event.DeviceDevelopment) { flag(f, 1, &p.Development) }),
	12: payloadOf(func(*fields, *event.DeviceGroupsChanged) {}),
	13: payloadOf(func(f *fields, p *event.DeviceEdited) { text(f, 1, &p.DeviceName) }),
	14: payloadOf(func(f *fields, p *event.GroupChanged) {
		text(f, 1, &p.Action)
		text(f, 2, &p.Group)
	}),
	15: payloadOf(func(f *fields, p *event.FirmwareUploaded) { version(f, 1, &p.Version) }),
	16: payloadOf(func(f *fields, p *event.FirmwareReleased) {
		version(f, 1, &p.Version)
		flag(f, 2, &p.Immediate)
		flag(f, 3, &p.Default)
	}),
	17: payloadOf(func(f *fields, p *event.ReleaseChanged) {
		number(f, 1, &p.ID)
		version(f, 2, &p.Version)
		number(f, 3, &p.State)
		number(f, 4, &p.Share)
	}),
	18: payloadOf(func(f *fields, p *event.JobChanged) {
		number(f, 1, &p.Number)
		text(f, 2, &p.State)
		number(f, 3, &p.Devices)
		number(f, 4, &p.Left)
	}),
}

func payloadOf[T event.Payload](visit func(*fields, *T)) payload {
	c := Codec[T]{visit}
	return payload{
		kind: reflect.TypeFor[T](),
		pack: func(p event.Payload) string {
			value := p.(T)
			return c.Pack(&value)
		},
		unpack: func(text string) (event.Payload, error) {
			var value T
			err := c.Unpack(text, &value)
			return value, err
		},
	}
}

var payloadNumbers = func() map[reflect.Type]byte {
	numbers := map[reflect.Type]byte{}
	for n, p := range payloads {
		numbers[p.kind] = n
	}
	return numbers
}()

// posted is an event as it is passed on, its payload as a record.
type posted struct {
	event.Event

	kind    byte
	payload string
}

func listPosted(f *fields, p *posted) {
	number(f, 1, &p.kind)
	text(f, 2, &p.payload)
	number(f, 3, &p.Team)
	number(f, 4, &p.Product)
	text(f, 5, &p.Device) // with its team
	groups(f, 6, &p.Groups)
	flag(f, 7, &p.Wide)
	instant(f, 8, &p.At)
}

// PackEvent returns e for another server. It panics for a payload of a type that is not in the table.
func PackEvent(e event.Event) string {
	n := payloadNumbers[reflect.TypeOf(e.Payload)]
	return Codec[posted]{listPosted}.Pack(&posted{Event: e, kind: n, payload: payloads[n].pack(e.Payload)})
}

// UnpackEvent is the inverse of PackEvent. Its error says that text is broken, or by a newer release.
func UnpackEvent(text string) (event.Event, error) {
	var p posted
	if err := (Codec[posted]{listPosted}).Unpack(text, &p); err != nil {
		return event.Event{}, err
	}
	kind, known := payloads[p.kind]
	if !known {
		return event.Event{}, fmt.Errorf("event of kind %d, which this release does not know", p.kind)
	}
	var err error
	p.Payload, err = kind.unpack(p.payload)
	return p.Event, err
}
