package peers

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// stale is when the downloads of a server are not believed any more: it sends them every two ticks.
const stale = 4 * 2 * tick

// downloads are those of one server.
type downloads struct {
	at        time.Time
	positions map[fleet.DeviceID]int64
}

// DownloadsElsewhere returns the downloads of a team's devices at other servers, and how many bytes each
// has. From the first call on servers pass them on, so that it takes a second or two until they are here. The map is not to be changed.
func (p *Peers) DownloadsElsewhere(team fleet.TeamID) map[fleet.DeviceID]int64 {
	if p.Relay == nil {
		return nil
	}
	topic := topicDownloads + team.String()
	p.mu.Lock()
	first := p.until[topic].IsZero()
	p.until[topic] = time.Now().Add(linger)
	known := p.merged[team]
	p.mu.Unlock()
	if first {
		p.want()
	}
	return known
}

// show passes on the downloads at this server, for which another one has asked.
func (p *Peers) show() {
	for _, text := range p.Relay.Wanted(topicDownloads) {
		team, err := number[fleet.TeamID](text)
		if err != nil {
			continue
		}
		p.Relay.Send(topicDownloads+text, func() []byte {
			var lines []byte
			for id, bytes := range p.Downloads(team) {
				lines = fmt.Appendf(lines, "%s %d\n", id, bytes)
			}
			return lines
		})
	}
}

// downloads takes those of another server.
func (p *Peers) downloads(from, team, text string) error {
	id, err := number[fleet.TeamID](team)
	if err != nil {
		return err
	}
	d := downloads{time.Now(), map[fleet.DeviceID]int64{}}
	for line := range strings.Lines(text) {
		device, bytes, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(bytes, 10, 64)
		if err != nil {
			return err
		}
		d.positions[fleet.DeviceID(device).In(id)] = n
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heard[id] == nil {
		p.heard[id] = map[string]downloads{}
	}
	p.heard[id][from] = d
	p.merge(id)
	return nil
}

// forget drops old reports of servers.
func (p *Peers) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for team, servers := range p.heard {
		before := len(servers)
		maps.DeleteFunc(servers, func(_ string, d downloads) bool { return time.Since(d.at) > stale })
		if len(servers) < before {
			p.merge(team)
		}
		if len(servers) == 0 {
			delete(p.heard, team)
			delete(p.merged, team)
		}
	}
}

// merge combines what servers reported of a team; the caller holds p.mu.
func (p *Peers) merge(team fleet.TeamID) {
	all := map[fleet.DeviceID]int64{}
	for _, d := range p.heard[team] {
		for id, bytes := range d.positions { // of a device that moved, the later one
			all[id] = max(all[id], bytes)
		}
	}
	p.merged[team] = all
}
