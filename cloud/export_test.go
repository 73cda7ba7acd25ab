package cloud

import (
	"net"
	"net/http"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/session"
)

// Bounds that the tests from outside reach.
const (
	Recheckers      = session.Recheckers
	UnattachedBurst = session.UnattachedBurst
)

// Handler is what serves HTTP.
func (c *Cloud) Handler() http.Handler { return c.http.Handler }

// Folder is the data folder in use.
func (c *Cloud) Folder() string { return c.config.Data }

// Attach serves conn as an MQTT connection until it ends.
func (c *Cloud) Attach(conn net.Conn) { c.broker.Attach(conn) }

// DeliverCommands sends a device that is online its commands, soon.
func (c *Cloud) DeliverCommands(id fleet.DeviceID) { c.sessions.Command(id) }

// Heard returns when a device was last heard, as far as its record does not have that yet.
func (c *Cloud) Heard(id fleet.DeviceID) time.Time { return c.sessions.Heard(id) }

// Undelivered reports whether commands of a device wait for the store to answer again.
func (c *Cloud) Undelivered(id fleet.DeviceID) bool { return c.sessions.Undelivered(id) }
