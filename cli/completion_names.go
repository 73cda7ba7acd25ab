package cli

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
)

// The shell waits for completion, so time and number of names are limited.
const (
	completeWithin = 1500 * time.Millisecond
	completeAtMost = 100
)

// complete returns names of a kind that begin with prefix, none if the server does not answer
// in time; given are the flags on the command line.
func complete(ctx context.Context, kind, prefix string, given map[string]string) []string {
	// In a comma-separated list only the last name is completed.
	start := ""
	if i := strings.LastIndexByte(prefix, ','); i >= 0 {
		start, prefix = prefix[:i+1], prefix[i+1:]
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	var found []string
	for _, name := range namesOf(ctx, kind, prefix, given) {
		if strings.HasPrefix(name, prefix) {
			found = append(found, terminal.Clean(start+name))
		}
	}
	return found[:min(len(found), completeAtMost)]
}

func namesOf(ctx context.Context, kind, prefix string, given map[string]string) []string {
	if kind == "context" {
		all, err := loadContexts()
		if err != nil {
			return nil
		}
		return slices.Sorted(maps.Keys(all.Contexts))
	}
	flag := func(name, variable string) string { return cmp.Or(given[name], os.Getenv(variable)) }
	s, err := remote{Context: flag("context", "MUSTER_CONTEXT"), URL: flag("url", "MUSTER_URL")}.reach(ctx)
	if err != nil {
		return nil
	}
	switch kind {
	case "product":
		return productNames(ctx, s)
	case "user":
		return userNames(ctx, s)
	}
	if s.product, err = (productFlag{flag("product", "MUSTER_PRODUCT")}).product(ctx, s); err != nil {
		return nil
	}
	switch kind {
	case "group":
		return groupNames(ctx, s)
	case "firmware":
		return versionNames(ctx, s)
	case "filter":
		return filterNames(ctx, s)
	case "device":
		return deviceNames(ctx, s, prefix)
	}
	return nil
}

func productNames(ctx context.Context, s server) (found []string) {
	all, _ := s.Products(ctx) // completion has nowhere to report errors
	for _, one := range all {
		found = append(found, one.Slug)
	}
	return found
}

func userNames(ctx context.Context, s server) (found []string) {
	all, _ := s.Users(ctx)
	for _, one := range all {
		found = append(found, one.Email)
	}
	return found
}

func groupNames(ctx context.Context, s server) (found []string) {
	all, _ := s.Groups(ctx, s.product)
	for _, one := range all {
		found = append(found, one.Name)
	}
	return found
}

func versionNames(ctx context.Context, s server) (found []string) {
	all, _ := s.Firmware(ctx, s.product)
	for _, one := range all {
		found = append(found, one.Version.String())
	}
	return found
}

func filterNames(ctx context.Context, s server) (found []string) {
	all, _ := s.SavedFilters(ctx, s.product)
	for _, one := range all {
		found = append(found, one.Name)
	}
	return found
}

func deviceNames(ctx context.Context, s server, prefix string) (found []string) {
	all, _ := s.Devices(ctx, s.product, api.DeviceFilter{ID: prefix, Sort: "deviceId", PerPage: completeAtMost})
	for _, one := range all.Devices {
		found = append(found, one.ID)
	}
	return found
}
