package console

import (
	"mime"
	"net/http"

	"github.com/muster-iot/muster/export"
	"github.com/muster-iot/muster/fleet"
)

// exportDevices exports the devices that the list's filter selects, by id.
func (v listPages) exportDevices() error {
	format, err := export.ParseFormat(v.text("format"))
	if err != nil {
		return err
	}
	f := v.deviceFilter()
	f.Sort, f.After = "", ""
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	q, err := v.query(f, groups)
	if err != nil {
		return err
	}
	q.Sort, q.Descending, q.Limit = fleet.ByID, false, export.PageSize
	return v.export(export.Devices(format, func(after string) ([]fleet.DeviceView, string, error) {
		q.After = after
		views, err := v.registry.Devices(v.ctx(), v.actor, q)
		return views.Devices, views.Next, err
	}))
}

func (v messagePages) exportMessages() error {
	format, err := export.ParseFormat(v.text("format"))
	if err != nil {
		return err
	}
	q := v.messageQuery()
	q.Limit = export.PageSize
	return v.export(export.Messages(format, func(after string) ([]fleet.Message, string, error) {
		q.After = after
		return v.registry.Messages(v.ctx(), v.actor, q)
	}))
}

func (v messagePages) exportAlerts() error {
	format, err := export.ParseFormat(v.text("format"))
	if err != nil {
		return err
	}
	q := fleet.AlertQuery{Team: v.actor.Team, Device: fleet.DeviceID(v.text("device")), Archived: v.text("archived") != "", Limit: export.PageSize}
	return v.export(export.Alerts(format, func(after string) ([]fleet.Alert, string, error) {
		q.After = after
		return v.registry.Alerts(v.ctx(), v.actor, q)
	}))
}

func (v teamPages) exportAudit() error {
	format, err := export.ParseFormat(v.text("format"))
	if err != nil {
		return err
	}
	b := v.auditQuery()
	if err := b.days(); err != nil {
		return err
	}
	b.Query.Limit = export.PageSize
	return v.export(export.Audit(format, func(after string) ([]fleet.AuditEntry, string, error) {
		b.Query.After = after
		return v.audit.Page(v.ctx(), v.actor, b.Query)
	}))
}

// export answers with a file. An error on the way breaks the connection off, so that the browser
// does not keep part of a list as the whole.
func (v *visit) export(s *export.List, err error) error {
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", s.Type())
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": s.File()}))
	control := http.NewResponseController(v.w)
	if s.Write(v.w, func() { _ = control.Flush() }) != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}
