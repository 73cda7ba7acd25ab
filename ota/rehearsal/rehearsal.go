package rehearsal

import (
	"context"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/store"
)

const (
	maxDevices = 20_000           // of a product that is rehearsed
	longest    = 60 * time.Second // of the machine's time
	horizon    = 366 * 24 * time.Hour
	maxFaults  = 8
)

// Config is what a Service works with.
type Config struct {
	Devices  *store.Devices
	Index    *index.Index
	OTA      *ota.Service
	Releases *release.Service

	MaxUpdates int           // downloads at the same time
	Rate       int64         // bytes per second of all downloads; 0: no limit
	Session    time.Duration // a device says Hello at least as often; default 24 h
}

// Service rehearses releases. It is safe for concurrent use; one rehearsal runs at a time.
type Service struct {
	Config
	running chan struct{} // has a place for the one that runs
}

// New returns a Service.
func New(config Config) *Service {
	if config.Session <= 0 {
		config.Session = 24 * time.Hour
	}
	return &Service{config, make(chan struct{}, 1)}
}

// Phase is where an update fails.
type Phase string

// The phases.
const (
	AtDownload Phase = "download" // the device reports a storage error half way
	AtVerify   Phase = "verify"   // the digest of what it stored differs
	AtApply    Phase = "apply"    // it returns with the version that ran before
	AtReturn   Phase = "return"   // it does not return from its restart
)

// Fault makes a share of the devices fail in a phase, at every attempt. Which ones depends on their
// ids only.
type Fault struct {
	Phase Phase
	Share fleet.Share
}

// Strikes reports whether f, which is number n of the faults of a rehearsal, strikes a device.
func (f Fault) Strikes(id fleet.DeviceID, n int) bool {
	return fleet.Place(id.Hash(), 0xfa017+uint64(n)) < f.Share //nolint:gosec // below maxFaults
}

// Rehearse runs a release with a plan on a copy of product's fleet, from now until it has ended,
// can't continue, or a year is over. order must begin one release with a plan. It changes nothing.
// Errors: those of release.Service.Release for this order; fleet.Invalid for an order without a
// plan and for unknown faults; fleet.TooLarge for more than 20,000 devices; fleet.Busy while another
// rehearsal runs, and after a minute; fleet.Unavailable until the index is built.
func (s *Service) Rehearse(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder, faults []Fault) (*Report, error) {
	if err := check(faults); err != nil {
		return nil, err
	}
	if order.Plan == nil {
		return nil, fleet.FieldErrorf("plan", "only a release with a plan can be rehearsed: give one")
	}
	c, begun, err := s.Releases.Foresee(ctx, actor, product, order)
	if err != nil {
		return nil, err
	}
	if len(begun) != 1 {
		return nil, fleet.FieldErrorf("groups", "a rehearsal is of one release: name one target that does not have the version yet")
	}
	if actor.Role.Restricted() && begun[0].Group == 0 {
		return nil, fleet.Errorf(fleet.Denied, "a rehearsal counts devices that you may not see")
	}
	impact, err := s.impact(ctx, actor, product, order)
	if err != nil {
		return nil, err
	}
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	default:
		return nil, fleet.Errorf(fleet.Busy, "another rehearsal is running: try again in a minute")
	}
	limited, cancel := context.WithTimeoutCause(ctx, longest, fleet.Errorf(fleet.Busy, "the rehearsal took longer than %s: rehearse a release to fewer devices", longest))
	defer cancel()
	r, err := s.copy(limited, c, begun[0], faults)
	if err == nil {
		err = r.run(limited)
	}
	if err != nil {
		if cause := context.Cause(limited); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	return r.report(impact), nil
}

// impact is what the order does once its plan has reached all devices.
func (s *Service) impact(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder) (fleet.Impact, error) {
	whole := order.Plan.Clone()
	whole.Stages, whole.Start = []fleet.ReleaseStage{{Share: fleet.Whole}}, time.Time{}
	order.Plan = &whole
	return s.Releases.Impact(ctx, actor, product, order)
}

func check(faults []Fault) error {
	if len(faults) > maxFaults {
		return fleet.FieldErrorf("faults", "at most %d faults", maxFaults)
	}
	for _, f := range faults {
		switch f.Phase {
		case AtDownload, AtVerify, AtApply, AtReturn:
		default:
			return fleet.FieldErrorf("faults", "%.20q is not a phase: use download, verify, apply or return", string(f.Phase))
		}
	}
	return nil
}
