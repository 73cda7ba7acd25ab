package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/chaos/device"
)

// messages looks for acknowledged messages and alerts that are not listed.
func (r *round) messages(ctx context.Context) (wrong []string, err error) {
	for _, p := range r.talk {
		id, acknowledged := p.Acknowledged()
		r.reported += len(acknowledged)
		listed := map[int]bool{}
		f := api.MessageFilter{Device: id.String(), Limit: 100}
		err := pages(&f.After, func() (string, error) {
			page, err := r.server.client.Messages(ctx, f)
			for _, m := range page.Items {
				if n, err := strconv.Atoi(string(m.Message)); err == nil {
					listed[n] = true
				}
			}
			return page.Next, err
		})
		if err != nil {
			return nil, err
		}
		g := api.AlertFilter{Device: id.String(), Limit: 100}
		err = pages(&g.After, func() (string, error) {
			page, err := r.server.client.Alerts(ctx, g)
			for _, a := range page.Items {
				if n := int(a.Type); device.IsAlert(n) {
					listed[n] = true
				}
			}
			return page.Next, err
		})
		if err != nil {
			return nil, err
		}
		lost := slices.DeleteFunc(acknowledged, func(n int) bool { return listed[n] })
		if len(lost) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s: messages or alerts %v were acknowledged and are lost", id, lost))
		}
	}
	return wrong, nil
}

// pages reads one page after the other; after is where the next one begins.
func pages(after *string, read func() (next string, err error)) (err error) {
	for {
		if *after, err = read(); err != nil || *after == "" {
			return err
		}
	}
}

// audit looks for releases and commands that were acknowledged and are not in the audit log.
// One that was repeated may be there twice.
func (r *round) audit(ctx context.Context) (wrong []string, err error) {
	for action, done := range map[string]int{"firmware.release": r.done["release-default"] + r.done["release-to-groups"] + r.done["take-back"], "device.command": r.world.commandsSent()} {
		logged, f := 0, api.AuditFilter{Action: action, Limit: 100}
		err := pages(&f.After, func() (string, error) {
			page, err := r.server.client.Audit(ctx, f)
			logged += len(page.Items)
			return page.Next, err
		})
		if err != nil {
			return nil, err
		}
		if logged < done {
			wrong = append(wrong, fmt.Sprintf("the audit log has %d times %s, acknowledged were %d", logged, action, done))
		}
	}
	return wrong, nil
}
