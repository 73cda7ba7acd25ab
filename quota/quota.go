package quota

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store"
)

// Code is that of errors which a quota causes.
const Code = "quota_exceeded"

// Config is what Quotas count, and the limits.
type Config struct {
	Limits         configs.Quota
	MaxConnections int // of all teams
	TeamMessages   int // per second, of one team; 0: no limit
	Index          *index.Index
	Catalogs       *store.Catalogs

	Updates  func(fleet.TeamID) int // that transfer now
	Messages func(fleet.TeamID) int // that came in the last second
}

// Quotas are the quotas of all teams. They are safe for concurrent use.
type Quotas struct {
	config      Config
	Devices     *Stock
	Images      *Stock  // bytes
	Connections *Places // by device
	Streams     *Places // by user
	Uploads     *Places // by user
}

// Capacities of what all teams use at a moment.
const (
	maxStreams = 1000
	maxUploads = 64 // each is a file of up to ota.max_image
)

// New returns Quotas in which nothing is in use.
func New(config Config) *Quotas {
	q := &Quotas{config: config}
	l := config.Limits
	q.Devices = newStock(Limit{
		"devices", "devices", int64(l.Devices),
		"delete devices that no longer exist, or ask the operator of the server to raise quota.devices",
	}, q.devices)
	q.Images = newStock(Limit{
		"images", "bytes", int64(l.Images),
		"delete firmware that is no longer needed, or ask the operator of the server to raise quota.images",
	}, q.images)
	q.Connections = newPlaces(Limit{
		"connections", "connections", int64(l.Connections),
		"disable devices that need not be online, or ask the operator of the server to raise quota.connections",
	}, config.MaxConnections, 0)
	q.Streams = newPlaces(Limit{
		"streams", "event streams and open pages", int64(l.Streams),
		"close some, or ask the operator of the server to raise quota.streams",
	}, maxStreams, l.UserStreams)
	q.Uploads = newPlaces(Limit{
		"uploads", "uploads at a time", int64(l.Uploads),
		"wait until one is done, or ask the operator of the server to raise quota.uploads",
	}, maxUploads, 0)
	return q
}

// Limit is one quota of a team.
type Limit struct {
	Name   string // as in the settings, below "quota."
	Unit   string
	Most   int64 // 0: no limit of its own
	Advice string
}

// exceeded is the error for more than the limit.
func (l Limit) exceeded(kind fleet.Kind, used int64) error {
	return &fleet.Error{Kind: kind, Code: Code, Text: fmt.Sprintf(
		"quota %s: your team has %d of at most %d %s: %s", l.Name, used, l.Most, l.Unit, l.Advice)}
}

// Exceeded reports whether err is that of a quota.
func Exceeded(err error) bool {
	e := new(fleet.Error)
	return errors.As(err, &e) && e.Code == Code
}

// devices counts the devices of a team.
func (q *Quotas) devices(_ context.Context, team fleet.TeamID) (n int64, err error) {
	all := fleet.Actor{Team: team, Role: fleet.Owner}
	err = q.config.Index.Count(all, 0, nil, func(_ *fleet.IndexEntry, devices int) { n += int64(devices) })
	return n, err
}

// images counts the bytes of the images of a team.
func (q *Quotas) images(ctx context.Context, team fleet.TeamID) (bytes int64, err error) {
	products, err := q.config.Catalogs.Products(ctx, team)
	if err != nil {
		return 0, err
	}
	for _, p := range products {
		c, err := q.config.Catalogs.Catalog(ctx, p.ID)
		if err != nil {
			return 0, err
		}
		once := make(map[fleet.Digest]bool) // versions with the same bytes share a file
		for _, f := range c.Firmware {
			if !once[f.Digest] {
				once[f.Digest] = true
				bytes += f.Size
			}
		}
	}
	return bytes, nil
}
