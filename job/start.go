package job

import (
	"context"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store/jobs"
)

// Order is a job to start.
type Order struct {
	Product fleet.ProductID
	Action  Action

	// The devices: these, or all that Query selects when the job is started. Of both, jobs.Retry,
	// jobs.Resume and jobs.Stop take those to which they would do something then.
	Devices []fleet.DeviceID
	Query   fleet.DeviceQuery
	Of      string // what selects them, in words

	Add, Remove []string      // names of groups, for jobs.Groups
	Version     fleet.Version // for jobs.Lock and jobs.Flash
	Now         bool          // for jobs.Lock: also at once, those that are online
	Command     string
	Payload     []byte
	TTL         time.Duration // of the command; 0: the default

	Key string // a second Start with it returns the first one's job; "": none
}

// rights are what the actions require in the team; each device is checked, too.
var rights = map[Action]fleet.Action{
	jobs.Groups: fleet.AssignGroups, jobs.Lock: fleet.EditDevice, jobs.Unlock: fleet.EditDevice, jobs.Development: fleet.EditDevice,
	jobs.NoDevelopment: fleet.EditDevice, jobs.Disable: fleet.EditDevice, jobs.Enable: fleet.EditDevice, jobs.Flash: fleet.EditDevice,
	jobs.Command: fleet.OperateDevice, jobs.Retry: fleet.OperateDevice, jobs.Resume: fleet.OperateDevice, jobs.Stop: fleet.OperateDevice,
	jobs.Delete: fleet.DeleteDevice,
}

// May returns nil if actor may start jobs of this action at all.
func May(actor fleet.Actor, action Action) error {
	right, ok := rights[action]
	if !ok {
		return fleet.FieldErrorf("action", "action %.40q: use one of %v", action, jobs.Actions)
	}
	return actor.May(right)
}

// Impact is what a job would do.
type Impact struct {
	Devices, Online int
	Held            int           // of Devices, since an operator stopped their update; Retry and Resume only
	Targets         *fleet.Impact // nil: the action changes no targets
}

// Preview returns what Start would do now.
func (s *Service) Preview(ctx context.Context, actor fleet.Actor, o Order) (Impact, error) {
	j, err := s.check(ctx, actor, o)
	if err != nil {
		return Impact{}, err
	}
	ids, err := s.devices(actor, o)
	out := Impact{Devices: len(ids)}
	if err != nil {
		return out, err
	}
	for _, id := range ids {
		if s.registry.IsOnline(id) {
			out.Online++
		}
	}
	switch o.Action {
	case jobs.Groups, jobs.Lock, jobs.Unlock, jobs.Development, jobs.NoDevelopment:
		impact, err := s.registry.PreviewChange(ctx, actor, o.Product, ids, change(&j))
		out.Targets = &impact
		return out, err
	case jobs.Retry, jobs.Resume:
		n, err := s.releases.CountRetries(actor, fleet.DeviceQuery{Product: o.Product, IDs: ids})
		out.Held = n.Held
		return out, err
	}
	return out, nil
}

// ErrNoDevices is the error of Start for an order that selects none. It is fleet.Invalid.
var ErrNoDevices = fleet.Errorf(fleet.Invalid, "no device is selected that this can be done to")

// Start starts a job and returns it. Its devices are those that the order selects now, and stay so.
// Errors: fleet.Invalid for an order that selects none or too many or makes no sense, fleet.Denied,
// fleet.NotFound for a product, fleet.Busy if the team has MaxOpen jobs or MaxDevices in them.
func (s *Service) Start(ctx context.Context, actor fleet.Actor, o Order) (Job, error) {
	j, err := s.check(ctx, actor, o)
	if err != nil {
		return Job{}, err
	}
	ids, err := s.devices(actor, o)
	if err != nil {
		return Job{}, err
	}
	if len(ids) == 0 {
		return Job{}, ErrNoDevices
	}
	j.Devices = len(ids)
	ctx = context.WithoutCancel(ctx) // half of it must not be left
	j, known, err := s.jobs.Add(ctx, actor.Team, j, func(open []Job) error { return fits(open, len(ids)) })
	if err != nil || known {
		return j, err
	}
	if err := s.prepare(ctx, actor.Team, &j, ids); err != nil {
		_ = s.jobs.Remove(ctx, actor.Team, j.Number) // the next start does it otherwise
		return Job{}, err
	}
	s.tell(&j, actor.Team)
	return j, nil
}

// fits returns fleet.Busy if a team can't have one more job of so many devices.
func fits(open []Job, devices int) error {
	if len(open) >= MaxOpen {
		return fleet.Errorf(fleet.Busy, "your team has %d jobs that are not over, as many as it can have: wait for one to end, or cancel one", len(open))
	}
	for _, other := range open {
		devices += other.Left()
	}
	if devices > MaxDevices {
		return fleet.Errorf(fleet.Busy, "your team's jobs would be about %d devices at once, at most %d can be: wait for one to end, or select fewer devices", devices, MaxDevices)
	}
	return nil
}

// prepare stores the devices of a job and puts it into the queue.
func (s *Service) prepare(ctx context.Context, team fleet.TeamID, j *Job, ids []fleet.DeviceID) error {
	entry, err := s.jobs.Enter(ctx, team, j.Number)
	if err != nil {
		return err
	}
	part := 0
	for some := range slices.Chunk(ids, partSize) {
		if err := s.jobs.PutDevices(ctx, team, j.Number, part, some); err != nil {
			return err
		}
		part++
	}
	*j, err = s.jobs.Edit(ctx, team, j.Number, func(j *Job) error {
		j.State = jobs.Waiting
		return nil
	})
	if err != nil {
		return err
	}
	s.enqueue(&running{Entry: entry})
	s.nudge()
	return nil
}

// check returns the job of an order, without its devices.
func (s *Service) check(ctx context.Context, actor fleet.Actor, o Order) (Job, error) {
	j := Job{
		Key: o.Key, Product: o.Product, Action: o.Action, User: actor.User, Email: actor.Email, Token: actor.Token, Address: actor.Address,
		Of: o.Of, State: jobs.Preparing, Started: s.clock.Now().UTC(),
	}
	if err := May(actor, o.Action); err != nil {
		return j, err
	}
	if _, err := s.registry.Product(ctx, actor, o.Product.String()); err != nil {
		return j, err
	}
	var err error
	switch o.Action {
	case jobs.Groups:
		j.Add, j.Remove, err = s.registry.FindGroups(ctx, actor, o.Product, o.Add, o.Remove)
		for _, name := range o.Add {
			j.Names = append(j.Names, "+"+name)
		}
		for _, name := range o.Remove {
			j.Names = append(j.Names, "-"+name)
		}
	case jobs.Lock, jobs.Flash:
		var v fleet.Version
		v, err = s.registry.Uploaded(ctx, actor, o.Product, "version", o.Version)
		j.Version, j.Now = v.String(), o.Now && o.Action == jobs.Lock
	case jobs.Command:
		err = registry.CheckCommand(o.Command, o.Payload, o.TTL)
		j.Command, j.Payload, j.TTL = o.Command, o.Payload, o.TTL
	}
	return j, err
}

// devices returns what an order selects, by id or in the order given.
func (s *Service) devices(actor fleet.Actor, o Order) ([]fleet.DeviceID, error) {
	narrows := o.Action == jobs.Retry || o.Action == jobs.Resume || o.Action == jobs.Stop
	if o.Devices != nil && !narrows {
		ids := fleet.DevicesIn(actor.Team, o.Devices)
		slices.Sort(ids)
		if ids = slices.Compact(ids); len(ids) > MaxDevices {
			return nil, tooMany(len(ids))
		}
		return ids, nil
	}
	q := o.Query
	if o.Devices != nil {
		q = fleet.DeviceQuery{IDs: o.Devices}
	}
	q.Product, q.After, q.Skip, q.Limit = o.Product, "", 0, MaxDevices+1
	switch holds := q.Where.Holds; o.Action {
	case jobs.Retry, jobs.Resume:
		q.Where.Holds = func(e *fleet.IndexEntry) bool { return due(o.Action, e) && (holds == nil || holds(e)) }
	case jobs.Stop:
		if len(q.Updates) == 0 {
			q.Updates = fleet.Stoppable
		}
	}
	ids, err := s.registry.IDs(actor, q)
	if err == nil && len(ids) > MaxDevices {
		err = tooMany(len(ids))
	}
	return ids, err
}

func tooMany(n int) error {
	return fleet.FieldErrorf("devices", "%d devices are more than the %d of one job: select fewer", n, MaxDevices)
}

// due reports whether a retry, or the end of a hold, changes something about a device.
func due(action Action, e *fleet.IndexEntry) bool {
	return e.Held || action == jobs.Retry && release.Retryable(e)
}

// change is what a job does to a device's record.
func change(j *Job) registry.Change {
	c := registry.Change{Add: j.Add, Remove: j.Remove, Flash: j.Now}
	switch j.Action {
	case jobs.Lock:
		c.Lock = new(fleet.ReportedVersion(j.Version))
	case jobs.Unlock:
		c.Lock = new(fleet.Version{})
	case jobs.Development, jobs.NoDevelopment:
		c.Development = new(j.Action == jobs.Development)
	case jobs.Disable, jobs.Enable:
		c.Disabled = new(j.Action == jobs.Disable)
	}
	return c
}
