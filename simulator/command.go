package simulator

import (
	"strconv"
	"time"

	"github.com/muster-iot/muster/wire"
)

// result is what a command came to, for when the command comes again.
type result struct {
	number uint32
	bytes  []byte
}

// maxResults bounds the results kept; an older command is answered with an empty one.
const maxResults = 16

// carryOut executes command n once, and answers a repeated one without executing it again
// (docs/protocol.md#commands).
func (m *model) carryOut(n uint32, payload []byte) {
	if n > m.command {
		m.stats.Commands++
		m.command = n
		if len(m.results) == maxResults {
			m.results = m.results[1:]
		}
		m.results = append(m.results, result{number: n, bytes: strconv.AppendInt([]byte("ok "), int64(len(payload)), 10)})
	} else {
		m.stats.Repeated++
	}
	answer := send{kind: wire.TopicDone, number: n, qos: 1}
	for _, r := range m.results {
		if r.number == n {
			answer.payload = r.bytes
		}
	}
	m.emit(answer)
}

func (m *model) sayMessage(now time.Time) {
	m.stats.Messages++
	m.messageAt = now.Add(jitter(m.profile.Messages))
	m.emit(send{kind: wire.TopicMessage, name: "status", qos: 1,
		payload: []byte(`{"version":"` + m.running.String() + `","state":"` + m.state.String() + `"}`)})
}
