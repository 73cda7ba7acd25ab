package main

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
	List auditListCmd `cmd:"" default:"withargs" help:"List every write, newest first: who, what, from what to what." example:"muster audit list --action device --object lamp-7"`
}

type auditListCmd struct {
	remote
	Search string `help:"With this anywhere in the entry, whatever the case." placeholder:"TEXT"`
	Email  string `help:"Done by this user." placeholder:"EMAIL" complete:"user"`
	Action string `help:"This was done, or the first word of it: device.update, or device." placeholder:"ACTION"`
	Object string `help:"It was done to this: the id of a device, the name of a group ..." placeholder:"OBJECT"`
	Limit  int    `default:"50" help:"Rows at most; 0: all." placeholder:"N"`
}

// Run lists the audit log.
func (c *auditListCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	entries, more, err := upTo(c.Limit, func(after string, rows int) (api.Page[api.AuditEntry], error) {
		return client.Audit(ctx, api.AuditFilter{Search: c.Search, Email: c.Email, Action: c.Action, Object: c.Object, After: after, Limit: rows})
	})
	if err != nil {
		return err
	}
	if more {
		note("There are more; --limit shows them.")
	}
	c.hint(len(entries), "No such entries. An --action is such as device, or device.update: muster audit shows those there are.")
	return c.show(entries, func(t *table) {
		t.row("WHEN", "WHO", "ACTION", "OBJECT", "CHANGE")
		for _, e := range entries {
			t.row(e.At, e.Email, e.Action, clip(e.Object, 40), clip(changeText(e), 160))
		}
	})
}

// changeText is what differs between before and after, field by field; --json has all.
func changeText(e api.AuditEntry) string {
	var before, after map[string]any
	_, _ = json.Unmarshal(e.Before, &before), json.Unmarshal(e.After, &after) // what is no object has no fields
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
