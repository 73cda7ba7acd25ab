package api

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// Serve is an API over fakes, for tests with the client.
type Serve struct{ *serve }

// NewServe starts an API.
func NewServe(t *testing.T) Serve { return Serve{newServe(t)} }

// URL is where it listens.
func (s Serve) URL() string { return s.server.URL }

// Fail makes every call about devices answer err.
func (s Serve) Fail(err error) { s.registry.fails = err }

// Image is the last image that was uploaded.
func (s Serve) Image() string { return s.ota.image }

// Batch is the last edit of many devices.
func (s Serve) Batch() fleet.GroupsEdit { return s.registry.batch }

// TestToken is the token that is valid.
const TestToken = testToken

// Kinds are the kinds of error that have a status.
func Kinds() (kinds []fleet.Kind) {
	for _, row := range statuses {
		kinds = append(kinds, row.kind)
	}
	return kinds
}
