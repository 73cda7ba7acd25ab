package main

import "github.com/muster-iot/muster/bench/rest"

// impacts are dry runs. None of the fleet is locked or a development device: what a release
// moves is known.
func (a *asking) impacts(quarter *rest.Client) []kind {
	const products = "/v1/products/" + product
	const release = products + "/firmware/release?dry_run=true"
	one := func(path string) func(int) string { return func(int) string { return path } }
	to := func(version int, groups ...string) func(int) any {
		return func(int) any {
			return map[string]any{"version": version, "groups": append([]string{}, groups...), "product_default": false}
		}
	}
	const some = 100 // devices of a batch
	batch := func(action string, metadata map[string]any) func(int) any {
		return func(i int) any {
			devices := make([]string, some)
			for at := range devices {
				devices[at] = nameOf(i*some + at)
			}
			return map[string]any{"action": action, "devices": devices, "metadata": metadata}
		}
	}
	large := a.count(inLarge)
	falls := a.count(func(n int) bool { return inLarge(n) && runs(n) != 1 }) // to the default
	return []kind{
		{"impact of a release to the large group", a.owner, one(release), to(6, largeGroup), large},
		{"impact of it, as the group's editor", quarter, one(release), to(6, largeGroup), large},
		{"impact of taking a release back", a.owner, one(release), to(2), falls},
		{"impact of a default", a.owner, one(release), func(int) any { return map[string]any{"version": 6} }, a.options.devices - large},
		{"impact of a first stage of 50 %", a.owner, one(release), func(int) any {
			return map[string]any{"version": 6, "product_default": true, "plan": map[string]any{"stages": []map[string]any{{"share": "50%"}, {"share": "100%"}}}}
		}, 0},
		{"impact of 100 devices joining a group", a.owner, one(products + "/devices?dry_run=true"), batch("groups", map[string]any{"add": []string{largeGroup}}), 0},
		{"impact of locking 100 devices", a.owner, one(products + "/devices?dry_run=true"), batch("lock", map[string]any{"version": 6}), some},
	}
}
