package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// place names a data folder on a machine. One process at a time has a folder, so that two
// holders of one place follow each other. Should a copy of a machine have the same name, the
// holder notices with its next renewal that it has lost the lease.
func place(folder string) string {
	host, _ := os.Hostname()                     // "" will do
	machine, _ := os.ReadFile("/etc/machine-id") // absent on other systems
	path, err := filepath.Abs(folder)
	if err != nil {
		path = folder
	}
	name := fmt.Sprintf("%s %s", host, path)
	if info, err := os.Stat(path); err == nil {
		name += " " + inode(info)
	}
	return strings.TrimSpace(name + " " + strings.TrimSpace(string(machine)))
}

// noted is the place that a store keeps of its holder. Joined processes note none of their own: a
// process on the data folder of one of them must not replace the others.
func (k *Keeper) noted() string {
	if k.config.Joined {
		return joined
	}
	return k.place
}

// shown is the part of a place that a person can use.
func shown(place string) string {
	if place == joined {
		return "servers started with --join"
	}
	words := strings.Fields(place)
	if len(words) < 2 {
		return "another machine"
	}
	return words[0] + ", data folder " + words[1]
}
