package fleet

// ReleaseView is a release with a plan as one actor sees it.
type ReleaseView struct {
	Release
	Over   ReleaseID     // the release that stands over it; 0: none
	Counts ReleaseCounts // of the devices the actor sees; zero when it has ended
	Whole  bool          // Counts are of all devices, so the plan's bars apply to them
	Reason string        // what it waits for, or what led to its state
}

// ReleaseCounts counts devices by what a release did with them. Each device is counted once.
type ReleaseCounts struct {
	Targets   int                 // devices that it gives its version now
	Reach     int                 // devices that it would, at a share of 100 %
	Running   int                 // of Targets, those that run the version
	Confirmed int                 // updated by it, and run the version
	Failed    int                 // tried by it and failed or rolled back, and don't run the version
	Lost      int                 // updated by it and not heard of again in time
	Unhealthy int                 // of Confirmed, those in trouble since, less what is usual for devices that were not updated
	Updating  map[UpdateState]int // on the way, by state; without Lost
	Waiting   map[string]int      // of Targets, those that nothing happens to, by cause
	Return    int                 // devices that run the version and should run another one again
}

// ReleasePart is what a release did with a device. Each device is in one part at most.
type ReleasePart string

// The parts, as ReleaseCounts counts them.
const (
	PartConfirmed ReleasePart = "confirmed"
	PartFailed    ReleasePart = "failed"
	PartUpdating  ReleasePart = "updating" // also devices that are lost
	PartWaiting   ReleasePart = "waiting"
)

// Ended is how many updates by the release have ended through the device itself.
func (n ReleaseCounts) Ended() int { return n.Confirmed + n.Failed + n.Lost }

// ReleaseAction is what an operator does about a release with a plan.
type ReleaseAction string

// The actions.
const (
	ApproveRelease ReleaseAction = "approve" // the next stage, whatever it waits for
	PauseRelease   ReleaseAction = "pause"   // no further stage; updates continue
	ResumeRelease  ReleaseAction = "resume"  // after a pause or a halt
	HaltRelease    ReleaseAction = "halt"    // running downloads stop, no device updates any more
	RevertRelease  ReleaseAction = "revert"  // updated devices return to what stood there before
	FinishRelease  ReleaseAction = "finish"  // to every device, now, without a plan
)
