package api

import (
	"strconv"
	"strings"
	"time"
)

// Past is what a fleet did over time, in points of one length.
type Past struct {
	From   time.Time   `json:"from"`
	To     time.Time   `json:"to"`
	Step   Span        `json:"step" doc:"Length of a point"`
	Points []PastPoint `json:"points" doc:"By time; none where nothing was sampled"`
	Marks  []PastMark  `json:"marks" doc:"Releases in this time"`

	LeftOut bool `json:"left_out,omitempty" doc:"Of a group: it has no past, because 64 other groups of the product have one"`
}

// PastPoint is how a fleet stood on average in a point of time, and what happened in it.
type PastPoint struct {
	At         time.Time      `json:"at" doc:"Its begin"`
	Sampled    int            `json:"sampled" doc:"Seconds of it that were sampled"`
	Devices    int            `json:"devices"`
	Online     int            `json:"online"`
	Versions   map[string]int `json:"versions,omitempty" doc:"Devices by version; also by version unknown, not uploaded here, and other versions"`
	Handshakes int            `json:"handshakes"`
	Failures   map[string]int `json:"failures,omitempty" doc:"Updates that failed or were rolled back, by reason code"`
}

// PastMark is something that was done about firmware.
type PastMark struct {
	At      time.Time `json:"at"`
	What    string    `json:"what" doc:"released, withdrawn, or the state that a release with a plan changed to"`
	Version string    `json:"version"`
	Group   string    `json:"group" doc:"Empty: the product default, or a deleted group"`
	Release uint32    `json:"release,omitempty" doc:"The release with a plan"`
}

// PastFilter selects a range of time. Zero fields: the last hour, in 400 points or fewer.
type PastFilter struct {
	Range time.Duration // up to To
	To    time.Time
	Step  time.Duration
}

// Burn is how the devices of a release stood at one time. Each device is counted once.
type Burn struct {
	At          time.Time `json:"at"`
	State       string    `json:"state"`
	Share       Percent   `json:"share"`
	Waiting     int       `json:"waiting"`
	Downloading int       `json:"downloading" doc:"Also offered"`
	Applying    int       `json:"applying" doc:"Also stored"`
	Confirmed   int       `json:"confirmed"`
	Failed      int       `json:"failed"`
	Lost        int       `json:"lost"`
}

// BurnDown is how the devices of a release with a plan stood over time.
type BurnDown struct {
	Points []Burn `json:"points"`
}

// units are those of lengths of time that time.ParseDuration lacks.
var units = map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour}

// ParseLength reads a length of time such as 30m, 24h, 30d, 4w or 2y, and reports whether text is
// one. It is positive.
func ParseLength(text string) (length time.Duration, ok bool) {
	for unit, one := range units {
		if number, found := strings.CutSuffix(text, unit); found {
			if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 && n <= 10_000 {
				return time.Duration(n) * one, true //nolint:gosec // 16 bits
			}
		}
	}
	length, err := time.ParseDuration(text)
	return length, err == nil && length > 0
}
