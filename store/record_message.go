package store

import "github.com/muster-iot/muster/fleet"

func packMessage(m *fleet.Message) string {
	var w packer
	w.text(1, string(m.Device))
	w.text(2, m.Topic)
	w.bytes(3, m.Payload)
	w.time(4, m.Received)
	return w.String()
}

func unpackMessage(record string) (m fleet.Message, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			m.Device = fleet.DeviceID(v)
		case 2:
			m.Topic = string(v)
		case 3:
			m.Payload = []byte(v)
		case 4:
			m.Received = v.time()
		}
	})
	return m, err
}

func packAudit(e *fleet.AuditEntry) string {
	var w packer
	w.number(1, uint64(e.User))
	w.text(2, e.Email)
	w.text(3, e.Action)
	w.text(4, e.Object)
	w.text(5, e.Before)
	w.text(6, e.After)
	w.time(7, e.At)
	return w.String()
}

func unpackAudit(record string) (e fleet.AuditEntry, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			e.User = fleet.UserID(v.number())
		case 2:
			e.Email = string(v)
		case 3:
			e.Action = string(v)
		case 4:
			e.Object = string(v)
		case 5:
			e.Before = string(v)
		case 6:
			e.After = string(v)
		case 7:
			e.At = v.time()
		}
	})
	return e, err
}

// packAlert leaves out what is kept beside the record: the id, the team, Archived.
func packAlert(a *fleet.Alert) string {
	var w packer
	w.text(1, string(a.Device))
	w.number(2, a.Type)
	w.text(3, a.Name)
	w.text(4, a.Text)
	w.time(5, a.Raised)
	return w.String()
}

func unpackAlert(record string) (a fleet.Alert, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			a.Device = fleet.DeviceID(v)
		case 2:
			a.Type = v.number()
		case 3:
			a.Name = string(v)
		case 4:
			a.Text = string(v)
		case 5:
			a.Raised = v.time()
		}
	})
	return a, err
}

// packCommand leaves out what is kept beside the record: number, device and result.
func packCommand(c *fleet.Command) string {
	var w packer
	w.text(1, c.Name)
	w.bytes(2, c.Payload)
	w.time(3, c.Queued)
	w.time(4, c.Expires)
	return w.String()
}

func unpackCommand(record string) (c fleet.Command, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			c.Name = string(v)
		case 2:
			c.Payload = []byte(v)
		case 3:
			c.Queued = v.time()
		case 4:
			c.Expires = v.time()
		}
	})
	return c, err
}

func packResult(c *fleet.Command) string {
	var w packer
	w.time(1, c.Done)
	w.bytes(2, c.Result)
	return w.String()
}

func unpackResult(record string, into *fleet.Command) error {
	return unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			into.Done = v.time()
		case 2:
			into.Result = []byte(v)
		}
	})
}
