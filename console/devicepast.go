package console

import "github.com/muster-iot/muster/devicelog"

// Connections are the device's last connections, newest first.
func (b deviceBody) Connections() []devicelog.Connection {
	return devicelog.Connections(b.View.Contacts, b.View.Online)
}
