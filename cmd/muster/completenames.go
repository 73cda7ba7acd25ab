package main

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

// A shell waits while it completes: not longer than this, and for not more than these.
const (
	completeWithin = 1500 * time.Millisecond
	completeAtMost = 100
)

// known are the names of a kind that begin with prefix, as far as the server tells in time;
// given are the flags on the line. A server that can't be asked knows none.
func known(ctx context.Context, kind, prefix string, given map[string]string) []string {
	// A list between commas goes on after the last of them.
	start := ""
	if i := strings.LastIndexByte(prefix, ','); i >= 0 {
		start, prefix = prefix[:i+1], prefix[i+1:]
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	var found []string
	for _, name := range namesOf(ctx, kind, prefix, given) {
		if strings.HasPrefix(name, prefix) {
			found = append(found, clean(start+name))
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
	client, err := remote{Context: flag("context", "MUSTER_CONTEXT"), URL: flag("url", "MUSTER_URL")}.client()
	if err != nil {
		return nil
	}
	switch kind {
	case "product":
		return productNames(ctx, client)
	case "user":
		return userNames(ctx, client)
	}
	product, err := productFlag{flag("product", "MUSTER_PRODUCT")}.product(ctx, client)
	if err != nil {
		return nil
	}
	switch kind {
	case "group":
		return groupNames(ctx, client, product)
	case "firmware":
		return versionNames(ctx, client, product)
	case "device":
		return deviceNames(ctx, client, product, prefix)
	}
	return nil
}

func productNames(ctx context.Context, client *client.Client) (found []string) {
	all, _ := client.Products(ctx) // nobody is there to read an error
	for _, one := range all {
		found = append(found, one.Slug)
	}
	return found
}

func userNames(ctx context.Context, client *client.Client) (found []string) {
	all, _ := client.Users(ctx)
	for _, one := range all {
		found = append(found, one.Email)
	}
	return found
}

func groupNames(ctx context.Context, client *client.Client, product string) (found []string) {
	all, _ := client.Groups(ctx, product)
	for _, one := range all {
		found = append(found, one.Name)
	}
	return found
}

func versionNames(ctx context.Context, client *client.Client, product string) (found []string) {
	all, _ := client.Firmware(ctx, product)
	for _, one := range all {
		found = append(found, one.Version.String())
	}
	return found
}

func deviceNames(ctx context.Context, client *client.Client, product, prefix string) (found []string) {
	all, _ := client.Devices(ctx, product, api.DeviceFilter{ID: prefix, Sort: "deviceId", PerPage: completeAtMost})
	for _, one := range all.Devices {
		found = append(found, one.ID)
	}
	return found
}
