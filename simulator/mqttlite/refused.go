package mqttlite

import "fmt"

// Refused is a CONNACK that refuses the connection.
type Refused struct {
	Code byte // MQTT 3.1.1 §3.2.2.3
}

func (r *Refused) Error() string {
	texts := [...]string{"accepted", "protocol version", "client id", "server unavailable", "bad user name or password", "not authorised"}
	if int(r.Code) < len(texts) {
		return fmt.Sprintf("connection refused: %s (%d)", texts[r.Code], r.Code)
	}
	return fmt.Sprintf("connection refused: code %d", r.Code)
}
