package console

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/job"
)

// jobPages show background jobs.
type jobPages struct{ *visit }

// jobRow is a job as the pages show it.
type jobRow struct {
	job.Job
	Slug string // of its product, "" if that is gone
}

// Title is what the job does.
func (r jobRow) Title() string { return jobTitle(&r.Job) }

// Came returns how many devices the job has come to.
func (r jobRow) Came() int { return r.Devices - r.Left() }

// Percent returns Came as a share of Devices.
func (r jobRow) Percent() int { return r.Came() * 100 / max(r.Devices, 1) }

// Mood is the class of the state.
func (r jobRow) Mood() string {
	switch {
	case r.State == job.Failed || r.Bad > 0:
		return "bad"
	case r.State == job.Done:
		return "good"
	}
	return ""
}

// Causes are the reasons of the devices that were not done, the most frequent first.
func (r jobRow) Causes() []string {
	return slices.SortedFunc(maps.Keys(r.Reasons), func(a, b string) int { return cmp.Or(r.Reasons[b]-r.Reasons[a], cmp.Compare(a, b)) })
}

// Back is the address of the devices of the job's product.
func (r jobRow) Back() string {
	if r.Slug == "" {
		return "/devices"
	}
	return "/p/" + r.Slug + "/devices"
}

// Resume is the address of the question whether to resume the updates that the job stopped, "" if it
// stopped none.
func (r jobRow) Resume() string {
	if r.Action != job.Stop || r.Slug == "" || r.Job.Done == 0 || !r.State.Over() {
		return ""
	}
	return "/p/" + r.Slug + "/retry?all=yes&update=" + fleet.Stopped.String()
}

// jobTitle is what a job does, without its devices.
func jobTitle(j *job.Job) string {
	switch j.Action {
	case job.Groups:
		return "Edit groups: " + strings.Join(j.Names, ", ")
	case job.Lock:
		return "Lock to version " + j.Version + either(j.Now, ", at once", "")
	case job.Flash:
		return "Flash version " + j.Version
	case job.Command:
		return "Send the command " + cmp.Or(j.Command, "without a name")
	}
	return actionTexts[j.Action]
}

// actionTexts name the actions, as in "Unlock 3 devices?".
var actionTexts = map[job.Action]string{
	job.Groups: "Edit groups of", job.Lock: "Lock", job.Unlock: "Unlock", job.Development: "Mark as development devices:", job.NoDevelopment: "Unmark as development devices:",
	job.Disable: "Disable", job.Enable: "Enable", job.Flash: "Flash", job.Command: "Send a command to", job.Retry: "Retry the updates of",
	job.Resume: "Resume the updates of", job.Stop: "Stop the updates of", job.Delete: "Delete",
}

type jobsBody struct {
	Jobs []jobRow
	Mine bool // only those of the user
}

func (v jobPages) listPage() error {
	rows, err := v.jobRows()
	if err != nil {
		return err
	}
	b := jobsBody{Jobs: rows, Mine: v.may(fleet.SeeAudit) != nil}
	if v.fragment() {
		return v.fragmentOf("jobs", "rows", b)
	}
	return v.show("jobs", "Jobs", b)
}

func (v *visit) jobRows() ([]jobRow, error) {
	list, err := v.jobs.List(v.ctx(), v.actor)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	slugs, err := v.slugs()
	rows := make([]jobRow, 0, len(list))
	for _, j := range list {
		rows = append(rows, jobRow{j, slugs[j.Product]})
	}
	return rows, err
}

func (v *visit) slugs() (map[fleet.ProductID]string, error) {
	products, err := v.registry.Products(v.ctx(), v.actor)
	slugs := make(map[fleet.ProductID]string, len(products))
	for _, p := range products {
		slugs[p.ID] = p.Slug
	}
	return slugs, err
}

// jobBody is the page of one job.
type jobBody struct {
	jobRow
	Troubles []job.Trouble
	Known    map[fleet.DeviceID]bool // of Troubles
}

// More returns how many devices that were not done are only counted.
func (b jobBody) More() int { return max(b.Bad+b.Skipped-len(b.Troubles), 0) }

func (v jobPages) number() (uint32, error) {
	n, err := strconv.ParseUint(v.r.PathValue("job"), 10, 32)
	if err != nil {
		return 0, fleet.Errorf(fleet.NotFound, "no such job: %.40s", v.r.PathValue("job"))
	}
	return uint32(n), nil
}

func (v jobPages) page() error {
	n, err := v.number()
	if err != nil {
		return err
	}
	j, troubles, err := v.jobs.Job(v.ctx(), v.actor, n)
	if err != nil {
		return err
	}
	slugs, err := v.slugs()
	if err != nil {
		return err
	}
	var ids []fleet.DeviceID
	for _, t := range troubles {
		ids = append(ids, t.Device)
	}
	b := jobBody{jobRow{j, slugs[j.Product]}, troubles, v.known(ids)}
	if v.fragment() {
		return v.fragmentOf("job", "progress", b)
	}
	return v.show("job", b.Title(), b)
}

func (v jobPages) cancel() error {
	n, err := v.number()
	if err != nil {
		return err
	}
	j, err := v.jobs.Cancel(v.ctx(), v.actor, n)
	return v.after(err, jobAddress(n), "Canceled. "+humane.Count(j.Left(), "device")+" left as they are.")
}

func jobAddress(number uint32) string { return "/jobs/" + strconv.FormatUint(uint64(number), 10) }

// maxJobAlarms bounds the jobs that every page shows.
const maxJobAlarms = 3

// jobAlarms are the jobs under way, for every page.
func (v *visit) jobAlarms() (items []alarm, err error) {
	list, err := v.jobs.List(v.ctx(), v.actor)
	for _, j := range list {
		if j.State.Over() || len(items) == maxJobAlarms {
			continue
		}
		r := jobRow{Job: j}
		items = append(items, alarm{
			"Job " + strconv.FormatUint(uint64(j.Number), 10), r.Title() + ", " + humane.Number(r.Came()) + " of " + humane.Count(j.Devices, "device"), jobAddress(j.Number), false,
		})
	}
	return items, err
}

// formKey is a key for a form, so that sending it twice starts one job.
func formKey() string { return rand.Text() }
