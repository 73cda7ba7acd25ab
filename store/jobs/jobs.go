package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/journal"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// MaxKept is how many jobs are kept per team; beyond, the oldest that are over are dropped.
const MaxKept = 50

// Jobs are the jobs of all teams in one Redis. It is safe for concurrent use.
type Jobs struct {
	redis *pipeline.Pipeline
	lists *document.Documents[fleet.TeamID, list]

	// Open are the jobs that are not over, so that they are found after a restart: "TEAM NUMBER".
	Open *journal.Journal
}

// New returns the jobs of p, which owners share.
func New(p *pipeline.Pipeline, owners journal.Owners) *Jobs {
	return &Jobs{redis: p, lists: document.New(p, kind, keys.Jobs), Open: journal.New(p, keys.OpenJobs, owners)}
}

// list is the jobs of one team.
type list struct {
	revision uint64
	last     uint32 // number of the newest
	jobs     map[uint32]Job
}

var kind = document.Kind[list]{
	Name: "list of jobs",
	Fields: func(h *document.Hash, l *list) {
		document.One(h, "last", document.JSON[uint32]{}, &l.last)
		document.Numbered(h, "j", document.JSON[Job]{}, l.jobs)
	},
	Clone: func(l *list) *list {
		c := &list{revision: l.revision, last: l.last, jobs: make(map[uint32]Job, len(l.jobs)+1)}
		for n, j := range l.jobs {
			j.Reasons = maps.Clone(j.Reasons)
			c.jobs[n] = j
		}
		return c
	},
	Revision: func(l *list) *uint64 { return &l.revision },
}

// List returns the jobs of a team, newest first.
func (s *Jobs) List(ctx context.Context, team fleet.TeamID) ([]Job, error) {
	l, err := s.lists.Live(ctx, team)
	if errors.Is(err, fleet.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := slices.Collect(maps.Values(l.jobs))
	slices.SortFunc(all, func(a, b Job) int { return int(b.Number) - int(a.Number) })
	for i := range all {
		all[i].Reasons = maps.Clone(all[i].Reasons)
	}
	return all, nil
}

// Job returns one job; fleet.NotFound when there is none.
func (s *Jobs) Job(ctx context.Context, team fleet.TeamID, number uint32) (Job, error) {
	l, err := s.lists.Live(ctx, team)
	if err != nil {
		return Job{}, fleet.Hide(err, "no such job: %d", number)
	}
	j, ok := l.jobs[number]
	if !ok {
		return j, fleet.Errorf(fleet.NotFound, "no such job: %d", number)
	}
	j.Reasons = maps.Clone(j.Reasons)
	return j, nil
}

// Add stores a new job, if may returns nil for those of the team that are not over, and returns it
// with its number. If the team has a job with the same Key of the same user, it returns that one,
// and known is true.
func (s *Jobs) Add(ctx context.Context, team fleet.TeamID, j Job, may func(open []Job) error) (added Job, known bool, err error) {
	var dropped []uint32
	_, err = s.lists.EditOrCreate(ctx, team, func(l *list) error {
		dropped, known = nil, false
		var open []Job
		for _, other := range l.jobs {
			if j.Key != "" && other.Key == j.Key && other.User == j.User {
				added, known = other, true
				return nil
			}
			if !other.State.Over() {
				open = append(open, other)
			}
		}
		if err := may(open); err != nil {
			return err
		}
		l.last++
		added = j
		added.Number = l.last
		l.jobs[added.Number] = added
		dropped = l.trim()
		return nil
	})
	if err != nil {
		return Job{}, false, err
	}
	return added, known, s.forget(ctx, team, dropped)
}

// trim drops the oldest jobs that are over and too many, and returns their numbers.
func (l *list) trim() (dropped []uint32) {
	for _, n := range slices.Sorted(maps.Keys(l.jobs)) {
		if len(l.jobs) <= MaxKept {
			break
		}
		if l.jobs[n].State.Over() {
			delete(l.jobs, n)
			dropped = append(dropped, n)
		}
	}
	return dropped
}

// Edit changes a job and returns it as it was written. change may run several times.
func (s *Jobs) Edit(ctx context.Context, team fleet.TeamID, number uint32, change func(*Job) error) (edited Job, err error) {
	_, err = s.lists.Edit(ctx, team, func(l *list) error {
		j, ok := l.jobs[number]
		if !ok {
			return fleet.Errorf(fleet.NotFound, "no such job: %d", number)
		}
		if err := change(&j); err != nil {
			return err
		}
		l.jobs[number], edited = j, j
		return nil
	})
	return edited, err
}

// Remove drops a job with its devices, as if it had never been started.
func (s *Jobs) Remove(ctx context.Context, team fleet.TeamID, number uint32) error {
	_, err := s.lists.Edit(ctx, team, func(l *list) error {
		delete(l.jobs, number)
		return nil
	})
	if err != nil && !errors.Is(err, fleet.NotFound) {
		return err
	}
	return errors.Join(s.DropDevices(ctx, team, number), s.forget(ctx, team, []uint32{number}))
}

// InTerm returns ctx for a step of a job: it writes nothing after another server may have taken the job over.
func (s *Jobs) InTerm(ctx context.Context) context.Context { return s.redis.InTerm(ctx) }

// PutDevices stores one part of a job's devices.
func (s *Jobs) PutDevices(ctx context.Context, team fleet.TeamID, number uint32, part int, ids []fleet.DeviceID) error {
	text, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	key := keys.JobDevices(team, number)
	return s.redis.Do(ctx, key, func(p redis.Pipeliner) redis.Cmder {
		return p.HSet(context.Background(), key, strconv.Itoa(part), text)
	})
}

// Devices returns one part of a job's devices; fleet.NotFound when there is none.
func (s *Jobs) Devices(ctx context.Context, team fleet.TeamID, number uint32, part int) ([]fleet.DeviceID, error) {
	key := keys.JobDevices(team, number)
	text, err := pipeline.Fetch(ctx, s.redis, key, func(p redis.Pipeliner) pipeline.Result[string] {
		return p.HGet(context.Background(), key, strconv.Itoa(part))
	})
	if errors.Is(err, redis.Nil) {
		return nil, fleet.Errorf(fleet.NotFound, "job %d has no part %d", number, part)
	}
	if err != nil {
		return nil, err
	}
	var ids []fleet.DeviceID
	err = json.Unmarshal([]byte(text), &ids)
	return fleet.DevicesIn(team, ids), err
}

// DropDevices drops the devices of a job that is over.
func (s *Jobs) DropDevices(ctx context.Context, team fleet.TeamID, number uint32) error {
	key := keys.JobDevices(team, number)
	return s.redis.Do(ctx, key, func(p redis.Pipeliner) redis.Cmder { return p.Unlink(context.Background(), key) })
}

// Troubles returns what PutTroubles stored for a job.
func (s *Jobs) Troubles(ctx context.Context, team fleet.TeamID, number uint32) ([]Trouble, error) {
	text, err := pipeline.Fetch(ctx, s.redis, keys.JobTroubles(team), func(p redis.Pipeliner) pipeline.Result[string] {
		return p.HGet(context.Background(), keys.JobTroubles(team), numberText(number))
	})
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var troubles []Trouble
	err = json.Unmarshal([]byte(text), &troubles)
	for i := range troubles {
		troubles[i].Device = troubles[i].Device.In(team)
	}
	return troubles, err
}

// PutTroubles replaces the devices that a job skipped or could not do. The caller bounds them.
func (s *Jobs) PutTroubles(ctx context.Context, team fleet.TeamID, number uint32, troubles []Trouble) error {
	text, err := json.Marshal(troubles)
	if err != nil {
		return err
	}
	return s.redis.Do(ctx, keys.JobTroubles(team), func(p redis.Pipeliner) redis.Cmder {
		return p.HSet(context.Background(), keys.JobTroubles(team), numberText(number), text)
	})
}

// forget drops the troubles of jobs that are no longer kept.
func (s *Jobs) forget(ctx context.Context, team fleet.TeamID, numbers []uint32) error {
	if len(numbers) == 0 {
		return nil
	}
	fields := make([]string, len(numbers))
	for i, n := range numbers {
		fields[i] = numberText(n)
	}
	return s.redis.Do(ctx, keys.JobTroubles(team), func(p redis.Pipeliner) redis.Cmder {
		return p.HDel(context.Background(), keys.JobTroubles(team), fields...)
	})
}

func numberText(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// Entry is a job in Open.
type Entry struct {
	ID     string // in the journal
	By     string // the server that the job was started at, if several share the store
	Team   fleet.TeamID
	Number uint32
}

// Enter notes that a job is not over.
func (s *Jobs) Enter(ctx context.Context, team fleet.TeamID, number uint32) (Entry, error) {
	id, err := s.Open.Open(ctx, fmt.Sprintf("%d %d", team, number))
	return Entry{id, journal.Owner(id), team, number}, err
}

// Entered returns the jobs that are not over, oldest first.
func (s *Jobs) Entered(ctx context.Context) ([]Entry, error) {
	records, err := s.Open.Opened(ctx)
	entries := make([]Entry, 0, len(records))
	for id, text := range records {
		e := Entry{ID: id, By: journal.Owner(id)}
		if _, err := fmt.Sscanf(text, "%d %d", &e.Team, &e.Number); err != nil {
			return nil, fmt.Errorf("the journal of jobs has %.40q: %w", text, err)
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return int(a.Number) - int(b.Number) })
	return entries, err
}
