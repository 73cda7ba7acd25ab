package jobs

import (
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Action is what a job does to each of its devices.
type Action string

// The actions.
const (
	Groups        Action = "groups" // adds and removes groups
	Lock          Action = "lock"
	Unlock        Action = "unlock"
	Development   Action = "development"
	NoDevelopment Action = "no-development"
	Disable       Action = "disable"
	Enable        Action = "enable"
	Flash         Action = "flash"
	Command       Action = "command"
	Retry         Action = "retry"
	Resume        Action = "resume" // retries those that are held
	Stop          Action = "stop"
	Delete        Action = "delete"
)

// Actions lists the actions, in the order in which they are offered.
var Actions = []Action{Groups, Lock, Unlock, Development, NoDevelopment, Flash, Command, Retry, Resume, Stop, Disable, Enable, Delete}

// State is where a job stands.
type State string

// The states. From Done on a job is over.
const (
	Preparing State = "preparing" // its devices are being stored; the request that starts it has no answer yet
	Waiting   State = "waiting"   // for the jobs of its team that were started before
	Running   State = "running"
	Done      State = "done"
	Canceled  State = "canceled"
	Failed    State = "failed" // it can't continue: Why
)

// Over reports whether a job in state s has ended.
func (s State) Over() bool { return s == Done || s == Canceled || s == Failed }

// Job is one background job.
type Job struct {
	Number  uint32 // grows per team
	Key     string // given by its creator: a second start with the same one is this job; "": none
	Product fleet.ProductID
	Action  Action

	User           fleet.UserID // who started it
	Email          string
	Token, Address string `json:",omitempty"` // for the audit log, as in fleet.Actor

	Add, Remove []fleet.GroupID `json:",omitempty"` // Groups
	Names       []string        `json:",omitempty"` // of Add and Remove, as in "+beta" and "-old"
	Version     string          `json:",omitempty"` // Lock and Flash
	Now         bool            `json:",omitempty"` // Lock: also at once, those that are online
	Command     string          `json:",omitempty"`
	Payload     []byte          `json:",omitempty"` // of the command
	TTL         time.Duration   `json:",omitempty"` // of the command
	Of          string          `json:",omitempty"` // what selected the devices, in words

	State                        State
	Why                          string         `json:",omitempty"` // of Failed; of Canceled by whom
	Devices, Done, Bad, Skipped  int            // Bad failed for a reason that is not the device's state
	Reasons                      map[string]int `json:",omitempty"` // of Bad and Skipped, in a word or two
	Part                         int            // the next one to do
	Started, Begun, Ended, Moved time.Time      // Started by the user, Begun with its first device; Moved at its last progress
}

// Left returns how many devices the job has not come to.
func (j Job) Left() int { return max(j.Devices-j.Done-j.Bad-j.Skipped, 0) }

// Trouble is a device that a job skipped, or could not do.
type Trouble struct {
	Device fleet.DeviceID
	Reason string
	Text   string
}
