package api

import "time"

// ReleaseBrief is a release with a plan in a line.
type ReleaseBrief struct {
	ID    uint32  `json:"id"`
	State string  `json:"state" doc:"scheduled, running, waiting, paused, halted, reverting, done, reverted, replaced or withdrawn"`
	Share Percent `json:"share" doc:"Devices of its target that get the version"`
}

// StagedRelease is a release with a plan.
type StagedRelease struct {
	ReleaseBrief
	Version Version        `json:"version"`
	Group   string         `json:"group" doc:"Its target; empty for the product default"`
	Base    Version        `json:"base" doc:"What the target gives devices outside the share; null: nothing"`
	Stage   int            `json:"stage" doc:"From 1"`
	Held    Span           `json:"held" doc:"How long the stage has been observed"`
	Why     string         `json:"why" doc:"What it waits for, or what led to its state"`
	Over    uint32         `json:"over,omitempty" doc:"The release that stands over it"`
	Plan    Plan           `json:"plan"`
	Devices *ReleaseCounts `json:"devices" doc:"Counts of the devices you see; null when it has ended"`
	Gate    *ReleaseGate   `json:"gate" doc:"What its gate has and needs; null without one, and when you don't see all of its devices"`
	By      string         `json:"by"`
	Created *time.Time     `json:"created_at"`
	Changed *time.Time     `json:"changed_at"`
}

// ReleaseCounts counts devices by what a release did with them; each is counted once.
type ReleaseCounts struct {
	Targets   int            `json:"targets" doc:"It gives them its version now"`
	Reach     int            `json:"reach" doc:"It would, at 100%"`
	Running   int            `json:"running" doc:"Of targets, they run the version"`
	Confirmed int            `json:"confirmed" doc:"Updated by it"`
	Failed    int            `json:"failed" doc:"Failed or rolled back, also those that try again"`
	Lost      int            `json:"lost" doc:"Restarted into the version and not heard of again in time"`
	Unhealthy int            `json:"unhealthy" doc:"Of confirmed, in trouble soon after, beyond what is usual for devices that were not updated"`
	Updating  map[string]int `json:"updating" doc:"By the state of their update"`
	Waiting   map[string]int `json:"waiting" doc:"Of targets, by cause: offline, handshake (its next one is awaited), window, zone_unknown, at_once, hourly, group_limit, gateway_limit, not_now ..."`
	Return    int            `json:"return" doc:"They run the version and should run another one again"`
}

// ReleaseGate is the numbers of a gate against its bars.
type ReleaseGate struct {
	Ended     int     `json:"ended" doc:"Updates that ended through the device"`
	Sample    int     `json:"sample" doc:"Needed of them"`
	Confirmed int     `json:"confirmed"`
	Success   Percent `json:"success" doc:"Confirmed of ended"`
	Needed    Percent `json:"needed"`
}

// ReleaseAction is what to do about a release with a plan.
type ReleaseAction struct {
	Action string `json:"action" enum:"approve,pause,resume,halt,revert,finish"`
}
