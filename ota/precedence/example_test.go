package precedence_test

import (
	"fmt"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

func Example() {
	const beta, eu = fleet.GroupID(1), fleet.GroupID(2)
	names := map[fleet.GroupID]string{beta: "beta", eu: "eu"}
	catalog := &fleet.Catalog{
		Default: fleet.WholeVersion(7),
		Groups:  map[fleet.GroupID]fleet.Version{beta: fleet.WholeVersion(9)},
	}
	device := fleet.Device{Groups: []fleet.GroupID{beta, eu}}

	target, reason, _ := precedence.Decide(precedence.Of(&device), catalog)
	fmt.Printf("version %s, because of: %s\n", target, reason)

	trace := precedence.Explain(precedence.Of(&device), catalog, func(g fleet.GroupID) (string, bool) { return names[g], true })
	for _, step := range trace.Steps {
		fmt.Printf("%s, %s: %s\n", step.Rule, step.Outcome, step)
	}
	// Output:
	// version 9, because of: group
	// development, none: not a development device
	// lock, none: not locked
	// group, considered: group beta has release 9
	// group, none: group eu has no release in this product
	// group, wins: group beta gives 9, the highest of its groups' releases
	// default, passed over: the product default 7 counts only where no other rule decides
}
