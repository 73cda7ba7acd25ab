package record

import (
	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
)

// Release packs all of a release with a plan, and the releases below it.
var Release = Codec[fleet.Release]{release}

func release(f *fields, r *fleet.Release) {
	number(f, 1, &r.ID)
	number(f, 2, &r.Group)
	version(f, 3, &r.Version)
	version(f, 4, &r.Base)
	under(f, 5, &r.Under)
	number(f, 6, &r.Share)
	number(f, 7, &r.Salt)
	inner(f, 8, plan, &r.Plan)
	number(f, 9, &r.State)
	number(f, 10, &r.Stage)
	number(f, 11, &r.Held)
	number(f, 12, &r.Forgive.Failed)
	number(f, 13, &r.Forgive.Lost)
	text(f, 14, &r.Why)
	text(f, 15, &r.By)
	instant(f, 16, &r.Created)
	instant(f, 17, &r.Changed)
	flag(f, 18, &r.Now)
	number(f, 19, &r.Few)
	number(f, 20, &r.First)
	number(f, 21, &r.Forgive.Unhealthy)
	flag(f, 22, &r.Alert)
}

func plan(f *fields, p *fleet.ReleasePlan) {
	instant(f, 1, &p.Start)
	list(f, 2, stage, &p.Stages)
	number(f, 3, &p.Sample)
	number(f, 4, &p.Gate)
	inner(f, 5, bar, &p.Halt.Failures)
	inner(f, 6, bar, &p.Halt.Lost)
	number(f, 7, &p.Halt.Return)
	flag(f, 8, &p.Revert)
	flag(f, 9, &p.Ask)
	list(f, 10, window, &p.Windows)
	inner(f, 11, limits, &p.Limits)
	inner(f, 12, bar, &p.Halt.Unhealthy)
	number(f, 13, &p.Halt.Soak)
	flag(f, 14, &p.Spread)
}

func window(f *fields, w *calendar.Window) {
	number(f, 1, &w.Days)
	number(f, 2, &w.From)
	number(f, 3, &w.To)
	text(f, 4, &w.Zone)
}

func limits(f *fields, l *fleet.ReleaseLimits) {
	number(f, 1, &l.AtOnce)
	number(f, 2, &l.Hourly)
	number(f, 3, &l.Group)
	number(f, 4, &l.Most)
	number(f, 5, &l.Behind)
}

func stage(f *fields, s *fleet.ReleaseStage) {
	number(f, 1, &s.Share)
	number(f, 2, &s.Hold)
	flag(f, 3, &s.Approve)
	number(f, 4, &s.Devices)
	number(f, 5, &s.Group)
}

func bar(f *fields, b *fleet.Bar) {
	number(f, 1, &b.Share)
	number(f, 2, &b.Devices)
}

// under visits the release below another.
func under(f *fields, tag byte, r **fleet.Release) {
	if !f.packing {
		if value, ok := f.take(tag); ok {
			*r = new(fleet.Release)
			f.broken = f.broken || Codec[fleet.Release]{release}.Unpack(value, *r) != nil
		}
	} else if *r != nil {
		f.put(tag, Codec[fleet.Release]{release}.Pack(*r))
	}
}

// inner visits a value inside another.
func inner[T any](f *fields, tag byte, visit func(*fields, *T), value *T) {
	if f.packing {
		f.put(tag, Codec[T]{visit}.Pack(value))
	} else if text, ok := f.take(tag); ok {
		f.broken = f.broken || Codec[T]{visit}.Unpack(text, value) != nil
	}
}

// list visits values one after the other: each as a field with the tag 1 of a record of its own.
func list[T any](f *fields, tag byte, visit func(*fields, *T), values *[]T) {
	if f.packing {
		all := fields{packing: true}
		for i := range *values {
			all.put(1, Codec[T]{visit}.Pack(&(*values)[i])+"\x00") // never empty
		}
		f.put(tag, string(all.record))
		return
	}
	text, _ := f.take(tag)
	for all := (fields{rest: text}); all.rest != "" && !all.broken; {
		var value T
		_, packed := all.cut()
		if all.broken || packed == "" {
			f.broken = true
			return
		}
		f.broken = f.broken || Codec[T]{visit}.Unpack(packed[:len(packed)-1], &value) != nil
		*values = append(*values, value)
	}
}
