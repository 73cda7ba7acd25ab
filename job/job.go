package job

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/jobs"
)

type (
	// Job is a job as the store keeps it.
	Job = jobs.Job
	// Action is what a job does with each of its devices.
	Action = jobs.Action
	// State is how far a job is.
	State = jobs.State
	// Trouble is why one device was not done.
	Trouble = jobs.Trouble
)

// The actions, and the states that pages and clients name.
const (
	Groups        = jobs.Groups
	Lock          = jobs.Lock
	Unlock        = jobs.Unlock
	Development   = jobs.Development
	NoDevelopment = jobs.NoDevelopment
	Disable       = jobs.Disable
	Enable        = jobs.Enable
	Flash         = jobs.Flash
	Command       = jobs.Command
	Retry         = jobs.Retry
	Resume        = jobs.Resume
	Stop          = jobs.Stop
	Delete        = jobs.Delete

	Done   = jobs.Done
	Failed = jobs.Failed
)

// Actions lists the actions, in the order in which they are offered.
var Actions = jobs.Actions

// Limits of jobs.
const (
	MaxOpen     = 10        // jobs of a team that are not over
	MaxDevices  = 1_000_000 // of a team's jobs that are not over
	MaxTroubles = 100       // devices kept per job with why they were not done; all are counted
	partSize    = 500       // devices between two writes of how far a job has come
)

// Config is what a Service works with.
type Config struct {
	Jobs     *jobs.Jobs
	Teams    *store.Teams
	Registry *registry.Registry
	Releases *release.Service
	Audit    *audit.Log
	Announce func(event.Event) // must not block; nil: nobody listens
	Clock    *steady.Clock
	Log      *slog.Logger

	// Leads reports whether this server carries out the jobs of all those that share the store; nil:
	// it is the only one.
	Leads func() bool
	// Alive reports whether a server may still be starting a job. It is used with Leads only.
	Alive func(server string) bool
}

// Service starts jobs and carries them out. It is safe for concurrent use.
type Service struct {
	jobs     *jobs.Jobs
	teams    *store.Teams
	registry *registry.Registry
	releases *release.Service
	audit    *audit.Log
	announce func(event.Event)
	clock    *steady.Clock
	log      *slog.Logger

	leads  func() bool
	alive  func(server string) bool
	looked time.Time // owned by Run

	quietRegistry *registry.Registry
	quietReleases *release.Service

	wake chan struct{} // has a place for one: queue has something

	mu    sync.Mutex
	queue []*running // guarded by mu: of every job that is not over, in the order in which they are looked at
}

// running is a job that is not over.
type running struct {
	jobs.Entry
	again    bool      // devices of its next part may have been done, by a process that was killed or before the store failed
	announce time.Time // when its progress was announced last
}

// New returns a Service. Resume must be called before it is used.
func New(c Config) *Service {
	if c.Announce == nil {
		c.Announce = func(event.Event) {}
	}
	return &Service{
		jobs: c.Jobs, teams: c.Teams, registry: c.Registry, releases: c.Releases, audit: c.Audit, announce: c.Announce, clock: c.Clock, log: c.Log, leads: c.Leads, alive: c.Alive,
		quietRegistry: c.Registry.Quiet(), quietReleases: c.Releases.Quiet(), wake: make(chan struct{}, 1),
	}
}

// List returns the jobs that actor may see, newest first: those they started, and for actors who may see the
// audit log all of the team.
func (s *Service) List(ctx context.Context, actor fleet.Actor) ([]Job, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return nil, err
	}
	all, err := s.jobs.List(ctx, actor.Team)
	seen := make([]Job, 0, len(all))
	for _, j := range all {
		if sees(actor, &j) && j.State != jobs.Preparing {
			seen = append(seen, j)
		}
	}
	return seen, err
}

// Job returns one job with the first devices that it skipped or could not do.
func (s *Service) Job(ctx context.Context, actor fleet.Actor, number uint32) (Job, []Trouble, error) {
	j, err := s.find(ctx, actor, number)
	if err != nil {
		return j, nil, err
	}
	troubles, err := s.jobs.Troubles(ctx, actor.Team, number)
	return j, troubles, err
}

func (s *Service) find(ctx context.Context, actor fleet.Actor, number uint32) (Job, error) {
	if err := actor.May(fleet.SeeTeam); err != nil {
		return Job{}, err
	}
	j, err := s.jobs.Job(ctx, actor.Team, number)
	if err == nil && !sees(actor, &j) {
		err = fleet.Errorf(fleet.NotFound, "no such job: %d", number)
	}
	return j, err
}

// sees: a job names groups and devices that not everybody sees.
func sees(actor fleet.Actor, j *Job) bool {
	return j.User == actor.User || actor.May(fleet.SeeAudit) == nil
}

// Cancel ends a job: the devices that it has not come to are left as they are. It returns
// fleet.Conflict for one that is over.
func (s *Service) Cancel(ctx context.Context, actor fleet.Actor, number uint32) (Job, error) {
	if _, err := s.find(ctx, actor, number); err != nil {
		return Job{}, err
	}
	j, err := s.jobs.Edit(ctx, actor.Team, number, func(j *Job) error {
		if j.State.Over() {
			return fleet.Errorf(fleet.Conflict, "job %d is over: it is %s", number, j.State)
		}
		j.State, j.Why, j.Ended = jobs.Canceled, "by "+actor.Email, s.clock.Now().UTC()
		return nil
	})
	if err != nil {
		return j, err
	}
	s.tell(&j, actor.Team)
	s.nudge()
	return j, nil
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake, or about to be
	}
}

func (s *Service) tell(j *Job, team fleet.TeamID) {
	s.announce(event.Event{
		Payload: event.JobChanged{Number: j.Number, State: string(j.State), Devices: j.Devices, Left: j.Left()},
		Team:    team, Product: j.Product, At: time.Now(),
	})
}
