package console

import (
	"strconv"

	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/quota"
)

// quotaRow is one quota of the team, in words.
type quotaRow struct {
	Name, Used, Limit, Share, Unit, Advice string

	Value, Max int64 // for a meter; Max is 0 without a limit
}

func (v teamPages) quotasPage() error {
	usage, err := v.quotas.Usage(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	rows := make([]quotaRow, 0, len(usage))
	for _, u := range usage {
		rows = append(rows, shownQuota(u))
	}
	return v.show("quotas", "Quotas", rows)
}

func shownQuota(u quota.Usage) quotaRow {
	text := func(n int64) string { return strconv.FormatInt(n, 10) }
	unit := u.Unit
	if unit == "bytes" {
		text, unit = humane.Size, "firmware images"
	}
	row := quotaRow{Name: u.Name, Used: text(u.Used), Limit: "no limit", Unit: unit, Advice: u.Advice, Value: u.Used, Max: u.Most}
	if u.Most > 0 {
		row.Limit = text(u.Most)
	}
	if u.Share > 0 {
		row.Share = text(u.Share)
	}
	return row
}
