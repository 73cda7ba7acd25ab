package api

import "time"

// Rehearse is a release with a plan that is rehearsed, and what is assumed to go wrong.
type Rehearse struct {
	Release
	Faults []Fault `json:"faults,omitempty" doc:"At most 8"`
}

// Fault makes a share of the devices fail, at every attempt.
type Fault struct {
	Phase string  `json:"phase" enum:"download,verify,apply,return" doc:"download: a storage error half way; verify: the digest differs; apply: rolled back; return: not heard of after the restart"`
	Share Percent `json:"share" doc:"Of all devices" example:"5%"`
}

// Rehearsal is what a rehearsal has shown. Times are from its begin on.
type Rehearsal struct {
	Began     time.Time `json:"began"`
	Length    Span      `json:"length" doc:"Until the last thing happened"`
	State     string    `json:"state" doc:"Of the release at the end"`
	Why       string    `json:"why" doc:"What stopped it, or what it waits for"`
	Devices   int       `json:"devices" doc:"Of the product"`
	Confirmed int       `json:"confirmed"`
	Failed    int       `json:"failed" doc:"Devices whose last update failed or was rolled back"`
	Lost      int       `json:"lost" doc:"Devices that did not return from their restart"`
	Returned  int       `json:"returned" doc:"Devices that were updated, and went back"`
	Failures  int       `json:"failures" doc:"Attempts that failed"`
	Done      struct {
		Half   *Span `json:"50%" doc:"null: never"`
		Most   *Span `json:"90%"`
		Nearly *Span `json:"99%"`
	} `json:"done" doc:"When these parts of the devices that the release would reach at 100% were confirmed"`
	Peak   int64            `json:"peak" doc:"Bytes per second of all downloads, at most"`
	Sent   int64            `json:"sent" doc:"Bytes"`
	Stages []RehearsedStage `json:"stages"`
	Moves  []MoveCount      `json:"moves"`
	Curve  []RehearsedPoint `json:"curve" doc:"200 points or fewer"`
	Check  RehearsalCheck   `json:"check"`
}

// RehearsedStage is when a stage began, and what had become of devices when it ended.
type RehearsedStage struct {
	Number    int    `json:"number" doc:"From 1"`
	Share     string `json:"share"`
	Began     Span   `json:"began"`
	Confirmed int    `json:"confirmed"`
	Failed    int    `json:"failed"`
	Lost      int    `json:"lost"`
}

// RehearsedPoint is how devices stood at one time.
type RehearsedPoint struct {
	At        Span `json:"at"`
	Waiting   int  `json:"waiting"`
	Updating  int  `json:"updating"`
	Confirmed int  `json:"confirmed"`
	Failed    int  `json:"failed"`
	Lost      int  `json:"lost"`
}

// RehearsalCheck compares a rehearsal with the impact of the release at 100%.
type RehearsalCheck struct {
	Expected int  `json:"expected" doc:"By the impact: devices that get the version, and can"`
	Begun    int  `json:"begun" doc:"Devices that began an update"`
	Absent   int  `json:"absent" doc:"Of expected, those that were not heard of"`
	Agrees   bool `json:"agrees" doc:"No other device began; and all of them did, if the release was done"`
}
