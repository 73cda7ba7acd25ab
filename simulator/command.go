package simulator

import (
	"strconv"
	"time"

	"github.com/muster-iot/muster/wire"
)

// result is what a command came to, kept until the cloud has it.
type result struct {
	number uint32
	id     uint16 // packet id of the done sent last on this connection
	bytes  []byte
}

// maxOwed bounds the results kept; the oldest is forgotten, its command comes again.
const maxOwed = 16

// carryOut does command n once. A repeated one is dropped, except that a result the cloud
// never acknowledged is sent again.
func (m *model) carryOut(n uint32, payload []byte) {
	if n <= m.command {
		m.stats.Repeated++
		for _, r := range m.owed {
			if r.number == n {
				m.say(send{kind: wire.TopicDone, number: n, qos: 1, answer: toDone, payload: r.bytes})
			}
		}
		return
	}
	m.stats.Commands++
	m.command = n
	r := result{number: n, bytes: strconv.AppendInt([]byte("ok "), int64(len(payload)), 10)}
	if len(m.owed) == maxOwed {
		m.owed = m.owed[1:]
	}
	m.owed = append(m.owed, r)
	m.say(send{kind: wire.TopicDone, number: n, qos: 1, answer: toDone, payload: r.bytes})
}

func (m *model) owe(number uint32, id uint16) {
	for i := range m.owed {
		if m.owed[i].number == number {
			m.owed[i].id = id
		}
	}
}

// settle forgets the result that went with packet id.
func (m *model) settle(id uint16) {
	for i := range m.owed {
		if m.owed[i].id == id {
			m.owed = append(m.owed[:i:i], m.owed[i+1:]...)
			return
		}
	}
}

func (m *model) sayMessage(now time.Time) {
	m.stats.Messages++
	m.messageAt = now.Add(jitter(m.profile.Messages))
	m.say(send{kind: wire.TopicMessage, name: "status", qos: 1,
		payload: []byte(`{"version":"` + m.running.String() + `","state":"` + m.state.String() + `"}`)})
}
