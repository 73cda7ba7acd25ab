package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lines draws s: first all in one line, then a bar for who is online and one per version,
// what is left to do, and the updates that run.
func (s fleetState) lines() []string {
	var runs []string
	states := map[string]int{}
	for _, v := range s.Versions {
		runs = append(runs, fmt.Sprintf("v%s: %d", v.Version, v.Running))
		for state, n := range v.States {
			states[state] += n
		}
	}
	parts := []string{fmt.Sprintf("%d of %d online", s.Online, s.Devices)}
	if len(runs) > 0 {
		parts = append(parts, strings.Join(runs, ", "))
	}
	if s.toGo() == 0 {
		parts = append(parts, "every device runs its target")
	} else {
		parts = append(parts, fmt.Sprintf("%d to go: %s", s.toGo(), statesText(states)))
	}
	lines := []string{strings.Join(parts, " | "), fmt.Sprintf("  %-11s %s %d of %d", "online", bar(s.Online, s.Devices), s.Online, s.Devices)}
	for _, v := range s.Versions {
		line := fmt.Sprintf("  %-11s %s %d run it", "version "+v.Version.String(), bar(v.Running, s.Devices), v.Running)
		if left := v.Target - v.Arrived; left > 0 {
			line += fmt.Sprintf(", %d more should: %s", left, statesText(v.States))
		}
		lines = append(lines, line)
	}
	lines = append(lines, "  "+parts[len(parts)-1])
	for _, u := range s.moving {
		lines = append(lines, fmt.Sprintf("    %-24s %s to %s  %-11s %s", clip(u.DeviceID, 24), cell(u.From), u.To, u.State, received(u)))
	}
	return lines
}

func statesText(states map[string]int) string {
	var words []string
	for _, state := range slices.Sorted(maps.Keys(states)) {
		word := strings.ReplaceAll(state, "_", " ")
		if state == "none" {
			word = "not tried yet"
		}
		words = append(words, fmt.Sprintf("%d %s", states[state], word))
	}
	return strings.Join(words, ", ")
}
