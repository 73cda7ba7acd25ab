package session

import "github.com/muster-iot/muster/wire"

// ignored is why a message had no effect.
type ignored int

const (
	ignoredMalformed ignored = iota
	ignoredRate
	ignoredTopic
	ignoredUnattached
	ignoredEarly
	ignoredKinds
)

func (i ignored) String() string {
	return [...]string{"malformed", "rate", "topic", "not_attached", "before_hello"}[i]
}

// ignore counts a message that has no effect. It is acknowledged nonetheless: a repetition
// would not help.
func (s *session) ignore(t wire.Topic, why ignored) error {
	s.sessions.ignored[why].Add(1)
	s.sessions.log.Debug("message ignored", "device", s.ID(), "topic", t.String(), "reason", why)
	return nil
}

// malformed counts and ignores a message that can't be read. At level debug the log has the
// reason, for authors of firmware.
func (s *session) malformed(t wire.Topic, err error) error {
	s.sessions.ignored[ignoredMalformed].Add(1)
	s.sessions.log.Debug("message can't be read", "device", s.ID(), "topic", t.String(), "err", err)
	return nil
}
