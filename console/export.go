package console

import (
	"github.com/muster-iot/muster/export"
	"github.com/muster-iot/muster/fleet"
)

// exportDevices exports the devices that the list's filter selects, by id.
func (v listPages) exportDevices() error {
	f := v.deviceFilter()
	f.Sort, f.After = "", ""
	q, err := v.query(f)
	if err != nil {
		return err
	}
	q.Sort, q.Descending, q.Limit = fleet.ByID, false, export.PageSize
	return v.export(func(format export.Format) (*export.List, error) {
		return export.Devices(format, func(after string) ([]fleet.DeviceView, string, error) {
			q.After = after
			views, err := v.registry.Devices(v.ctx(), v.actor, q)
			return views.Devices, views.Next, err
		})
	})
}

func (v messagePages) exportMessages() error {
	q := v.messageQuery()
	q.Limit = export.PageSize
	return v.export(func(format export.Format) (*export.List, error) {
		return export.Messages(format, func(after string) ([]fleet.Message, string, error) {
			q.After = after
			return v.registry.Messages(v.ctx(), v.actor, q)
		})
	})
}

func (v messagePages) exportAlerts() error {
	q := fleet.AlertQuery{Team: v.actor.Team, Device: fleet.DeviceNamed(v.text("device")), Archived: v.text("archived") != "", Limit: export.PageSize}
	return v.export(func(format export.Format) (*export.List, error) {
		return export.Alerts(format, func(after string) ([]fleet.Alert, string, error) {
			q.After = after
			return v.registry.Alerts(v.ctx(), v.actor, q)
		})
	})
}

func (v teamPages) exportAudit() error {
	b := v.auditQuery()
	if err := b.days(); err != nil {
		return err
	}
	b.Query.Limit = export.PageSize
	return v.export(func(format export.Format) (*export.List, error) {
		return export.Audit(format, func(after string) ([]fleet.AuditEntry, string, error) {
			b.Query.After = after
			return v.audit.Page(v.ctx(), v.actor, b.Query)
		})
	})
}

// export answers with the list that open makes in the format of the link.
func (v *visit) export(open func(export.Format) (*export.List, error)) error {
	format, err := export.ParseFormat(v.text("format"))
	if err != nil {
		return err
	}
	list, err := open(format)
	if err != nil {
		return err
	}
	list.Serve(v.w)
	return nil
}
