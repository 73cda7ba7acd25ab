package precedence

import "github.com/muster-iot/muster/fleet"

// Explain decides with reasons: one step per rule, and per group, in the order of
// the rules. name returns a group's name, or false when the asking user may not see it: all
// such groups are one step without a name or a version.
func Explain(f Facts, c *fleet.Catalog, name func(fleet.GroupID) (string, bool)) Trace {
	var trace Trace
	hidden := -1 // index of the step that stands for all hidden groups
	trace.Target, trace.Reason, _ = decide(f, c, func(rule fleet.Reason, out Outcome, group fleet.GroupID, v fleet.Version, staged Staging) {
		step := Step{Rule: Rule(rule), Outcome: out, Version: v, Staged: staged}
		if rule != fleet.BecauseGroup {
			trace.Steps = append(trace.Steps, step)
			return
		}
		if group == 0 { // no group has a release
			step.Groups = len(f.Groups)
			trace.Steps = append(trace.Steps, step)
			return
		}
		if out == Applies {
			step.Outcome = Wins
		}
		text, visible := name(group)
		switch {
		case visible:
			step.Group = text
			trace.Steps = append(trace.Steps, step)
		case hidden < 0:
			hidden = len(trace.Steps)
			trace.Steps = append(trace.Steps, Step{Rule: RuleGroup, Outcome: Considered, Hidden: true})
		case step.Outcome == Wins: // that it has a release at all shows only where it wins
			trace.Steps[hidden].Outcome = Wins
		}
	})
	return trace
}
