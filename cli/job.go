package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type jobCmd struct {
	List   jobListCmd   `cmd:"" help:"List the latest jobs." example:"muster job list"`
	Show   jobShowCmd   `cmd:"" help:"Show one job, and the devices that it skipped." example:"muster job show 7"`
	Watch  jobWatchCmd  `cmd:"" help:"Watch a job until it is over. Exits with 1 if it failed or was canceled." example:"muster job watch 7"`
	Cancel jobCancelCmd `cmd:"" help:"End a job; the devices that it has not come to are left as they are." example:"muster job cancel 7"`
}

type jobListCmd struct{ remote }

// Run lists jobs.
func (c *jobListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Job, error) { return s.Jobs(ctx) }, func(t *table, jobs []api.Job) {
		t.hint(len(jobs), "No jobs yet. Changes of more than %d devices, or with --filter, are jobs.", batchSize)
		t.row("JOB", "WHAT", "STATE", "DEVICES", "DONE", "SKIPPED", "FAILED", "STARTED", "BY")
		for _, j := range jobs {
			t.row(j.Number, jobWords(j), j.State, j.Devices, j.Done, j.Skipped, j.Failed, j.Started, j.By)
		}
	})
}

// oneJob is the argument of verbs about one job.
type oneJob struct {
	remote
	Number uint32 `arg:"" help:"Number of the job."`
}

type jobShowCmd struct{ oneJob }

// Run shows a job.
func (c *jobShowCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Job, error) { return s.Job(ctx, c.Number) }, drawJob)
}

type jobCancelCmd struct{ oneJob }

// Run cancels a job.
func (c *jobCancelCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Job, error) { return s.CancelJob(ctx, c.Number) }, drawJob)
}

func drawJob(t *table, j api.Job) {
	t.row("job", j.Number)
	t.row("what", jobWords(j))
	if j.Of != "" {
		t.row("of", j.Of)
	}
	t.row("state", strings.TrimSpace(j.State+" "+j.Why))
	t.row("devices", j.Devices)
	t.row("done", j.Done)
	t.row("skipped", j.Skipped)
	t.row("failed", j.Failed)
	t.row("left", j.Left)
	t.row("started", cell(j.Started)+" by "+j.By)
	if j.Ended != nil {
		t.row("ended", j.Ended)
	}
	for _, reason := range slices.Sorted(maps.Keys(j.Reasons)) {
		t.row(reason, j.Reasons[reason])
	}
	for _, one := range j.Troubles {
		t.row("  "+one.Device, one.Text)
	}
}

// jobWords is what a job does.
func jobWords(j api.Job) string { return strings.Join(append([]string{j.Action}, j.What...), " ") }

type jobWatchCmd struct {
	oneJob
	Plain bool `help:"Print plain lines instead of a live view."`
}

// Run shows how far a job has come until it is over.
func (c *jobWatchCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	j, err := watchJob(ctx, s, c.Number, c.Plain || c.JSON)
	if err != nil {
		return err
	}
	return answer(c, j, jobError(j), drawJob)
}

// jobError is about a job that is over and did not do all.
func jobError(j api.Job) error {
	switch {
	case j.State != "done":
		return fmt.Errorf("job %d is %s: %s; %s done, %d left as they are", j.Number, j.State, cell(j.Why), humane.Count(j.Done, "device"), j.Left)
	case j.Failed > 0:
		return fmt.Errorf("job %d: %s failed: see muster job show %d", j.Number, humane.Count(j.Failed, "device"), j.Number)
	}
	return nil
}

const (
	firstLook = 50 * time.Millisecond // a small job is over by then
	lookEvery = 500 * time.Millisecond
)

// watchJob shows how far a job has come, on standard error, until it is over.
func watchJob(ctx context.Context, s server, number uint32, plain bool) (j api.Job, err error) {
	view := terminal.NewView(os.Stderr, plain)
	defer view.End()
	every := firstLook
	for {
		if _, err := refresh(ctx, every, 0, func(ctx context.Context) (done bool, err error) {
			j, err = s.Job(ctx, number)
			return err == nil, err
		}); err != nil || ctx.Err() != nil {
			return j, err
		}
		if j.Over() {
			return j, nil
		}
		view.Show([]string{fmt.Sprintf("Job %d: %s of %s, %s skipped, %s failed", number,
			humane.Number(j.Devices-j.Left), humane.Count(j.Devices, "device"), humane.Number(j.Skipped), humane.Number(j.Failed))})
		select {
		case <-ctx.Done():
			note("The job continues. To watch it again: muster job watch %d", number)
			return j, ctx.Err()
		case <-time.After(every):
		}
		every = lookEvery
	}
}

// jobSize is how many ids are sent for one job.
const jobSize = 5000

// newJobs are the jobs that make a change of devices: those with ids, or those of a saved filter.
func newJobs(edit api.BatchUpdate, ids []string, filter string) (jobs []api.NewJob) {
	j := api.NewJob{Action: edit.Action, Filter: filter}
	m := edit.Metadata
	j.Metadata = api.JobMetadata{Add: m.Add, Remove: m.Remove, Version: m.Version, Flash: m.Flash}
	if m.Development != nil && !*m.Development {
		j.Action = "no-development"
	}
	if filter != "" {
		return []api.NewJob{j}
	}
	for some := range slices.Chunk(ids, jobSize) {
		j.Devices = some
		jobs = append(jobs, j)
	}
	return jobs
}

// changeByJobs shows the impact of jobs together, asks, and carries them out one after the other. The
// first %s of question and done is how many devices.
func changeByJobs(ctx context.Context, r remote, a agree, s server, jobs []api.NewJob, question, done string) error {
	var devices, online int
	var impact fleet.Impact
	targets := false
	var due []api.NewJob
	for _, j := range jobs {
		one, err := s.PreviewJob(ctx, s.product, j)
		if err != nil {
			return err
		}
		devices, online = devices+one.Devices, online+one.Online
		if one.Devices > 0 {
			due = append(due, j)
		}
		if one.Impact != nil {
			impact.Add(readImpact(*one.Impact))
			targets = true
		}
	}
	if devices == 0 {
		return r.done(nil, "No device is selected that this can be done to: nothing to do.")
	}
	if targets {
		noteImpact(impact)
	} else {
		note("%s online now.", humane.Count(online, "device"))
	}
	if err := a.confirm(ctx, "%s", strings.Replace(question, "%s", humane.Count(devices, "device"), 1)); err != nil {
		return err
	}
	var sum api.Job
	for _, order := range due {
		j, err := s.StartJob(ctx, s.product, order)
		if err == nil {
			j, err = watchJob(ctx, s, j.Number, r.JSON)
		}
		if err != nil {
			return err
		}
		sum.Done, sum.Skipped, sum.Number = sum.Done+j.Done, sum.Skipped+j.Skipped, j.Number
		if err := jobError(j); err != nil {
			return err
		}
	}
	text := strings.Replace(done, "%s", humane.Count(sum.Done, "device"), 1)
	if sum.Skipped > 0 {
		text += fmt.Sprintf(" %s skipped: see muster job show %d", humane.Count(sum.Skipped, "device"), sum.Number)
	}
	return r.done(nil, "%s", text)
}
