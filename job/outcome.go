package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/jobs"
)

// commit stores what a part has come to, in one write.
func (s *Service) commit(ctx context.Context, r *running, j *Job, ids []fleet.DeviceID, errs []error) error {
	var troubles []Trouble
	done, bad, skipped, reasons := 0, 0, 0, map[string]int{}
	for i, err := range errs {
		if err == nil {
			done++
			continue
		}
		reason, isBad := reasonOf(err)
		reasons[reason]++
		if isBad {
			bad++
		} else {
			skipped++
		}
		if len(troubles) < MaxTroubles {
			troubles = append(troubles, Trouble{Device: ids[i], Reason: reason, Text: text(err)})
		}
	}
	if err := s.keep(ctx, r, troubles); err != nil {
		return err
	}
	part, now := j.Part, s.clock.Now().UTC()
	after, err := s.jobs.Edit(ctx, r.Team, r.Number, func(j *Job) error {
		if j.Part != part { // written by a try whose answer was lost
			return nil
		}
		j.Part++
		j.Done, j.Bad, j.Skipped, j.Moved = j.Done+done, j.Bad+bad, j.Skipped+skipped, now
		for reason, n := range reasons {
			if j.Reasons == nil {
				j.Reasons = map[string]int{}
			}
			j.Reasons[reason] += n
		}
		if j.State == jobs.Waiting {
			j.State, j.Begun = jobs.Running, now
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.again = false
	if time.Since(r.announce) >= announceEvery {
		r.announce = time.Now()
		s.tell(&after, r.Team)
	}
	return nil
}

// keep adds devices to those that are kept of a job, each once.
func (s *Service) keep(ctx context.Context, r *running, more []Trouble) error {
	if len(more) == 0 {
		return nil
	}
	kept, err := s.jobs.Troubles(ctx, r.Team, r.Number)
	if err != nil || len(kept) >= MaxTroubles {
		return err
	}
	for _, t := range more {
		known := slices.ContainsFunc(kept, func(k Trouble) bool { return k.Device == t.Device })
		if !known && len(kept) < MaxTroubles {
			kept = append(kept, t)
		}
	}
	return s.jobs.PutTroubles(ctx, r.Team, r.Number, kept)
}

// reasonOf returns an error in a word or two, and whether it has nothing to do with the device's state or with
// rights.
func reasonOf(err error) (reason string, bad bool) {
	if errors.Is(err, errNothing) {
		return "nothing to do", false
	}
	switch fleet.KindOf(err) {
	case fleet.NotFound:
		return "not found", false
	case fleet.Denied:
		return "not permitted", false
	case fleet.Conflict:
		return "not possible now", false
	case fleet.Busy:
		return "busy", false
	case fleet.NoSpace:
		return "disk full", true
	}
	return "error", true
}

// maxText bounds what is kept of an error.
const maxText = 200

func text(err error) string {
	t := strings.ToValidUTF8(err.Error(), "?")
	if len(t) > maxText {
		t = strings.ToValidUTF8(t[:maxText], "") + "…"
	}
	return t
}

// finish records a job that is over in the audit log and drops what only its work required.
func (s *Service) finish(ctx context.Context, r *running, j *Job) (over bool, err error) {
	if err := s.jobs.DropDevices(ctx, r.Team, r.Number); err != nil {
		return false, err
	}
	actor := fleet.Actor{Team: r.Team, User: j.User, Email: j.Email, Token: j.Token, Address: j.Address}
	s.audit.RecordIn(ctx, j.Product, actor, "job."+string(j.Action), fmt.Sprint("job ", j.Number), nil, fields(j))
	if err := s.jobs.Open.Close(ctx, r.ID); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "a job that is over is still in the journal: its entry in the audit log may be repeated", slog.Any("err", err))
		return false, err
	}
	s.tell(j, r.Team)
	return true, nil
}

// fields are a job in the audit log.
func fields(j *Job) audit.Fields {
	f := audit.Fields{"product_id": j.Product, "devices": j.Devices, "done": j.Done, "state": string(j.State)}
	for name, n := range map[string]int{"failed": j.Bad, "skipped": j.Skipped, "left": j.Left()} {
		if n > 0 {
			f[name] = n
		}
	}
	for name, value := range map[string]string{"of": j.Of, "version": j.Version, "command": j.Command, "why": j.Why} {
		if value != "" {
			f[name] = value
		}
	}
	if len(j.Names) > 0 {
		f["groups"] = j.Names
	}
	if len(j.Reasons) > 0 {
		f["reasons"] = j.Reasons
	}
	return f
}
