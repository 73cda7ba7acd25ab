package cloud

import (
	"net"
	"net/http"
)

// Bounds that the tests from outside reach.
const (
	Recheckers      = recheckers
	UnattachedBurst = unattachedBurst
)

// Handler is what serves HTTP.
func (c *Cloud) Handler() http.Handler { return c.http.Handler }

// Folder is the data folder in use.
func (c *Cloud) Folder() string { return c.config.Data }

// Attach serves conn as an MQTT connection until it ends.
func (c *Cloud) Attach(conn net.Conn) { c.broker.Attach(conn) }
