package cloud

import "log/slog"

// maxPending is how many MQTT connections may be on their way in at a time.
const maxPending = 1024

// reserved descriptors are for what is neither an MQTT nor an HTTP connection: Redis, images,
// listeners, the log.
const reserved = 96

// capacity is how many connections of each kind the server keeps open at once. Each takes a
// descriptor, and none of the kinds may use up those of the others, or Redis's.
type capacity struct {
	mqtt    int // admitted
	pending int // not admitted yet
	http    int
}

func (c capacity) descriptors() int { return c.mqtt + c.pending + c.http + reserved }

// within returns what of c fits into a limit of open files, 0 for none. HTTP and connections on
// their way in get a quarter each, at most, of what is left after the reserve.
func (c capacity) within(limit int) capacity {
	if limit <= 0 || c.descriptors() <= limit {
		return c
	}
	rest := max(limit-reserved, limit/4)
	quarter := max(1, rest/4)
	fits := capacity{pending: min(c.pending, quarter), http: min(c.http, quarter)}
	fits.mqtt = min(c.mqtt, max(1, rest-fits.pending-fits.http))
	return fits
}

// fit is the capacity that the settings ask for, or what the process's limit of open files
// allows of it, with a warning.
func fit(c Config, limit int, log *slog.Logger) capacity {
	asked := capacity{mqtt: c.MQTT.MaxConnections, pending: maxPending, http: c.HTTP.MaxConnections}
	fits := asked.within(limit)
	if fits != asked {
		log.Warn("the limit of open files is too low for mqtt.max_connections: fewer are served; raise it (ulimit -n, LimitNOFILE=)",
			"limit", limit, "needed", asked.descriptors(), "mqtt_connections", fits.mqtt, "http_connections", fits.http)
	}
	return fits
}
