// Package rollout drives releases with a plan: it counts what became of their devices, lets
// their share grow stage by stage, and halts them or takes them back when too many devices
// fail (docs/rules.md, "Releases with a plan").
//
// Next and Act are the rules: pure functions from a release, its counts and the time to what
// becomes of it. Service counts, applies them to the catalog by compare-and-set, and shows
// releases to actors. All of its state that matters is in the catalog, so it continues where
// an earlier process was killed. One Service per installation may Run.
package rollout
