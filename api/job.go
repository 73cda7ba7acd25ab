package api

import "time"

// NewJob changes many devices in the background. Exactly one of Devices, Filter and Query selects
// them, when the job is started.
type NewJob struct {
	Action   string      `json:"action" doc:"groups, lock, unlock, development, no-development, disable, enable, flash, command, retry, resume, stop or delete"`
	Devices  []string    `json:"devices,omitempty" doc:"Ids"`
	Filter   string      `json:"filter,omitempty" doc:"Name of a saved filter"`
	Query    *string     `json:"query,omitempty" doc:"A filter as in the address of the console's list of devices, such as group=beta&online=yes. Empty: all devices of the product"`
	Metadata JobMetadata `json:"metadata,omitzero"`
}

// JobMetadata is what a job does.
type JobMetadata struct {
	Add       Names    `json:"add,omitempty" doc:"groups: the groups to add"`
	Remove    Names    `json:"remove,omitempty" doc:"groups: the groups to remove"`
	Version   *Version `json:"version,omitempty" doc:"lock, flash: the version"`
	Flash     bool     `json:"flash,omitempty" doc:"lock: also update at once the devices that are online"`
	Name      string   `json:"name,omitempty" doc:"command: its name"`
	Message   Payload  `json:"message,omitempty" doc:"command: what it carries"`
	ExpiresIn int      `json:"expires_in,omitempty" doc:"command: seconds it waits for its device; absent: 7 days"`
}

// Job is a change of many devices, in the background.
type Job struct {
	Number    uint32         `json:"number"`
	Action    string         `json:"action"`
	What      []string       `json:"what,omitempty" doc:"groups added, as +beta, and removed, as -old; the version; the command"`
	Of        string         `json:"of,omitempty" doc:"What selected the devices, in words"`
	ProductID uint32         `json:"product_id"`
	State     string         `json:"state" doc:"waiting: for older jobs of the team; running; done; canceled; failed"`
	Why       string         `json:"why,omitempty" doc:"Of canceled and failed"`
	Devices   int            `json:"devices"`
	Done      int            `json:"done"`
	Skipped   int            `json:"skipped" doc:"For a reason that is the device's state, or a right"`
	Failed    int            `json:"failed" doc:"For another reason"`
	Left      int            `json:"left" doc:"The job has not come to them"`
	Reasons   map[string]int `json:"reasons,omitempty" doc:"Of skipped and failed: how many devices for each reason"`
	Troubles  []JobTrouble   `json:"troubles,omitempty" doc:"The first 100 that were skipped or failed; of one job alone"`
	By        string         `json:"by" doc:"Email of the user who started it. Their rights are checked again while it runs"`
	Started   time.Time      `json:"started_at"`
	Ended     *time.Time     `json:"ended_at,omitempty"`
}

// Over reports whether the job has ended.
func (j *Job) Over() bool { return j.State == "done" || j.State == "canceled" || j.State == "failed" }

// JobTrouble is a device that a job skipped or could not do.
type JobTrouble struct {
	Device string `json:"device_id"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// JobImpact is what a job would do.
type JobImpact struct {
	Devices int     `json:"devices"`
	Online  int     `json:"online" doc:"Of devices"`
	Held    int     `json:"held,omitempty" doc:"Of devices, since their update was stopped: retry and resume alone"`
	Impact  *Impact `json:"impact,omitempty" doc:"On targets; absent where the action changes none"`
}

// StartedJob is the answer to NewJob: the job, or with dry_run its impact.
type StartedJob struct {
	Job    *Job       `json:"job,omitempty"`
	Impact *JobImpact `json:"impact,omitempty"`
}

// SavedFilter is a filter of the devices of a product, which all of the team share.
type SavedFilter struct {
	Name  string `json:"name"`
	Query string `json:"query" doc:"As in the address of the console's list of devices" example:"group=beta&online=yes"`
	By    string `json:"by,omitempty" doc:"Email of the user who saved it"`
}

// FilterFields is a filter to save.
type FilterFields struct {
	Query string `json:"query" doc:"As in the address of the console's list of devices" example:"group=beta&online=yes"`
}
