package console

import "github.com/muster-iot/muster/devicelog"

// contactRow is a connection of a device as its page shows it.
type contactRow struct {
	devicelog.Contact
	Lasts  bool // it is the one that the device is online with
	Unseen bool // it has no end: the server stopped before it
}

// Connections are the device's last connections, newest first.
func (b deviceBody) Connections() (rows []contactRow) {
	for i, c := range devicelog.Contacts(b.View.Contacts) {
		open := c.Ended.IsZero()
		lasts := open && i == 0 && b.View.Online
		rows = append(rows, contactRow{Contact: c, Lasts: lasts, Unseen: open && !lasts})
	}
	return rows
}
