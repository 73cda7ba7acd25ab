package console

import (
	"strconv"
	"strings"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// paceForm is the part of a plan's form that sets when, and how many devices at once.
type paceForm struct {
	Windows                                      string // one a line: days, hours, zone
	AtOnce, Rate, MostRate, PerGroup, PerGateway string
}

func (v *visit) paceForm() paceForm {
	return paceForm{
		Windows: strings.ReplaceAll(v.text("windows"), "\r\n", "\n"), AtOnce: v.text("at_once"), Rate: v.text("rate"), MostRate: v.text("max_rate"),
		PerGroup: v.text("per_group"), PerGateway: v.text("per_gateway"),
	}
}

// paceFormOf is the inverse of pace.
func paceFormOf(p fleet.ReleasePlan) (f paceForm) {
	for _, w := range p.Windows {
		f.Windows += w.String() + "\n"
	}
	f.Windows = strings.TrimSpace(f.Windows)
	number := func(n int, text string) string {
		if n == 0 {
			return ""
		}
		return text
	}
	l := p.Limits
	f.AtOnce, f.PerGateway = number(l.AtOnce, strconv.Itoa(l.AtOnce)), number(l.Behind, strconv.Itoa(l.Behind))
	f.Rate, f.MostRate = number(l.Hourly, fleet.RateText(l.Hourly)), number(l.Most, fleet.RateText(l.Most))
	f.PerGroup = number(int(l.Group), l.Group.String())
	return f
}

// Paced reports whether the form sets anything.
func (f paceForm) Paced() bool { return f != paceForm{} }

// pace sets the form's values in p. Errors are fleet.Invalid.
func (f paceForm) pace(p *fleet.ReleasePlan) (err error) {
	for line := range strings.Lines(f.Windows) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		w, err := readWindow(line)
		if err != nil {
			return fleet.FieldErrorf("windows", "window %.60q: %v; use days, hours and a zone, as in mon-fri 01:00-05:00 Europe/Berlin", line, err)
		}
		p.Windows = append(p.Windows, w)
	}
	for _, row := range []struct {
		field, text string
		into        *int
	}{{"at_once", f.AtOnce, &p.Limits.AtOnce}, {"per_gateway", f.PerGateway, &p.Limits.Behind}} {
		if row.text == "" {
			continue
		}
		if *row.into, err = strconv.Atoi(row.text); err != nil || *row.into < 1 {
			return fleet.FieldErrorf(row.field, "%.20q: use a whole number of devices", row.text)
		}
	}
	if f.Rate != "" {
		if p.Limits.Hourly, err = fleet.ParseRate(f.Rate); err != nil {
			return err
		}
	}
	if f.MostRate != "" {
		if p.Limits.Most, err = fleet.ParseRate(f.MostRate); err != nil {
			return err
		}
	}
	if f.PerGroup != "" {
		p.Limits.Group, err = share(f.PerGroup)
	}
	return err
}

// readWindow reads "mon-fri 01:00-05:00 Europe/Berlin", of which days and zone may be left out.
func readWindow(line string) (w calendar.Window, err error) {
	words := strings.Fields(line)
	hours := 0
	if len(words) > 1 && !strings.Contains(words[0], ":") {
		hours = 1
		if w.Days, err = calendar.ParseDays(words[0]); err != nil {
			return w, err
		}
	} else if w.Days, err = calendar.ParseDays(""); err != nil {
		return w, err
	}
	from, to, _ := strings.Cut(words[hours], "-")
	if w.From, err = calendar.ParseClock(from); err != nil {
		return w, err
	}
	if w.To, err = calendar.ParseClock(to); err != nil {
		return w, err
	}
	w.Zone = "UTC"
	if len(words) > hours+1 {
		w.Zone = strings.Join(words[hours+1:], " ")
	}
	return w, w.Check()
}

// paceRules are the windows and limits of a plan, a sentence each.
func paceRules(p fleet.ReleasePlan) (rules []string) {
	var windows []string
	for _, w := range p.Windows {
		zone := w.Zone
		if zone == "device" {
			zone = "in each device's zone"
		}
		windows = append(windows, w.Days.String()+" "+calendar.Clock(w.From)+" to "+calendar.Clock(w.To)+" "+zone)
	}
	if len(windows) > 0 {
		rules = append(rules, "Updates begin only at these times: "+join(windows, ", or ")+".")
	}
	l := p.Limits
	if l.AtOnce > 0 {
		rules = append(rules, "At most "+humane.Count(l.AtOnce, "device")+" at once.")
	}
	switch {
	case l.Most > 0:
		rules = append(rules, "At most "+fleet.RateText(l.Hourly)+" begin, growing to "+fleet.RateText(l.Most)+" while updates are confirmed.")
	case l.Hourly > 0:
		rules = append(rules, "At most "+fleet.RateText(l.Hourly)+" begin.")
	}
	if l.Group > 0 {
		rules = append(rules, "At most "+l.Group.String()+" of each group's online devices at once.")
	}
	if l.Behind > 0 {
		rules = append(rules, "At most "+humane.Count(l.Behind, "device")+" behind each gateway at once.")
	}
	if p.Spread {
		rules = append(rules, "The first stage is spread over hardware, versions that run, and gateways.")
	}
	return rules
}
