package session

import (
	"context"
	"errors"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// attachment handles a gateway's attach or detach. It sends the gateway the outcome of each
// id once every change is durable; the message is acknowledged after that.
func (s *session) attachment(ctx context.Context, t wire.Topic, payload []byte) error {
	if s.children == nil {
		return s.ignore(t, ignoredTopic)
	}
	a, err := wire.DecodeAttach(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	change := s.sessions.roaming.Attach
	if t.Kind == wire.TopicDetach {
		change = s.sessions.roaming.Detach
	}
	outcomes := make([]wire.AttachOutcome, len(a.IDs))
	errs := make([]error, len(a.IDs))
	var tasks sync.WaitGroup // at most wire.MaxAttach; the store combines them into few round trips
	for i, id := range a.IDs {
		tasks.Go(func() {
			outcomes[i].ID = id
			outcomes[i].Reason, errs[i] = change(ctx, s.device.Team(), s.ID(), id.In(s.device.Team()))
		})
	}
	tasks.Wait()
	if err := errors.Join(errs...); err != nil {
		return fleet.Errorf(fleet.Unavailable, "attach: %w", err)
	}
	return s.link.Send(s.topic(wire.TopicAttached), wire.Attached{Outcomes: outcomes}.Encode())
}
