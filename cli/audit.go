package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" default:"withargs" help:"List every change, newest first: who changed what, and the values before and after." example:"muster audit list --action device --object lamp-7"`
	Verify auditVerifyCmd `cmd:"" help:"Verify that no entry was changed: of the server, or of a file of JSON lines." example:"muster audit verify --noted 1234:9f86d081…"`
}

type auditListCmd struct {
	remote
	auditConditions
	Limit int `default:"50" help:"Maximum number of rows; 0 for all." placeholder:"N"`
}

// auditConditions select entries of the audit log.
type auditConditions struct {
	Search  string `help:"Only entries that contain this text, in any case." placeholder:"TEXT"`
	Email   string `help:"Only changes by this user." placeholder:"EMAIL" complete:"user"`
	Action  string `help:"Only this action, such as device.update, or all of a kind, such as device." placeholder:"ACTION"`
	Object  string `help:"Only changes to this object: a device id, a group name ..." placeholder:"OBJECT"`
	Since   moment `help:"Only changes at or after this time, as in 2026-07-01T12:00:00Z, or how long ago, as in 7d." placeholder:"TIME"`
	Until   moment `help:"Only changes before this time, in the same form." placeholder:"TIME"`
	Product string `short:"p" help:"Only changes that concern this product, by slug or id." placeholder:"SLUG" complete:"product"`
}

// on returns the conditions for s.
func (c *auditConditions) on(ctx context.Context, s server) (api.AuditFilter, error) {
	f := api.AuditFilter{Search: c.Search, Email: c.Email, Action: c.Action, Object: c.Object, From: c.Since.Time, To: c.Until.Time}
	if c.Product == "" {
		return f, nil
	}
	p, err := s.Client.Product(ctx, c.Product)
	f.Product = p.ID
	return f, err
}

// Run lists the audit log.
func (c *auditListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.AuditEntry, error) {
		f, err := c.on(ctx, s)
		if err != nil {
			return nil, err
		}
		return upTo(c.Limit, func(after string, rows int) (api.Page[api.AuditEntry], error) {
			f.After, f.Limit = after, rows
			return s.Audit(ctx, f)
		})
	}, func(t *table, entries []api.AuditEntry) {
		t.hint(len(entries), "No matching entries. An --action is device.update, say, or just device; run muster audit to see which exist.")
		t.row("WHEN", "WHO", "ACTION", "OBJECT", "CHANGE")
		for _, e := range entries {
			t.row(e.At, e.Email, e.Action, clip(e.Object, 40), clip(changeText(e), 160))
		}
	})
}

// changeText lists the fields that differ between before and after; --json has both in full.
func changeText(e api.AuditEntry) string {
	var before, after map[string]any
	_, _ = json.Unmarshal(e.Before, &before), json.Unmarshal(e.After, &after) // anything but an object has no fields
	fields := maps.Clone(before)
	if fields == nil {
		fields = map[string]any{}
	}
	maps.Copy(fields, after)
	var words []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch from, to := jsonText(before[key]), jsonText(after[key]); {
		case from == to:
		case from == "":
			words = append(words, key+": "+to)
		default:
			words = append(words, key+": "+from+" → "+cmp.Or(to, "-"))
		}
	}
	return strings.Join(words, ", ")
}
