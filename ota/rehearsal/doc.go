// Package rehearsal runs a release on a copy of a fleet, in a time of its own: who would get what
// and when, and which gate or halt would act.
//
// Devices are copies of their records. What they do is a model of discrete events: they say Hello,
// store, restart, return. What is decided about them is not: targets, gates, windows and limits are
// those of ota/precedence, ota/pace and calendar; stages and halts are those of ota/rollout, which
// counts in an index of the copies; attempts and pauses are those of ota. docs/adr/0036 says what
// the model leaves out.
package rehearsal
