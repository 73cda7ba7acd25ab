package console

import (
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/job"
)

// explain adds what an action does.
func explain(o job.Order, impact job.Impact, q *question) {
	many := humane.Count(impact.Devices, "device")
	switch o.Action {
	case job.Lock:
		q.Title = "Lock " + many + " to version " + o.Version.String() + "?"
		q.Facts = append(q.Facts, "The lock overrides every release. "+either(o.Now, "Those that are online are updated now.", "Each is updated at its next handshake."))
	case job.Unlock:
		q.Facts = append(q.Facts, "Releases apply to them again, from their next handshake.")
	case job.Development:
		q.Facts = append(q.Facts, "They are no longer updated automatically.")
	case job.NoDevelopment:
		q.Facts = append(q.Facts, "Releases apply to them again. Those that are online are updated at once.")
		if impact.Targets != nil && impact.Targets.Online > 0 {
			q.Sure = "Yes, start the updates now: the devices restart when they are complete"
		}
	case job.Flash:
		q.Title = "Flash version " + o.Version.String() + " to " + many + "?"
		q.Facts = append(q.Facts, "Those that are online receive it now, once, whatever releases and locks decide. The others are skipped.")
		q.Sure = "Yes, update them now: the devices restart when they are complete"
	case job.Command:
		q.Facts = append(q.Facts, "Each receives it when it is online, and once.")
	case job.Retry, job.Resume:
		q.Facts = append(q.Facts,
			humane.Count(impact.Held, "device")+" held since an operator stopped the update: resumed.",
			humane.Count(impact.Devices-impact.Held, "device")+" with failed attempts: the attempts are reset, and the pause before the next one ends.",
			"Those that are online are re-evaluated at once, the others at their next handshake. A device whose target is what it runs gets nothing.")
	case job.Stop:
		q.Bad = true
		q.Facts = append(q.Facts, stopFacts...)
	case job.Disable:
		q.Bad, q.Sure = true, "Yes, cut them off"
		q.Facts = append(q.Facts, "Those that are online are disconnected at once. They can't connect until they are enabled again.")
	case job.Enable:
		q.Facts = append(q.Facts, "They can connect again.")
	case job.Delete:
		q.Bad, q.Sure = true, "Yes, delete them for good"
		q.Facts = append(q.Facts, "Their records, secrets and update histories are deleted and can't be restored. They can't connect any more.")
	}
}
