package precedence

import "github.com/muster-iot/muster/fleet"

// HiddenGroup is how a group that the asking user may not see is called.
const HiddenGroup = "a group you can't see"

// Explain is Decide with its reasons in words: one step per rule, and per group, in the
// order of the rules. name gives a group's name, or false when the asking user may not
// see it: such groups appear as HiddenGroup, in one step and without a version.
func Explain(f Facts, c *fleet.Catalog, name func(fleet.GroupID) (string, bool)) fleet.Trace {
	var trace fleet.Trace
	hidden := -1 // index of the step that stands for all hidden groups
	add := func(rule fleet.Reason, outcome, detail string) {
		trace.Steps = append(trace.Steps, fleet.Step{Rule: string(rule), Outcome: outcome, Detail: detail})
	}
	trace.Target, trace.Reason, _ = decide(f, c, func(rule fleet.Reason, out outcome, group fleet.GroupID, v fleet.Version) {
		switch {
		case rule == fleet.BecauseDevelopment:
			add(rule, word(out), developmentDetail(out))
		case rule == fleet.BecauseLock:
			add(rule, word(out), lockDetail(out, v))
		case rule == fleet.BecauseDefault:
			add(rule, word(out), defaultDetail(out, v))
		case group == 0: // no group has a release
			add(rule, word(out), groupsDetail(f))
		default:
			text, seen := name(group)
			if out == applies || out == passedOver {
				if !seen {
					if out == applies { // that it has a release at all is told only where it wins
						trace.Steps[hidden].Outcome = winnerWord(out)
					}
					return
				}
				add(rule, winnerWord(out), winnerDetail(out, text, v))
				return
			}
			if seen {
				add(rule, word(out), memberDetail(out, text, v))
			} else if hidden < 0 {
				hidden = len(trace.Steps)
				add(rule, word(candidate), HiddenGroup)
			}
		}
	})
	return trace
}

func word(out outcome) string {
	return [...]string{absent: "none", applies: "applies", passedOver: "passed over", candidate: "considered"}[out]
}

func winnerWord(out outcome) string {
	if out == applies {
		return "wins"
	}
	return word(out)
}

func developmentDetail(out outcome) string {
	if out == applies {
		return "a development device is never updated automatically"
	}
	return "not a development device"
}

func lockDetail(out outcome, v fleet.Version) string {
	switch out {
	case applies:
		return "locked to " + v.String() + ", above every release"
	case passedOver:
		return "locked to " + v.String() + ": kept, and not applied to a development device"
	}
	return "not locked"
}

func groupsDetail(f Facts) string {
	if len(f.Groups) == 0 {
		return "in no group"
	}
	return "none of its groups has a release in this product"
}

func memberDetail(out outcome, name string, v fleet.Version) string {
	if out == candidate {
		return "group " + name + " has release " + v.String()
	}
	return "group " + name + " has no release in this product"
}

func winnerDetail(out outcome, name string, v fleet.Version) string {
	if out == applies {
		return "group " + name + " gives " + v.String() + ", the highest of its groups' releases"
	}
	return "group " + name + " would give " + v.String()
}

func defaultDetail(out outcome, v fleet.Version) string {
	switch out {
	case applies:
		return "the product default is " + v.String()
	case passedOver:
		return "the product default " + v.String() + " counts only where no other rule decides"
	}
	return "the product has no default"
}
