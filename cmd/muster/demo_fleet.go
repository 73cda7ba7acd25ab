package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

func (d *demo) upload(ctx context.Context) error {
	for v := uint32(factoryVersion); v <= defaultVersion; v++ {
		image := demoImage(demoProduct, v, demoImageSizes[v])
		d.images[v] = image
		f := api.NewFirmware{Version: whole(v), Title: fmt.Sprintf("Widget %d", v), File: fmt.Sprintf("widget-%d.bin", v)}
		if _, err := d.client.Upload(ctx, demoProduct, f, bytes.NewReader(image)); err != nil {
			return err
		}
	}
	return nil
}

// enroll imports the devices, those with the same gateway and groups in one request, and sets
// locks and development marks.
func (d *demo) enroll(ctx context.Context) ([]simulator.Credential, error) {
	type batch struct {
		gateway fleet.DeviceID
		groups  string
	}
	together := map[batch][]string{}
	for _, r := range d.roles {
		key := batch{r.gateway, strings.Join(r.groups, ",")}
		together[key] = append(together[key], r.id.String())
	}
	keys := slices.SortedFunc(maps.Keys(together), func(a, b batch) int { // gateways come before what is behind them
		return cmp.Or(cmp.Compare(a.gateway, b.gateway), cmp.Compare(a.groups, b.groups))
	})
	secrets := map[string]string{}
	for _, key := range keys {
		list := api.NewDevices{IDs: together[key], Gateway: key.gateway.String()}
		if key.groups != "" {
			list.Groups = strings.Split(key.groups, ",")
		}
		imported, err := d.client.Import(ctx, demoProduct, list)
		if err != nil {
			return nil, err
		}
		for id, secret := range imported.Secrets {
			secrets[id] = secret
		}
	}
	credentials := make([]simulator.Credential, len(d.roles))
	for i, r := range d.roles {
		credentials[i] = simulator.Credential{ID: r.id, Secret: secrets[r.id.String()], Hardware: r.hardware, Gateway: r.gateway}
		if err := d.mark(ctx, r); err != nil {
			return nil, err
		}
	}
	return credentials, nil
}

func (d *demo) mark(ctx context.Context, r role) error {
	var u api.DeviceUpdate
	switch {
	case r.development:
		u.Development = new(true)
	case r.lock != 0:
		u.Lock = api.Some(whole(r.lock))
	default:
		return nil
	}
	_, err := d.client.UpdateDevice(ctx, demoProduct, r.id.String(), u)
	return err
}

// explain prints why one device of each role runs what it does.
func (d *demo) explain(ctx context.Context) error {
	d.view.Say("\nWhy?")
	asked := map[string]bool{}
	for _, r := range d.roles {
		kind := r.kind()
		if asked[kind] {
			continue
		}
		asked[kind] = true
		if err := d.why(ctx, r.id, kind); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) why(ctx context.Context, id fleet.DeviceID, kind string) error {
	why, err := d.client.Why(ctx, id.String())
	if err != nil {
		return err
	}
	target := "what it runs"
	if !why.Target.IsZero() {
		target = "version " + why.Target.String()
	}
	d.view.Say("  %s (%s) should run %s, because of: %s", id, kind, target, why.Reason)
	for _, step := range why.Steps {
		d.view.Say("      %-12s %-12s %s", step.Rule, step.Outcome, step.Detail)
	}
	return nil
}

// kind describes r's role.
func (r role) kind() string {
	switch {
	case r.development:
		return "a development device"
	case r.lock != 0:
		return fmt.Sprintf("locked to version %d", r.lock)
	case len(r.groups) == 0:
		return "in no group"
	}
	return "in " + strings.Join(r.groups, " and ")
}
